-- name: synced!
INSERT INTO newsletter_sync_log
    (provider, direction, sync_type, status, records_created, records_failed, errors, started_at)
VALUES (:provider, 'bidirectional', 'full', :status, 12, :failed ::int, :errors ::text ::jsonb,
    :at ::timestamptz);

-- name: provider!
INSERT INTO lamplighter.newsletter_providers (provider, audience, full_at)
VALUES (:provider, '1', :at ::timestamptz);

-- name: contacts!
INSERT INTO lamplighter.newsletter_contacts
    (provider, email, remote_status, changed_at, seen_at)
SELECT :provider ::text, 'reader' || n || '@example.com', 'active', :at ::timestamptz,
    :at ::timestamptz
FROM generate_series(1, :many ::int) AS n;

-- name: delivery!
INSERT INTO lamplighter.newsletter_deliveries VALUES (:provider, 'one', :at ::timestamptz);

-- name: condition!
INSERT INTO lamplighter.conditions VALUES (:name, :reason, :at ::timestamptz);

-- name: sequence$
INSERT INTO newsletter_sequences
    (name, slug, description, status, trigger_type, trigger_config, total_enrolled,
     active_enrollments)
VALUES (:name ::varchar, :slug ::varchar, :name ::text, :status, 'event',
    jsonb_build_object('event', :name ::text), 77, 66)
RETURNING id;

-- name: step$
INSERT INTO newsletter_sequence_steps
    (sequence_id, step_order, name, delay_value, delay_unit, action_type, subject)
VALUES (:sequence, :place ::int, :name ::varchar, :place ::int, 'days', 'email', :name ::varchar)
RETURNING id;

-- name: enrol!
WITH people AS (
    INSERT INTO newsletter_subscribers (email)
    SELECT gen_random_uuid() || '@example.com' FROM generate_series(1, :many ::int)
    RETURNING id
)
INSERT INTO newsletter_sequence_enrollments
    (sequence_id, subscriber_id, current_step, status, next_step_at)
SELECT :sequence ::uuid, id, :done ::int, :status ::text, :at ::timestamptz FROM people;

-- name: message$
INSERT INTO email_queue
    (status, to_email, from_email, subject, html_body, scheduled_at, next_retry_at, attempts,
     error, error_code, created_at)
VALUES (:status, 'reader@example.com', 'us@example.com', 'Hello', 'x', :scheduled_at ::timestamptz,
    :next_retry_at ::timestamptz, :attempts ::int, :error, :code, :created_at ::timestamptz)
RETURNING id;

-- name: outbox!
INSERT INTO lamplighter.outbox VALUES (:id, gen_random_uuid(), :step, :at ::timestamptz);

-- name: came!
UPDATE lamplighter.watermarks SET at = :at ::timestamptz WHERE job = 'process-email-queue';

-- name: suppress!
INSERT INTO lamplighter.suppressions (email, reason, source, detail, created_at)
VALUES (:email, 'bounced', 'smtp', :detail, :at ::timestamptz);

-- name: suppress_many!
-- Some of one moment, so that pages have to tell them apart by address.
INSERT INTO lamplighter.suppressions (email, reason, source, created_at)
SELECT 'reader' || lpad(n ::text, 5, '0') || '@example.com', 'unsubscribed', 'link',
    :at ::timestamptz - n / 7 * interval '1 second'
FROM generate_series(1, :many ::int) AS n;

-- name: suppression^
SELECT * FROM lamplighter.suppressions WHERE email = :email;

-- name: sync_many!
INSERT INTO newsletter_sync_log (provider, direction, sync_type, status, started_at)
SELECT 'brevo', 'push', 'single', 'completed', :at ::timestamptz - n * interval '1 second'
FROM generate_series(1, :many ::int) AS n;

-- name: analyze_them#
ANALYZE lamplighter.suppressions, lamplighter.newsletter_contacts, newsletter_sync_log,
    newsletter_sequence_enrollments;
