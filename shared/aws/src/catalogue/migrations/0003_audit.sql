-- The audit log: who changed what. A table of its own, which versions before it
-- do not read. Ids ascend in the order in which entries were made.
CREATE TABLE catalogue_audit (
    id       bytea PRIMARY KEY CHECK (octet_length(id) = 16),
    -- Of the customer whose things were changed.
    customer bytea CHECK (octet_length(customer) = 16),
    -- The kind of who changed them: 'admin', 'key' or 'system'.
    actor    text  NOT NULL,
    -- The entry as JSON.
    body     text  NOT NULL
);
CREATE INDEX catalogue_audit_customer ON catalogue_audit (customer, id);
