-- A chain is a person's events for steps 1, 2, 3, ... in order, all within the window of the first.
-- What has happened to a person is read in the order of time, then of the event's id; an event that
-- serves for several steps stands there once for each, the later step first, so that it never follows
-- itself.
--
-- Why one pass is exact: whether an event at `at` goes on with a chain depends on the chain's length
-- and start only, and of two chains of one length the one that began later always does as well. So of
-- the chains so far only the latest of each length is kept, in a running maximum over arrays of their
-- times. As the kept chain never gets older, it is also the one whose every step is the latest.

-- fragment: happened
-- Where a step has `where`, an event serves that has all of it: its `properties`, and for keys that
-- they lack its `metadata`, contain it as JSON.
SELECT e.user_id, CASE WHEN e.user_id IS NULL THEN e.session_id COLLATE "C" END AS session_id,
    e.at, e.id, s.step
FROM {events} e
JOIN ROWS FROM (
    jsonb_to_recordset(:steps ::text ::jsonb) AS (event text, "where" jsonb)
) WITH ORDINALITY AS s (event, condition, step)
    ON s.event = e.event_type AND (s.condition IS NULL OR (
        CASE WHEN jsonb_typeof(e.metadata) = 'object' THEN e.metadata ELSE '{}' END
        || CASE WHEN jsonb_typeof(e.properties) = 'object' THEN e.properties ELSE '{}' END
    ) @> s.condition)
WHERE e.event_type = ANY (:events ::text[])
    AND e.at BETWEEN :since AND :until
    AND (e.user_id IS NOT NULL OR e.session_id IS NOT NULL)

-- fragment: walk
-- Of the first step, `entries` has each person's first event for it, and the events for later steps
-- with the latest entry before them, where that is within the window. `walk` goes on from the latter,
-- a round for each step, over ever fewer rows: a row of round `level` is either (step = level) the
-- first event by which a person reached that step, with its chain; or (step > level) an event for a
-- later step, with the latest chain of `level` steps before it, where that is within the window. All
-- other rows have nothing to add and are left out.
entries AS MATERIALIZED (
    SELECT user_id, session_id, at, id, step, latest
    FROM (
        SELECT h.*, max(at) FILTER (WHERE step = 1) OVER (
            PARTITION BY user_id, session_id ORDER BY at, id, step DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS latest
        FROM happened h
    ) entered
    WHERE CASE WHEN step = 1 THEN latest IS NULL
        ELSE latest >= at - make_interval(hours => 24 * :window_days ::int) END
), walk AS (
    SELECT 1 ::bigint AS level, user_id, session_id, at, id, step, ARRAY[latest] AS chain
    FROM entries
    WHERE step > 1
    UNION ALL
    SELECT level, user_id, session_id, at, id, step,
        CASE WHEN step = level THEN reached ELSE latest END
    FROM (
        SELECT level + 1 AS level, user_id, session_id, at, id, step, chain || at AS reached,
            max(chain || at) FILTER (WHERE step = level + 1) OVER (
                PARTITION BY user_id, session_id ORDER BY at, id, step DESC
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS latest
        FROM walk
        WHERE step > level
    ) continued
    WHERE CASE WHEN step = level THEN latest IS NULL
        ELSE latest[1] >= at - make_interval(hours => 24 * :window_days ::int) END
)

-- fragment: person
CASE WHEN user_id IS NOT NULL THEN 'u' || user_id ELSE 's' || session_id END

-- name: published
SELECT id, slug
FROM analytics_funnels
WHERE coalesce(status, 'published') = 'published'
    AND (:slugs ::text[] IS NULL OR slug = ANY (:slugs ::text[]))
ORDER BY slug;

-- name: by_slug$
SELECT id FROM analytics_funnels WHERE slug = :slug;

-- name: definition^
SELECT window_days, CASE WHEN octet_length(steps ::text) <= :most_bytes THEN steps ::text END AS steps
FROM analytics_funnels
WHERE id = :id;

-- name: tune^
-- For this transaction: a plan that knows the values, and sorted by several processes where the server
-- has them.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
    set_config('parallel_tuple_cost', '0', true);

-- name: measure
-- For each step that anybody reached: how many did, how long all of them together took since the
-- first step of their chain, and the median since the step before; in microseconds.
WITH RECURSIVE happened AS (
    {happened}
), {walk}
SELECT 1 AS step, count(*) AS people, 0 AS since_first, NULL ::float8 AS since_previous
FROM entries
WHERE step = 1
HAVING count(*) > 0
UNION ALL
SELECT level, count(*), sum((date_part('epoch', at - chain[1]) * 1000000) ::bigint),
    percentile_cont(0.5) WITHIN GROUP (
        ORDER BY round(date_part('epoch', at - chain[level - 1]) * 1000000)
    )
FROM walk
WHERE step = level
GROUP BY level
ORDER BY 1;

-- name: store$
-- Not where the definition became another one meanwhile.
UPDATE analytics_funnels
SET total_entered = :entered, total_completed = :completed, conversion_rate = :conversion_rate,
    avg_time_to_complete = :average_time, step_metrics = :step_metrics, last_computed_at = :now
WHERE id = :id AND steps ::jsonb = :steps ::text ::jsonb
    AND window_days IS NOT DISTINCT FROM :stored_window ::int
RETURNING true;

-- name: tracked$
SELECT count(*) FROM analytics_funnel_progress WHERE funnel_id = :id;

-- name: one_at_a_time^
-- Nothing in the table keeps a person from having two rows, so no two runs may write at once.
SELECT pg_advisory_xact_lock(hashtextextended('lamplighter funnel progress ' || :id ::uuid, 0));

-- name: track^
-- Of one share of all people: the row of each becomes that of the chain to the furthest step.
WITH RECURSIVE happened AS (
    SELECT h.* FROM ({happened}) h
    WHERE hashtext({person}) & (:shares ::int - 1) = :share
), {walk}, furthest AS (
    SELECT DISTINCT ON (user_id, session_id) user_id, session_id, level, chain,
        level = jsonb_array_length(:steps ::text ::jsonb) AS completed
    FROM (
        SELECT 1 AS level, user_id, session_id, ARRAY[at] AS chain FROM entries WHERE step = 1
        UNION ALL
        SELECT level, user_id, session_id, chain FROM walk WHERE step = level
    ) reached
    ORDER BY user_id, session_id, level DESC
), wanted AS MATERIALIZED (
    SELECT {person} AS person, user_id, session_id, level AS current_step, completed,
        (
            SELECT jsonb_agg((to_jsonb(at AT TIME ZONE 'UTC') #>> '{}') || 'Z' ORDER BY n)
            FROM unnest(chain) WITH ORDINALITY AS t (at, n)
        ) AS step_timestamps,
        chain[1] AS entered_at,
        CASE WHEN completed THEN chain[level] END AS completed_at,
        CASE WHEN completed THEN chain[level] - chain[1] END AS time_to_complete
    FROM furthest f
    -- Events may outlive their user; a row of progress must not.
    WHERE user_id IS NULL OR EXISTS (SELECT FROM app_users u WHERE u.id = f.user_id)
), present AS MATERIALIZED (
    -- Of several rows of one person, all but one belong to nobody, as do those of users who are gone.
    SELECT p.id AS row_id, CASE WHEN row_number() OVER (PARTITION BY {person} ORDER BY id) = 1
            THEN {person} END AS whose
    FROM analytics_funnel_progress p
    WHERE p.funnel_id = :id AND hashtext(coalesce({person}, '')) & (:shares ::int - 1) = :share
), difference AS MATERIALIZED (
    -- A full join is hashed or merged, never done row by row, whatever the planner expects.
    SELECT w.*, present.row_id
    FROM wanted w
    FULL JOIN present ON present.whose = w.person
), removed AS (
    DELETE FROM analytics_funnel_progress p
    USING difference d
    WHERE p.id = d.row_id AND d.person IS NULL
    RETURNING 1
), changed AS (
    UPDATE analytics_funnel_progress p
    SET session_id = d.session_id, current_step = d.current_step, completed = d.completed,
        step_timestamps = d.step_timestamps, entered_at = d.entered_at,
        completed_at = d.completed_at, time_to_complete = d.time_to_complete
    FROM difference d
    WHERE p.id = d.row_id AND d.person IS NOT NULL
        AND (p.session_id, p.current_step, p.completed, p.step_timestamps, p.entered_at,
            p.completed_at, p.time_to_complete)
        IS DISTINCT FROM (d.session_id, d.current_step, d.completed, d.step_timestamps, d.entered_at,
            d.completed_at, d.time_to_complete)
    RETURNING 1
), added AS (
    INSERT INTO analytics_funnel_progress
        (id, funnel_id, user_id, session_id, current_step, completed, step_timestamps, entered_at,
         completed_at, time_to_complete)
    SELECT gen_random_uuid(), :id ::uuid, user_id, session_id, current_step, completed,
        step_timestamps, entered_at, completed_at, time_to_complete
    FROM difference
    WHERE row_id IS NULL
    RETURNING 1
)
SELECT (SELECT count(*) FROM added) AS added, (SELECT count(*) FROM changed) AS changed,
    (SELECT count(*) FROM removed) AS removed;
