-- fragment: shown
s.id, s.seq, s.project_id, s.agent, s.kind, s.status, s.title, s.body, s.evidence, s.scores,
s.confidence, s.action, s.shown_hash, s.created_at, s.expires_at, s.approved_hash, s.approved_at,
s.decided_at, s.decided_by, s.decided_from, s.decision_reason, s.published_at, s.published_url,
s.publish_error, s.is_sample,
EXISTS (SELECT FROM lamplighter.publications p WHERE p.suggestion_id = s.id AND p.done_at IS NULL)
    AS in_flight

-- fragment: open
-- What can still be decided. Once its publishing has begun, the approval is used.
(s.status IN ('pending', 'publish_failed') OR (s.status = 'approved' AND s.approved_hash IS NOT NULL))

-- name: find
SELECT {shown}
FROM lamplighter.suggestions s
WHERE (:status ::text IS NULL OR s.status = :status)
    AND (:project ::uuid IS NULL OR s.project_id = :project)
    AND (:agent ::text IS NULL OR s.agent = :agent)
    AND (:before ::bigint IS NULL OR s.seq < :before)
ORDER BY s.seq DESC
LIMIT :most;

-- name: find_all
SELECT {shown}
FROM lamplighter.suggestions s
WHERE (:before ::bigint IS NULL OR - s.seq > - :before)
ORDER BY - s.seq
LIMIT :most;

-- name: plan_each_list!
-- A plan for all filters at once reads everything for the rare ones.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: waiting
-- Of the latest that nobody has decided about: how many of each project and agent.
SELECT project_id, agent, count(*) AS count
FROM (SELECT s.project_id, s.agent FROM lamplighter.suggestions s
      WHERE s.status = 'pending' ORDER BY s.seq DESC LIMIT :most) AS latest
GROUP BY project_id, agent ORDER BY count DESC, project_id, agent LIMIT :most_groups;

-- name: one^
SELECT {shown} FROM lamplighter.suggestions s WHERE s.id = :suggestion;

-- name: several
SELECT {shown} FROM lamplighter.suggestions s WHERE s.id = ANY (:suggestions ::uuid[]);

-- name: events_of
SELECT at, action, by, source, reason, detail
FROM lamplighter.suggestion_events WHERE suggestion_id = :suggestion ORDER BY id;

-- name: approve$
WITH done AS (
    UPDATE lamplighter.suggestions s
    SET status = 'approved', approved_hash = shown_hash, approved_at = :now, decided_at = :now,
        decided_by = :who, decided_from = :source, decision_reason = :reason, publish_error = NULL
    WHERE s.id = :suggestion AND s.status IN ('pending', 'publish_failed')
        AND (:shown ::text IS NULL OR s.shown_hash = :shown)
    RETURNING s.id, s.shown_hash
)
INSERT INTO lamplighter.suggestion_events (suggestion_id, at, action, by, source, reason, detail)
SELECT id, :now, 'approved', :who, :source, :reason, jsonb_build_object('shownHash', shown_hash)
FROM done
RETURNING suggestion_id;

-- name: reject$
-- Their ids, or NULL where none could be. In one order, so that two callers cannot deadlock.
WITH found AS (
    SELECT s.id FROM lamplighter.suggestions s
    WHERE s.id = ANY (:suggestions ::uuid[]) AND {open}
    ORDER BY s.id FOR UPDATE
), done AS (
    UPDATE lamplighter.suggestions s
    SET status = 'rejected', approved_hash = NULL, decided_at = :now, decided_by = :who,
        decided_from = :source, decision_reason = :reason
    FROM found WHERE s.id = found.id
    RETURNING s.id
), events AS (
    INSERT INTO lamplighter.suggestion_events (suggestion_id, at, action, by, source, reason)
    SELECT id, :now, 'rejected', :who, :source, :reason FROM done
    RETURNING suggestion_id
)
SELECT array_agg(suggestion_id) FROM events;

-- name: edit$
WITH before AS (
    SELECT s.id, s.title, s.body, s.status FROM lamplighter.suggestions s
    WHERE s.id = :suggestion AND s.shown_hash = :shown AND {open}
    FOR UPDATE
), done AS (
    UPDATE lamplighter.suggestions s
    SET status = 'pending', title = :title, body = :body,
        shown_hash = lamplighter.shown_hash(:title, :body, s.action), approved_hash = NULL,
        approved_at = NULL, publish_error = NULL,
        title_trigrams = lamplighter.trigrams(:title_words),
        body_trigrams = lamplighter.trigrams(:body_words),
        expires_at = greatest(s.expires_at, CASE WHEN before.status = 'pending' THEN s.expires_at
                                                 ELSE :expires_at ::timestamptz END)
    FROM before WHERE s.id = before.id
    RETURNING s.id, before.title, before.body, before.status
)
INSERT INTO lamplighter.suggestion_events (suggestion_id, at, action, by, source, reason, detail)
SELECT id, :now, 'edited', :who, :source, :reason,
    jsonb_build_object('title', title, 'body', body, 'status', status)
FROM done
RETURNING suggestion_id;

-- name: expire^
WITH overdue AS (
    SELECT s.id FROM lamplighter.suggestions s
    WHERE s.status = 'pending' AND s.expires_at <= :now
    ORDER BY s.expires_at LIMIT :most FOR UPDATE SKIP LOCKED
), expired AS (
    UPDATE lamplighter.suggestions s SET status = 'expired'
    FROM overdue WHERE s.id = overdue.id
    RETURNING s.id
), unused AS (
    SELECT s.id FROM lamplighter.suggestions s
    WHERE s.status = 'approved' AND s.approved_hash IS NOT NULL AND s.approved_at <= :approved_before
    ORDER BY s.approved_at LIMIT :most FOR UPDATE SKIP LOCKED
), voided AS (
    UPDATE lamplighter.suggestions s
    SET status = 'pending', approved_hash = NULL, approved_at = NULL,
        expires_at = greatest(s.expires_at, :expires_at)
    FROM unused WHERE s.id = unused.id
    RETURNING s.id
), events AS (
    INSERT INTO lamplighter.suggestion_events (suggestion_id, at, action, by, reason)
    SELECT id, :now, 'expired', 'lamplighter', 'nobody has decided in time' FROM expired
    UNION ALL
    SELECT id, :now, 'lapsed', 'lamplighter', 'it was approved, and not published in time'
    FROM voided
)
SELECT (SELECT count(*) FROM expired) AS expired, (SELECT count(*) FROM voided) AS voided;
