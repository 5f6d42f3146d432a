-- Rows of a further kind.
ALTER TABLE catalogue_rows DROP CONSTRAINT catalogue_rows_slot_check;
ALTER TABLE catalogue_rows ADD CONSTRAINT catalogue_rows_slot_check
    CHECK (slot IN ('customer', 'key', 'subscription', 'event_type'));
