-- name: suppress$
WITH given AS (
    SELECT DISTINCT lower(email) AS email FROM unnest(:emails ::text[]) AS g (email)
), kept AS (
    INSERT INTO lamplighter.suppressions AS s (email, reason, source, detail, created_at)
    SELECT email, :reason ::text, :source ::text, :detail ::text, :now ::timestamptz FROM given ORDER BY email
    ON CONFLICT (email) DO UPDATE
        SET reason = excluded.reason, source = excluded.source, detail = excluded.detail,
            created_at = excluded.created_at, lifted_at = NULL, lifted_by = NULL
        WHERE s.lifted_at IS NOT NULL
    RETURNING 1
)
SELECT count(*) FROM kept;

-- name: mark_subscribers!
-- Only who is active: of two reasons to leave the first stays. The product may keep an address in
-- other letters. The index on email finds it as it was given, and in lower case; whoever was sent to
-- a provider is found by what was noted then. Nothing here reads all subscribers.
UPDATE newsletter_subscribers s
SET status = :status ::text,
    unsubscribed_at = CASE :status ::text
        WHEN 'unsubscribed' THEN coalesce(s.unsubscribed_at, :now) ELSE s.unsubscribed_at END
WHERE s.id = ANY (ARRAY(
        SELECT o.id FROM newsletter_subscribers o WHERE o.email = ANY (:emails ::text[])
        UNION
        SELECT c.subscriber_id
        FROM lamplighter.newsletter_contacts c
        WHERE c.provider = ANY ('{mailerlite,mailchimp,brevo}') AND c.email = ANY (:emails ::text[])
    ))
    AND (s.email = ANY (:emails ::text[]) OR lower(s.email) = ANY (:emails ::text[]))
    AND coalesce(s.status, 'active') = 'active';

-- name: suppressed
SELECT s.email
FROM lamplighter.suppressions s
WHERE s.email = ANY (SELECT lower(email) FROM unnest(:emails ::text[]) AS g (email))
    AND s.lifted_at IS NULL;

-- name: entry^
SELECT email, reason, source, detail, created_at
FROM lamplighter.suppressions
WHERE email = lower(:email) AND lifted_at IS NULL;

-- name: lift$
UPDATE lamplighter.suppressions
SET lifted_at = :now, lifted_by = :lifted_by
WHERE email = lower(:email) AND lifted_at IS NULL
RETURNING reason;
