-- fragment: suppressed
EXISTS (
    SELECT FROM lamplighter.suppressions x
    WHERE x.email = lower(s.email) AND x.lifted_at IS NULL
)

-- fragment: wanted
-- Who reads the newsletter here, with the MD5 of what a provider shall know of them. Somebody whose
-- address stands here twice, in other letters, is sent from one row only: the one that was sent
-- before, else the one in lower case. Each contact is looked up by its key: a plan that reads all of
-- them for each stretch would take a million by the square.
CROSS JOIN LATERAL (
    SELECT CASE WHEN :grouped ::boolean THEN ARRAY(
        SELECT DISTINCT ids.id
        FROM newsletter_segment_members m
        JOIN newsletter_segments t ON t.id = m.segment_id
        CROSS JOIN LATERAL (
            SELECT CASE :provider ::text
                WHEN 'mailerlite' THEN t.mailerlite_group_id
                WHEN 'mailchimp' THEN t.mailchimp_segment_id
                WHEN 'brevo' THEN t.brevo_list_id END ::text AS id
        ) ids
        WHERE m.subscriber_id = s.id AND coalesce(t.status, 'published') = 'published'
            AND ids.id ~ '^[A-Za-z0-9_-]{1,100}$'
        ORDER BY 1
    ) ELSE '{}' ::text[] END AS groups
) g
CROSS JOIN LATERAL (
    SELECT md5(ROW(s.first_name, s.last_name, s.subscription_tier, g.groups) ::text) ::uuid AS hash
) w
LEFT JOIN LATERAL (
    SELECT k.*
    FROM lamplighter.newsletter_contacts k
    WHERE k.provider = :provider ::text AND k.email = lower(s.email)
    LIMIT 1
) c ON true

-- fragment: is_due
-- Never who has left, here or there; who was deleted there only after signing up here again.
-- What is longer than any address can be does not fit into our key either.
coalesce(s.status, 'active') = 'active' AND length(s.email) <= 320
    AND (
        c.email IS NULL
        OR (
            (:full ::boolean OR c.refused IS DISTINCT FROM w.hash)
            AND (
                (c.remote_status = 'active' AND c.pushed IS DISTINCT FROM w.hash)
                OR c.remote_status IN ('absent', 'refused')
                OR (
                    c.remote_status = 'deleted'
                    AND coalesce(s.subscribed_at, s.created_at) > c.changed_at
                )
            )
        )
    )
    AND NOT {suppressed}
    AND (
        c.subscriber_id IS NULL OR c.subscriber_id = s.id
        OR NOT EXISTS (
            SELECT FROM newsletter_subscribers o
            WHERE o.id = c.subscriber_id AND lower(o.email) = c.email
        )
    )
    AND (
        s.email = lower(s.email) OR c.subscriber_id = s.id
        OR NOT EXISTS (SELECT FROM newsletter_subscribers o WHERE o.email = lower(s.email))
    )

-- fragment: leaving_here
-- Who is subscribed there by all we know, and is not any more here.
lamplighter.newsletter_contacts c
WHERE c.provider = :provider ::text AND c.remote_status IN ('active', 'pending')
    AND (
        EXISTS (
            SELECT FROM lamplighter.suppressions x
            WHERE x.email = c.email AND x.lifted_at IS NULL
        )
        OR c.email IN (
            SELECT lower(s.email) FROM newsletter_subscribers s
            WHERE coalesce(s.status, 'active') <> 'active'
        )
        OR (
            c.subscriber_id IS NOT NULL
            AND NOT EXISTS (
                SELECT FROM newsletter_subscribers s
                WHERE s.id = c.subscriber_id AND lower(s.email) = c.email
            )
            AND NOT EXISTS (SELECT FROM newsletter_subscribers s WHERE s.email = c.email)
        )
    )

-- name: provider^
SELECT audience, cursor, full_begun_at, full_at
FROM lamplighter.newsletter_providers
WHERE provider = :provider;

-- name: begin_anew!
INSERT INTO lamplighter.newsletter_providers AS p (provider, audience)
VALUES (:provider, :audience)
ON CONFLICT (provider) DO UPDATE
    SET audience = excluded.audience, cursor = NULL, full_begun_at = NULL, full_at = NULL;

-- name: forget_some$
-- What was known of another list, a stretch at a time.
WITH gone AS (
    DELETE FROM lamplighter.newsletter_contacts
    WHERE provider = :provider AND email IN (
        SELECT email FROM lamplighter.newsletter_contacts
        WHERE provider = :provider ORDER BY email LIMIT :size ::int)
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: begin_full!
UPDATE lamplighter.newsletter_providers
SET cursor = NULL, full_begun_at = :now
WHERE provider = :provider;

-- name: move_on!
UPDATE lamplighter.newsletter_providers
SET cursor = :cursor ::jsonb
WHERE provider = :provider AND cursor IS DISTINCT FROM :cursor ::jsonb;

-- name: end_full$
-- The reconcile is through: who was subscribed there and was not met has been deleted there.
WITH ended AS (
    UPDATE lamplighter.newsletter_providers
    SET full_at = full_begun_at, full_begun_at = NULL
    WHERE provider = :provider
), missing AS (
    UPDATE lamplighter.newsletter_contacts c
    SET remote_status = 'deleted', changed_at = :now
    WHERE c.provider = :provider AND c.remote_status IN ('active', 'pending', 'absent')
        AND c.seen_at < :begun
    RETURNING 1
)
SELECT count(*) FROM missing;

-- name: pulled
-- What a page says, kept; gives who has left since we last knew.
-- Both tables are asked for the page's addresses by index, whatever the planner knows of them.
WITH before AS MATERIALIZED (
    SELECT c.email, c.remote_status, c.pushed, c.subscriber_id
    FROM lamplighter.newsletter_contacts c
    WHERE c.provider = :provider ::text AND c.email = ANY (:emails ::text[])
), told AS (
    -- Somebody who was on our list and is there no more was taken off it.
    SELECT p.email, p.remote_id, b.remote_status AS was,
        CASE WHEN p.status = 'absent' AND b.pushed IS NOT NULL THEN 'deleted'
            ELSE p.status END AS status
    FROM unnest(:emails ::text[], :ids ::text[], :statuses ::text[]) AS p (email, remote_id, status)
    LEFT JOIN before b ON b.email = p.email
), kept AS (
    INSERT INTO lamplighter.newsletter_contacts AS c
        (provider, email, remote_id, remote_status, changed_at, seen_at)
    SELECT :provider ::text, email, remote_id, status, :now ::timestamptz, :now ::timestamptz FROM told
    ORDER BY email
    ON CONFLICT (provider, email) DO UPDATE
        SET remote_id = excluded.remote_id,
            remote_status = excluded.remote_status,
            changed_at = CASE WHEN c.remote_status = excluded.remote_status
                THEN c.changed_at ELSE excluded.changed_at END,
            seen_at = excluded.seen_at
        WHERE c.remote_id IS DISTINCT FROM excluded.remote_id
            OR c.remote_status <> excluded.remote_status
            OR (:full ::boolean AND c.seen_at < excluded.seen_at)
), known AS (
    UPDATE newsletter_subscribers s
    SET mailerlite_id = CASE :provider ::text
            WHEN 'mailerlite' THEN t.remote_id ELSE s.mailerlite_id END,
        mailchimp_id = CASE :provider ::text
            WHEN 'mailchimp' THEN t.remote_id ELSE s.mailchimp_id END,
        brevo_id = CASE :provider ::text WHEN 'brevo' THEN t.remote_id ELSE s.brevo_id END
    FROM told t
    WHERE s.id = ANY (ARRAY(
            SELECT o.id FROM newsletter_subscribers o WHERE o.email = ANY (:emails ::text[])
            UNION SELECT subscriber_id FROM before
        ))
        AND lower(s.email) = t.email AND t.status <> 'deleted'
        AND t.remote_id IS DISTINCT FROM CASE :provider ::text
            WHEN 'mailerlite' THEN s.mailerlite_id
            WHEN 'mailchimp' THEN s.mailchimp_id
            WHEN 'brevo' THEN s.brevo_id END
)
SELECT t.email, t.status
FROM told t
WHERE t.status IN ('unsubscribed', 'bounced', 'complained', 'cleaned')
    AND t.was IS DISTINCT FROM t.status
    -- Who left here was unsubscribed there by us, though we may have been stopped before that was
    -- noted: this is only its echo.
    AND NOT (t.status = 'unsubscribed' AND t.was IN ('active', 'pending') AND EXISTS (
        SELECT FROM newsletter_subscribers s
        WHERE s.id = ANY (ARRAY(
                SELECT o.id FROM newsletter_subscribers o WHERE o.email = ANY (:emails ::text[])
                UNION SELECT subscriber_id FROM before
            ))
            AND lower(s.email) = t.email AND coalesce(s.status, 'active') <> 'active'));

-- name: grouped$
SELECT EXISTS (
    SELECT FROM newsletter_segments t
    WHERE CASE :provider ::text
        WHEN 'mailerlite' THEN t.mailerlite_group_id
        WHEN 'mailchimp' THEN t.mailchimp_segment_id
        WHEN 'brevo' THEN t.brevo_list_id END <> ''
);

-- name: odd_groups
-- Segments whose id there cannot be one: it would stand in the path of a call.
SELECT t.slug
FROM newsletter_segments t
CROSS JOIN LATERAL (
    SELECT CASE :provider ::text
        WHEN 'mailerlite' THEN t.mailerlite_group_id
        WHEN 'mailchimp' THEN t.mailchimp_segment_id
        WHEN 'brevo' THEN t.brevo_list_id END ::text AS id
) ids
WHERE coalesce(t.status, 'published') = 'published'
    AND ids.id <> '' AND ids.id !~ '^[A-Za-z0-9_-]{1,100}$'
ORDER BY t.slug;

-- name: stretch_end$
-- The last of the next so many subscribers, due or not.
SELECT n.id
FROM (
    SELECT s.id FROM newsletter_subscribers s WHERE s.id > :after ORDER BY s.id LIMIT :size ::int
) n
ORDER BY n.id DESC
LIMIT 1;

-- name: due
WITH stretch AS MATERIALIZED (
    SELECT s.id, s.email, s.status, s.first_name, s.last_name, s.subscription_tier,
        s.subscribed_at, s.created_at
    FROM newsletter_subscribers s
    WHERE s.id > :after AND s.id <= :through
    ORDER BY s.id
)
SELECT s.id, lower(s.email) AS email, left(s.first_name, 400) AS first_name,
    left(s.last_name, 400) AS last_name, left(s.subscription_tier, 400) AS subscription_tier,
    w.hash, g.groups, c.remote_id, c.remote_status, coalesce(c.groups, '{}') AS had
FROM stretch s
{wanted}
WHERE {is_due}
ORDER BY s.id;

-- name: leave_here$
-- Who is on the list of suppressions and stands here in other letters than lower case: no index finds
-- them by what a provider says, so they are met here. Not who signed up here again after that.
WITH stretch AS MATERIALIZED (
    SELECT s.id, s.email, coalesce(s.subscribed_at, s.created_at) AS subscribed_at
    FROM newsletter_subscribers s
    WHERE s.id > :after AND s.id <= :through
        AND s.email <> lower(s.email) AND coalesce(s.status, 'active') = 'active'
), gone AS MATERIALIZED (
    SELECT s.id, x.reason
    FROM stretch s
    CROSS JOIN LATERAL (
        SELECT l.reason
        FROM lamplighter.suppressions l
        WHERE l.email = lower(s.email) AND l.lifted_at IS NULL
            AND (s.subscribed_at <= l.created_at) IS NOT FALSE
        LIMIT 1
    ) x
), marked AS (
    UPDATE newsletter_subscribers s
    SET status = gone.reason,
        unsubscribed_at = CASE gone.reason
            WHEN 'unsubscribed' THEN coalesce(s.unsubscribed_at, :now) ELSE s.unsubscribed_at END
    FROM gone
    WHERE s.id = gone.id AND coalesce(s.status, 'active') = 'active'
    RETURNING 1
)
SELECT count(*) FROM marked;

-- name: count_due^
SELECT count(*) FILTER (WHERE c.remote_status IS NULL OR c.remote_status IN ('refused', 'deleted'))
        AS created,
    count(*) FILTER (WHERE c.remote_status IN ('active', 'absent')) AS updated
FROM newsletter_subscribers s
{wanted}
WHERE {is_due};

-- name: leaving
SELECT c.email, c.remote_id
FROM {leaving_here} AND c.email > :after
ORDER BY c.email
LIMIT :size ::int;

-- name: count_leaving$
SELECT count(*) FROM {leaving_here};

-- name: pushed!
-- What became of those who were sent. Who failed for now stays as they were, and is sent again.
INSERT INTO lamplighter.newsletter_contacts AS c
    (provider, email, remote_id, remote_status, subscriber_id, pushed, groups, refused, error,
     changed_at, seen_at)
SELECT :provider ::text, email, remote_id,
    CASE WHEN kind = 'gone' THEN 'deleted'
        WHEN kind = 'refused' THEN coalesce(status, 'refused')
        ELSE coalesce(status, 'active') END,
    subscriber_id,
    CASE WHEN kind IN ('created', 'updated') THEN hash END,
    CASE WHEN kind IN ('created', 'updated')
        THEN ARRAY(SELECT jsonb_array_elements_text(groups ::jsonb)) ELSE '{}' END,
    CASE WHEN kind = 'refused' THEN hash END,
    CASE WHEN kind IN ('refused', 'gone') THEN message END,
    :now ::timestamptz, :now ::timestamptz
FROM unnest(:emails ::text[], :subscribers ::uuid[], :hashes ::uuid[], :kinds ::text[], :ids ::text[],
    :statuses ::text[], :groups ::text[], :messages ::text[])
    AS o (email, subscriber_id, hash, kind, remote_id, status, groups, message)
WHERE kind <> 'failed'
ORDER BY email
ON CONFLICT (provider, email) DO UPDATE
SET remote_id = coalesce(excluded.remote_id, c.remote_id),
    remote_status = CASE WHEN excluded.remote_status = 'refused'
        THEN c.remote_status ELSE excluded.remote_status END,
    subscriber_id = excluded.subscriber_id,
    pushed = coalesce(excluded.pushed, c.pushed),
    groups = CASE WHEN excluded.pushed IS NULL THEN c.groups ELSE excluded.groups END,
    refused = excluded.refused,
    error = excluded.error,
    -- Who is found deleted again has to sign up again after that.
    changed_at = CASE
        WHEN excluded.remote_status <> 'deleted'
            AND excluded.remote_status IN ('refused', c.remote_status)
        THEN c.changed_at ELSE excluded.changed_at END,
    seen_at = excluded.seen_at;

-- name: mark!
-- The same at the subscriber. One of several providers that refuses somebody keeps the error there.
UPDATE newsletter_subscribers s
SET mailerlite_id = CASE :provider ::text
        WHEN 'mailerlite' THEN coalesce(o.remote_id, s.mailerlite_id) ELSE s.mailerlite_id END,
    mailchimp_id = CASE :provider ::text
        WHEN 'mailchimp' THEN coalesce(o.remote_id, s.mailchimp_id) ELSE s.mailchimp_id END,
    brevo_id = CASE :provider ::text
        WHEN 'brevo' THEN coalesce(o.remote_id, s.brevo_id) ELSE s.brevo_id END,
    provider_synced_at = CASE WHEN o.message IS NULL THEN :now ELSE s.provider_synced_at END,
    sync_status = CASE WHEN o.message IS NULL AND others.error IS NULL THEN 'synced' ELSE 'error' END,
    sync_error = coalesce(:provider ::text || ': ' || o.message, others.error)
FROM unnest(:subscribers ::uuid[], :emails ::text[], :ids ::text[], :messages ::text[])
        AS o (subscriber_id, email, remote_id, message)
    LEFT JOIN LATERAL (
        SELECT string_agg(c.provider || ': ' || c.error, '; ' ORDER BY c.provider) AS error
        FROM lamplighter.newsletter_contacts c
        WHERE c.provider = ANY ('{mailerlite,mailchimp,brevo}') AND c.provider <> :provider ::text
            AND c.email = o.email
    ) others ON true
WHERE s.id = o.subscriber_id;

-- name: left!
UPDATE lamplighter.newsletter_contacts c
SET remote_status = o.status, changed_at = :now
FROM unnest(:emails ::text[], :statuses ::text[]) AS o (email, status)
WHERE c.provider = :provider AND c.email = o.email AND c.remote_status <> o.status;
