-- Every row of the catalogue, as JSON, with the revision of its last change.
CREATE TABLE catalogue_rows (
    slot     text   NOT NULL CHECK (slot IN ('customer', 'key', 'subscription')),
    id       bytea  NOT NULL CHECK (octet_length(id) = 16),
    revision bigint NOT NULL,
    body     text   NOT NULL,
    -- Of keys only: no two keys have the same hash.
    key_hash bytea  UNIQUE,
    PRIMARY KEY (slot, id)
);
CREATE UNIQUE INDEX catalogue_rows_revision ON catalogue_rows (revision);

-- One row: how many changes were made. Locking it is what puts changes in order.
CREATE TABLE catalogue_revision (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision bigint  NOT NULL
);
INSERT INTO catalogue_revision (revision) VALUES (0);
