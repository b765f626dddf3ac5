-- name: log^
SELECT sync_type, records_created, records_updated, records_failed, errors, started_at,
    records_processed - records_created - records_updated - records_failed AS left_there
FROM newsletter_sync_log WHERE id = :id;

-- name: write_log!
-- One row for each run and provider, however often the run is attempted.
WITH again AS (
    UPDATE newsletter_sync_log
    SET sync_type = :sync_type ::text, status = :status ::text,
        records_processed = :processed ::int, records_created = :created ::int,
        records_updated = :updated ::int, records_failed = :failed ::int,
        errors = :errors ::jsonb, completed_at = :now ::timestamptz
    WHERE id = :id ::uuid
    RETURNING 1
)
INSERT INTO newsletter_sync_log
    (id, provider, direction, sync_type, status, records_processed, records_created,
     records_updated, records_failed, errors, started_at, completed_at)
SELECT :id ::uuid, :provider ::text, 'bidirectional', :sync_type ::text, :status ::text,
    :processed ::int, :created ::int, :updated ::int, :failed ::int, :errors ::jsonb,
    :started_at ::timestamptz, :now ::timestamptz
WHERE NOT EXISTS (SELECT FROM again);
