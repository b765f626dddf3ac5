-- name: new_ones
-- Of these events those that were not taken in before; a delivery that comes again at the same
-- moment waits for the first one.
INSERT INTO lamplighter.newsletter_deliveries (provider, event_id, received_at)
SELECT :provider ::text, event_id, :now ::timestamptz
FROM (SELECT DISTINCT unnest(:event_ids ::text[]) AS event_id) e
ORDER BY event_id
ON CONFLICT (provider, event_id) DO NOTHING
RETURNING event_id;

-- name: add_events!
INSERT INTO email_events
    (id, subscriber_id, event_type, email, link_url, provider, provider_event_id, occurred_at)
SELECT lamplighter.new_id(), s.id, e.kind, e.email, e.link, :provider ::text, e.event_id, e.at
FROM unnest(:kinds ::text[], :emails ::text[], :links ::text[], :event_ids ::text[],
    :times ::timestamptz[]) AS e (kind, email, link, event_id, at)
-- As it was given, in lower case, or in whichever letters it was sent to the provider from.
LEFT JOIN LATERAL (
    SELECT s.id FROM newsletter_subscribers s
    WHERE s.id = ANY (ARRAY(
            SELECT o.id FROM newsletter_subscribers o WHERE o.email IN (e.email, lower(e.email))
            UNION
            SELECT c.subscriber_id FROM lamplighter.newsletter_contacts c
            WHERE c.provider = :provider ::text AND c.email = lower(e.email)
        ))
        AND lower(s.email) = lower(e.email)
    ORDER BY s.email = e.email DESC, s.email = lower(e.email) DESC, s.id
    LIMIT 1
) s ON true;

-- name: left_before
SELECT DISTINCT lower(s.email) AS email
FROM newsletter_subscribers s
WHERE s.id = ANY (ARRAY(
        SELECT o.id FROM newsletter_subscribers o
        WHERE o.email = ANY (:emails ::text[])
            OR o.email = ANY (ARRAY(SELECT lower(e) FROM unnest(:emails ::text[]) e))
        UNION
        SELECT c.subscriber_id FROM lamplighter.newsletter_contacts c
        WHERE c.provider = :provider ::text
            AND c.email = ANY (ARRAY(SELECT lower(e) FROM unnest(:emails ::text[]) e))
    ))
    AND lower(s.email) = ANY (ARRAY(SELECT lower(e) FROM unnest(:emails ::text[]) e))
    AND coalesce(s.status, 'active') <> 'active';

-- name: told!
-- What is known of the contacts there, before the next sync reads it.
UPDATE lamplighter.newsletter_contacts c
SET remote_status = :status ::text, changed_at = :now
WHERE c.provider = :provider
    AND c.email = ANY (SELECT lower(e) FROM unnest(:emails ::text[]) e)
    AND c.remote_status <> :status ::text;
