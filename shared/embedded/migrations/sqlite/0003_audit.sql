-- Entries of the audit log are rows of the slot 'audit'; their ids ascend in the
-- order in which they were made. SQLite changes no CHECK of a table, so the table
-- is made anew, without the one on `slot`: the program knows the slots. Rows and
-- their checksums stay as they are.
CREATE TABLE rows_new (
    slot     TEXT    NOT NULL,
    id       BLOB    NOT NULL CHECK (length(id) = 16),
    revision INTEGER NOT NULL,
    body     TEXT    NOT NULL,
    crc      INTEGER NOT NULL,
    PRIMARY KEY (slot, id)
) STRICT, WITHOUT ROWID;

INSERT INTO rows_new SELECT slot, id, revision, body, crc FROM rows;
DROP TABLE rows;
ALTER TABLE rows_new RENAME TO rows;

CREATE UNIQUE INDEX rows_by_revision ON rows (revision);
CREATE UNIQUE INDEX key_hash ON rows (body ->> '$.row.hash') WHERE slot = 'key';
CREATE INDEX audit_by_customer ON rows (body ->> '$.row.customer', id) WHERE slot = 'audit';
