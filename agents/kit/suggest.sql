-- name: lock_project$
SELECT pg_advisory_xact_lock(7102006, hashtext(:project));

-- name: count_of_unit$
SELECT count(*) FROM lamplighter.suggestions WHERE unit_id = :unit AND agent = :agent;

-- name: cooling_refs
SELECT DISTINCT e ->> 'ref' AS ref
FROM lamplighter.suggestions s CROSS JOIN LATERAL jsonb_array_elements(s.evidence) AS e
WHERE s.project_id = :project AND s.created_at > :since AND s.agent = :agent;

-- name: said_before^
-- A suggestion of the project, whichever agent's, that says the same. Recent ones and open ones:
-- the same kind on the same evidence, much the same on some of the same evidence, or the same words.
-- Rejected ones, however old, where nothing is in the evidence that was not in theirs.
WITH new AS MATERIALIZED (
    SELECT lamplighter.trigrams(:title) AS title, lamplighter.trigrams(:body) AS body
), recent AS (
    SELECT s.id, s.agent, s.kind, s.title, s.status, s.created_at, s.evidence, s.evidence_key,
        s.title_trigrams, s.body_trigrams
    FROM lamplighter.suggestions s
    WHERE s.project_id = :project
        AND (s.created_at > :since OR s.unit_id = :unit
             OR s.status IN ('pending', 'approved', 'publish_failed'))
    ORDER BY s.created_at DESC
    LIMIT :most
), same AS (
    SELECT r.agent, r.title, r.status, r.created_at
    FROM recent r CROSS JOIN new CROSS JOIN LATERAL (
        SELECT lamplighter.similarity(r.title_trigrams, new.title) AS title_alike,
            EXISTS (SELECT FROM jsonb_array_elements(r.evidence) AS e
                    WHERE e ->> 'ref' = ANY (:refs ::text[])) AS shares) AS a
    WHERE (r.kind = :kind AND r.evidence_key = :evidence_key)
        -- Long texts are compared only where short ones leave it open.
        OR CASE
            WHEN shares THEN (title_alike + lamplighter.similarity(r.body_trigrams, new.body)) / 2
                >= :same_matter ::float8
            WHEN title_alike >= 2 * :same_words ::float8 - 1
            THEN (title_alike + lamplighter.similarity(r.body_trigrams, new.body)) / 2
                >= :same_words ::float8
            ELSE false END
    UNION ALL
    SELECT r.agent, r.title, r.status, r.created_at
    FROM lamplighter.suggestions r CROSS JOIN new CROSS JOIN LATERAL (
        SELECT (lamplighter.similarity(r.title_trigrams, new.title)
                + lamplighter.similarity(r.body_trigrams, new.body)) / 2 AS alike) AS a
    WHERE r.project_id = :project AND r.status = 'rejected' AND r.evidence @> :pairs ::jsonb
        AND ((r.kind = :kind AND r.evidence_hash = :evidence_hash)
             OR alike >= :same_matter ::float8)
)
SELECT * FROM same ORDER BY (status = 'rejected') DESC, created_at DESC LIMIT 1;

-- name: add$
-- An approval is bound to what is shown. What is made of sample data is a sample too.
WITH added AS (
    INSERT INTO lamplighter.suggestions (
        id, project_id, agent, kind, status, title, body, evidence, evidence_key, evidence_hash,
        scores, confidence, action, shown_hash, title_trigrams, body_trigrams, unit_id, created_at,
        expires_at, approved_hash, approved_at, decided_at, decided_by, is_sample)
    SELECT lamplighter.new_id(), :project, :agent, :kind,
        CASE WHEN by_whom IS NULL THEN 'pending' ELSE 'approved' END, :title, :body, :evidence,
        :evidence_key, :evidence_hash, :scores, :confidence, :action, shown,
        lamplighter.trigrams(:title_words), lamplighter.trigrams(:body_words), :unit, :now,
        :expires_at, CASE WHEN by_whom IS NOT NULL THEN shown END,
        CASE WHEN by_whom IS NOT NULL THEN :now ::timestamptz END,
        CASE WHEN by_whom IS NOT NULL THEN :now ::timestamptz END, by_whom,
        EXISTS (SELECT FROM lamplighter.github_repositories r
                WHERE r.project_id = :project AND r.is_sample)
    FROM (SELECT :approved_by ::text AS by_whom,
              lamplighter.shown_hash(:title, :body, :action ::jsonb) AS shown) AS x
    RETURNING id
), events AS (
    INSERT INTO lamplighter.suggestion_events (suggestion_id, at, action, by, reason)
    SELECT id, :now ::timestamptz, event, by_whom, reason
    FROM added CROSS JOIN (VALUES
        (1, 'created', :agent, NULL),
        (2, CASE WHEN :approved_by ::text IS NOT NULL THEN 'approved' END, :approved_by, NULL),
        (3, CASE WHEN :held ::text IS NOT NULL THEN 'held' END, 'auto_publish', :held)
    ) AS e (n, event, by_whom, reason)
    WHERE event IS NOT NULL
    ORDER BY n
)
SELECT id FROM added;
