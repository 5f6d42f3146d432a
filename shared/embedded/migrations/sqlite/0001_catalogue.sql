-- Customers, API keys and subscriptions: one row each, its content as JSON.
-- `slot` says which; a deleted subscription leaves a tombstone in its row.
-- `crc` is CRC32C of (slot, id, revision, body); see embedded/catalogue/row.rs.
CREATE TABLE rows (
    slot     TEXT    NOT NULL CHECK (slot IN ('customer', 'key', 'subscription')),
    id       BLOB    NOT NULL CHECK (length(id) = 16),
    revision INTEGER NOT NULL,
    body     TEXT    NOT NULL,
    crc      INTEGER NOT NULL,
    PRIMARY KEY (slot, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX rows_by_revision ON rows (revision);

-- No two keys open the same door.
CREATE UNIQUE INDEX key_hash ON rows (body ->> '$.row.hash') WHERE slot = 'key';

-- What the rows add up to; changed in the transaction that changes a row.
CREATE TABLE digest (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    revision INTEGER NOT NULL,
    rows     INTEGER NOT NULL,
    sum      INTEGER NOT NULL,
    crc      INTEGER NOT NULL
) STRICT;
