-- What syncs would have brought of the repository of one project: 120 days, straight into the tables
-- of ours, and marked as a sample. Every choice is a hash of a row's number and the seed.

-- name: github_is_laid()$
SELECT to_regclass('lamplighter.github_repositories') IS NOT NULL;

-- name: github_repositories()!
INSERT INTO lamplighter.github_repositories
    (project_id, full_name, description, html_url, default_branch, head_sha, data_since,
     open_issues, last_synced_at, complete, is_sample)
SELECT pg_temp.made_id('project', 1, seed), 'lamplighter-demo/lantern', 'The product itself',
    'https://github.com/lamplighter-demo/lantern', 'main', NULL, today - 120, NULL, now, true, true
FROM demo;

-- name: github_people()#
-- Who works on it, how much of it (`until` is the upper end of their share), and the machines.
CREATE TEMP TABLE demo_github_people ON COMMIT DROP AS
SELECT * FROM (VALUES
    (0, 'ada-abel', 0.30, 'OWNER'), (1, 'ben-brook', 0.52, 'MEMBER'),
    (2, 'chloe-castle', 0.68, 'MEMBER'), (3, 'dario-dune', 0.79, 'MEMBER'),
    (4, 'elif-elm', 0.87, 'CONTRIBUTOR'), (5, 'finn-field', 0.93, 'CONTRIBUTOR'),
    (6, 'grace-glass', 0.97, 'CONTRIBUTOR'), (7, 'hugo-hill', 1.00, 'FIRST_TIME_CONTRIBUTOR')
) AS person (k, login, until, association);
ANALYZE demo_github_people;

CREATE FUNCTION pg_temp.worker(share float8) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT login FROM demo_github_people WHERE until > share ORDER BY until LIMIT 1
$$;

CREATE FUNCTION pg_temp.association(who text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT association FROM demo_github_people WHERE login = who), 'NONE')
$$;

CREATE FUNCTION pg_temp.sha(n bigint, seed bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT md5('commit' || n || '/' || seed) || left(md5('more' || n || '/' || seed), 8)
$$;

-- A moment so many days ago, in working hours; three in four of a weekend's are on its Friday.
CREATE FUNCTION pg_temp.worked_at(today date, days int, hour float8, within float8, away float8)
RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT ((day - CASE WHEN extract(isodow FROM day) > 5 AND away < 0.75
            THEN extract(isodow FROM day)::int - 5 ELSE 0 END)
        + pg_temp.time_of_day(hour, within))::timestamp AT TIME ZONE 'UTC'
    FROM (SELECT today - days AS day) AS d
$$;

-- name: github_items()#
-- Issues and pull requests, numbered together as GitHub does. One in eight pull requests and one in
-- thirty issues is a machine's. `ends_at` is when it is closed, if that is not still to come.
CREATE TEMP TABLE demo_github_items ON COMMIT DROP AS
WITH drawn AS MATERIALIZED (
    SELECT n, n % 7 IN (0, 2, 5) AS is_pull,
        least(now - interval '20 minutes', pg_temp.worked_at(today,
            floor(119 * pg_temp.chance(n, seed + 301))::int, pg_temp.chance(n, seed + 302),
            pg_temp.chance(n, seed + 303), pg_temp.chance(n, seed + 304))) AS created_at,
        pg_temp.chance(n, seed + 305) AS luck, pg_temp.chance(n, seed + 306) AS who,
        pg_temp.chance(n, seed + 307) AS speed, pg_temp.chance(n, seed + 308) AS theme
    FROM demo, generate_series(1, 210) AS n
), told AS MATERIALIZED (
    SELECT n, is_pull, created_at, luck, speed, theme,
        row_number() OVER (ORDER BY created_at, n)::int AS number,
        CASE WHEN is_pull AND n % 8 = 0 THEN 'dependabot[bot]'
            WHEN NOT is_pull AND n % 30 = 1 THEN 'github-actions[bot]'
            WHEN is_pull OR who < 0.45 THEN pg_temp.worker(pg_temp.chance(n, seed + 309))
            ELSE 'visitor-' || 1 + floor(40 * who)::int END AS author,
        is_pull AND n % 5 = 0 AS began_as_draft,
        created_at + speed * interval '40 hours' AS would_be_ready
    FROM demo, drawn
)
SELECT t.*, author LIKE '%[bot]' AS by_bot, seed, now,
    CASE WHEN began_as_draft AND would_be_ready <= now THEN would_be_ready END AS ready_at,
    CASE WHEN ends_at <= now AND outcome <> 'open' THEN ends_at END AS closed_at,
    CASE WHEN ends_at <= now THEN outcome ELSE 'open' END AS outcome,
    made_id.project
FROM demo
CROSS JOIN told AS t
CROSS JOIN LATERAL (SELECT
    CASE WHEN is_pull THEN CASE WHEN luck < 0.80 THEN 'merged' WHEN luck < 0.88 THEN 'declined'
        ELSE 'open' END
    ELSE CASE WHEN luck < 0.58 THEN 'completed' WHEN luck < 0.68 THEN 'not_planned'
        ELSE 'open' END END AS outcome,
    CASE WHEN is_pull
        THEN CASE WHEN began_as_draft THEN would_be_ready ELSE created_at END
            + (1.5 + 120 * speed ^ 3) * interval '1 hour'
        ELSE created_at + (3 + 700 * speed ^ 2) * interval '1 hour' END AS ends_at) AS o
CROSS JOIN LATERAL (SELECT pg_temp.made_id('project', 1, seed) AS project) AS made_id;
ANALYZE demo_github_items;

-- name: github_said()#
-- Reviews and comments. People answer four issues in five and nearly every pull request; some
-- authors answer themselves; a machine comments on every pull request at once.
CREATE TEMP TABLE demo_github_said ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY at, number, kind, turn)::bigint AS id, s.*
FROM (
    SELECT number, kind, turn, who, at, words, state
    FROM demo_github_items AS i
    CROSS JOIN LATERAL (SELECT coalesce(ready_at, created_at) AS ready,
        coalesce(closed_at, now) AS over) AS w
    CROSS JOIN LATERAL (
        SELECT 'conversation' AS kind, 0 AS turn, 'codecov-commenter' AS who,
            created_at + interval '4 minutes' AS at, 'Coverage has not changed.' AS words,
            NULL AS state, is_pull AS happens
        UNION ALL
        SELECT CASE WHEN is_pull THEN 'review' ELSE 'conversation' END, turn, p.login,
            CASE WHEN is_pull THEN ready + (over - ready) * (0.1 + 0.2 * turn + 0.15 * speed)
                ELSE created_at + (0.4 + 70 * speed ^ 3 + turn * 30) * interval '1 hour' END,
            ('{Looks right to me.,Could you add a test for the empty case?,
I can see this here too.,Which version is this?,This belongs in the guide as well.}'::text[])
                [1 + (n + turn) % 5],
            CASE WHEN NOT is_pull THEN NULL
                WHEN turn = 0 AND luck > 0.3 THEN 'commented'
                WHEN turn = 1 AND luck > 0.6 THEN 'changes_requested' ELSE 'approved' END,
            pg_temp.chance(n * 4 + turn, seed + 311)
                < CASE WHEN is_pull THEN 0.75 ELSE 0.8 END / (1 + turn * 0.8)
        FROM generate_series(0, 2) AS turn
        JOIN demo_github_people AS p
            ON p.k = (n + turn * 3 + floor(4 * pg_temp.chance(n * 4 + turn, seed + 312))::int) % 4
                + CASE WHEN n % 9 = 0 THEN 2 ELSE 0 END
        WHERE p.login <> author
        UNION ALL
        SELECT 'conversation', 3, author, created_at + (6 + 50 * speed) * interval '1 hour',
            'Thank you, that was it.', NULL, NOT by_bot AND n % 3 = 0
    ) AS event
    WHERE happens AND at <= now
) AS s;
ANALYZE demo_github_said;

-- name: github_changes()#
-- What each merged pull request and each commit beside them changed: few files again and again.
CREATE TEMP TABLE demo_github_changes ON COMMIT DROP AS
SELECT c.*, 1 + floor(180 * size ^ 3)::int + 3 * cardinality(files) AS additions,
    floor(90 * pg_temp.chance(key, seed + 323) ^ 2)::int AS deletions
FROM (
    SELECT key, d.seed, pg_temp.chance(key, d.seed + 320) AS size,
        CASE WHEN is_dependency THEN '{package.json,package-lock.json}'::text[] ELSE (
            SELECT array_agg(DISTINCT ('{src/app.ts,src/gallery/share.ts,src/billing/credits.ts,
src/gallery/view.ts,src/api/routes.ts,src/api/errors.ts,src/billing/plans.ts,src/ui/button.tsx,
src/ui/theme.css,src/mail/templates.ts,tests/gallery.test.ts,tests/billing.test.ts,docs/guide.md,
docs/api.md,README.md,src/ui/dialog.tsx,src/search/index.ts,src/search/rank.ts,src/jobs/queue.ts,
deploy/compose.yaml}'::text[])[1 + floor(20 * pg_temp.chance(key * 8 + j, d.seed + 321) ^ 2)::int])
            FROM generate_series(0, floor(5 * pg_temp.chance(key, d.seed + 322))::int) AS j
        ) END AS files
    FROM demo AS d, (
        SELECT number AS key, author = 'dependabot[bot]' AS is_dependency
        FROM demo_github_items WHERE is_pull
        UNION ALL
        SELECT 1000 + n, n % 12 = 0 FROM generate_series(1, 210) AS n
    ) AS keys
) AS c;
ANALYZE demo_github_changes;

-- name: github_pulls()!
INSERT INTO lamplighter.github_pulls
    (project_id, number, title, body, state, draft, author_login, author_is_bot,
     author_association, created_at, updated_at, ready_at, closed_at, merged_at, merged_by,
     merge_sha, base, head, head_sha, additions, deletions, changed_files, files, labels,
     milestone, html_url, detailed_for, files_for)
SELECT project, number,
    CASE WHEN by_bot THEN 'Bump sharp from 0.' || n % 40 || ' to 0.' || n % 40 + 1
        ELSE verb || ' ' || subject END,
    CASE WHEN by_bot THEN 'Bumps sharp.' ELSE 'What it says. See #' || greatest(1, number - 3) END,
    CASE WHEN closed_at IS NULL THEN 'open' ELSE 'closed' END,
    began_as_draft AND ready_at IS NULL AND closed_at IS NULL, author, by_bot,
    CASE WHEN by_bot THEN 'NONE' ELSE pg_temp.association(author) END, created_at, updated_at,
    ready_at, closed_at, CASE WHEN outcome = 'merged' THEN closed_at END,
    CASE WHEN outcome = 'merged' THEN 'ada-abel' END,
    CASE WHEN outcome = 'merged' THEN pg_temp.sha(number * 100, i.seed) END, 'main',
    'change-' || number, head_sha, additions, deletions, cardinality(files), files,
    CASE WHEN by_bot THEN '{dependencies}' ELSE ARRAY[label] END::text[],
    CASE WHEN n % 2 = 0 THEN 'Galleries' END,
    'https://github.com/lamplighter-demo/lantern/pull/' || number, updated_at, head_sha
FROM demo_github_items AS i
JOIN demo_github_changes AS c ON key = number
CROSS JOIN LATERAL (SELECT
    ('{Add,Fix,Speed up,Simplify,Test,Describe}'::text[])[1 + n % 6] AS verb,
    ('{sharing of galleries,the credits of a renewed plan,search in long lists,
the dialog on phones,errors of the API,mail templates,the queue of jobs,upload of large images}'
        ::text[])[1 + n % 8] AS subject,
    ('{enhancement,bug,enhancement,documentation,bug,performance}'::text[])[1 + n % 6] AS label,
    pg_temp.sha(number * 100 + 99, i.seed) AS head_sha,
    greatest(created_at, ready_at, closed_at,
        (SELECT max(at) FROM demo_github_said AS s WHERE s.number = i.number)) AS updated_at) AS x
WHERE is_pull
ORDER BY number;

-- name: github_issues()!
INSERT INTO lamplighter.github_issues
    (project_id, number, title, body, state, state_reason, author_login, author_is_bot,
     author_association, created_at, updated_at, closed_at, labels, milestone, comments, reactions,
     html_url)
SELECT project, number,
    CASE WHEN by_bot THEN 'Nightly build failed' ELSE subject END,
    CASE WHEN by_bot THEN 'See the log.' ELSE 'Seen with version 1.' || n % 6 || '.' END,
    CASE WHEN closed_at IS NULL THEN 'open' ELSE 'closed' END,
    CASE WHEN closed_at IS NOT NULL THEN outcome END, author, by_bot,
    CASE WHEN by_bot THEN 'NONE' ELSE pg_temp.association(author) END, created_at,
    greatest(created_at, closed_at, last_said), closed_at, labels,
    CASE WHEN n % 4 = 0 THEN 'Galleries' WHEN n % 11 = 0 THEN 'Billing' END,
    coalesce(said, 0), floor(9 * theme ^ 4)::int,
    'https://github.com/lamplighter-demo/lantern/issues/' || number
FROM demo_github_items AS i
LEFT JOIN (SELECT number, count(*) AS said, max(at) AS last_said FROM demo_github_said
    WHERE kind = 'conversation' GROUP BY 1) AS s USING (number)
CROSS JOIN LATERAL (SELECT
    ('{Gallery is blank after sharing,Credits are missing after renewal,Search finds too much,
Dialog is cut off on phones,API answers 500 for an empty body,Reset mail comes twice,
Let me sort galleries by date,Dark theme is hard to read,Upload stops at 20 MB,
Say what a plan costs before checkout}'::text[])[1 + floor(10 * theme)::int] AS subject,
    CASE WHEN by_bot THEN '{ci}' WHEN theme < 0.5 THEN CASE WHEN n % 6 = 0
        THEN '{bug,ui}' ELSE '{bug}' END WHEN theme < 0.85 THEN '{enhancement}'
        WHEN theme < 0.93 THEN '{question,good first issue}' ELSE '{}' END::text[] AS labels) AS x
WHERE NOT is_pull
ORDER BY number;

-- name: github_reviews()!
INSERT INTO lamplighter.github_reviews
    (project_id, id, pull, author_login, author_is_bot, author_association, state, submitted_at,
     body)
SELECT project, id, number, who, false, pg_temp.association(who), state, at, words
FROM demo_github_said JOIN demo_github_items USING (number)
WHERE kind = 'review' ORDER BY id;

-- name: github_comments()!
-- The first of a review that asks for something stands beside a line.
INSERT INTO lamplighter.github_comments
    (project_id, id, kind, number, author_login, author_is_bot, author_association, created_at,
     updated_at, body)
SELECT project, id, kind, number, who, false, pg_temp.association(who), at, at, words
FROM demo_github_said JOIN demo_github_items USING (number)
WHERE kind = 'conversation' OR state = 'changes_requested' ORDER BY id;

-- name: github_commits()!
-- One to eight commits and a merge for each merged pull request; lists of commits carry no lines,
-- which the merge has from its pull request. Of the commits beside them most were asked for alone.
INSERT INTO lamplighter.github_commits
    (project_id, sha, parents, author_login, author_name, author_is_bot, authored_at, committed_at,
     message, pull, additions, deletions, files)
WITH made AS (
    SELECT project, pg_temp.sha(number * 100 + j, i.seed) AS sha, author, by_bot,
        CASE WHEN j = 0 THEN closed_at
            ELSE created_at - (9 - j) * speed * interval '50 minutes' END AS at,
        CASE WHEN j = 0 THEN 'Merge pull request #' || number ELSE 'Step ' || j END AS message,
        number AS pull, CASE WHEN j = 0 THEN additions END AS additions,
        CASE WHEN j = 0 THEN deletions END AS deletions, CASE WHEN j = 0 THEN files END AS files
    FROM demo_github_items AS i
    JOIN demo_github_changes AS c ON key = number
    CROSS JOIN LATERAL generate_series(0, CASE WHEN by_bot THEN 1
        ELSE 2 + floor(7 * pg_temp.chance(n, i.seed + 330))::int END) AS j
    WHERE outcome = 'merged' AND is_pull
    UNION ALL
    SELECT pg_temp.made_id('project', 1, d.seed), pg_temp.sha(key * 100, d.seed),
        CASE WHEN key % 15 = 0 THEN 'github-actions[bot]' WHEN key % 70 = 1 THEN NULL
            ELSE pg_temp.worker(pg_temp.chance(key, d.seed + 331) ^ 1.4) END, key % 15 = 0,
        least(now - interval '10 minutes', pg_temp.worked_at(today,
            floor(120 * pg_temp.chance(key, d.seed + 332) ^ 1.3)::int,
            pg_temp.chance(key, d.seed + 333), pg_temp.chance(key, d.seed + 334),
            pg_temp.chance(key, d.seed + 335))),
        CASE WHEN key % 15 = 0 THEN 'Update translations' ELSE 'Tidy up' END, NULL,
        CASE WHEN known THEN additions END, CASE WHEN known THEN deletions END,
        CASE WHEN known THEN files END
    FROM demo AS d CROSS JOIN demo_github_changes AS c
    CROSS JOIN LATERAL (SELECT pg_temp.chance(key, d.seed + 336) < 0.97 AS known) AS k
    WHERE key > 1000
)
SELECT project, sha, '{}', author, coalesce(author, 'Someone without an account'), by_bot, at, at,
    message, pull, additions, deletions, files
FROM made ORDER BY at, sha;

-- name: github_releases()!
INSERT INTO lamplighter.github_releases
    (project_id, id, tag, name, body, draft, prerelease, author_login, created_at, published_at,
     html_url)
SELECT pg_temp.made_id('project', 1, seed), n, tag, 'Lantern ' || substr(tag, 2),
    '- Galleries load faster' || E'\n' || '- Fixes for billing', n = 12, n % 3 = 1, 'ada-abel', at,
    CASE WHEN n < 12 THEN at END, 'https://github.com/lamplighter-demo/lantern/releases/' || tag
FROM demo, generate_series(1, 12) AS n
CROSS JOIN LATERAL (SELECT today - 119 + n * 10 - interval '2 days' + time '14:20' AS local_at,
    'v1.' || (n + 2) / 3 || CASE n % 3 WHEN 1 THEN '.0-rc.1' WHEN 2 THEN '.0' ELSE '.1' END
        AS tag) AS t
CROSS JOIN LATERAL (SELECT least(local_at AT TIME ZONE 'UTC', now) AS at) AS l;

-- name: github_milestones()!
INSERT INTO lamplighter.github_milestones
    (project_id, number, title, description, state, created_at, due_on, closed_at, open_issues,
     closed_issues, html_url)
SELECT project, m.number, m.title, 'For the next release',
    CASE WHEN m.closed IS NULL THEN 'open' ELSE 'closed' END, today - 110,
    (today + m.due)::timestamp AT TIME ZONE 'UTC',
    (today + m.closed)::timestamp AT TIME ZONE 'UTC',
    coalesce(open, 0), coalesce(closed_items, 0),
    'https://github.com/lamplighter-demo/lantern/milestone/' || m.number
FROM demo
CROSS JOIN (VALUES (1, 'First steps', -70, -68), (2, 'Billing', -9, NULL),
    (3, 'Galleries', 24, NULL), (4, 'Some day', NULL, NULL)) AS m (number, title, due, closed)
CROSS JOIN LATERAL (SELECT pg_temp.made_id('project', 1, seed) AS project) AS p
LEFT JOIN (
    SELECT milestone, count(*) FILTER (WHERE state = 'open') AS open,
        count(*) FILTER (WHERE state = 'closed') AS closed_items
    FROM (SELECT milestone, state FROM lamplighter.github_issues
          UNION ALL SELECT milestone, state FROM lamplighter.github_pulls) AS items
    GROUP BY 1) AS counts ON counts.milestone = m.title;

-- name: github_labels()!
INSERT INTO lamplighter.github_labels (project_id, name, color, description)
SELECT pg_temp.made_id('project', 1, seed), name, color, description
FROM demo, (VALUES ('bug', 'd73a4a', 'Something is wrong'),
    ('enhancement', 'a2eeef', 'Something new'), ('documentation', '0075ca', NULL),
    ('question', 'd876e3', NULL), ('good first issue', '7057ff', 'Good for newcomers'),
    ('performance', 'fbca04', NULL), ('ui', 'c5def5', NULL), ('ci', 'ededed', NULL),
    ('dependencies', '0366d6', NULL)) AS label (name, color, description);

-- name: github_files()!
INSERT INTO lamplighter.github_files (project_id, path, sha, size, text)
SELECT pg_temp.made_id('project', 1, seed), path, pg_temp.sha(900000 + length(path), seed),
    octet_length(text), text
FROM demo, (VALUES
    ('README.md', E'# Lantern\n\nMakes pictures from words.\n\n## Start\n\n    npm install\n    '
        || E'npm start\n\n## Plans\n\nFree, maker, pro and unlimited.\n'),
    ('docs/guide.md', E'# Guide\n\nWrite what you want to see, name a style, and try twice.\n'),
    ('docs/api.md', E'# API\n\n`POST /generate` takes `{"prompt": "..."}`.\n\nTODO: errors.\n')
) AS file (path, text);

-- name: github_finish()!
UPDATE lamplighter.github_repositories AS r
SET head_sha = (SELECT sha FROM lamplighter.github_commits AS c WHERE c.project_id = r.project_id
        ORDER BY committed_at DESC, sha LIMIT 1),
    open_issues = (SELECT count(*) FROM demo_github_items WHERE closed_at IS NULL)
FROM demo
WHERE r.project_id = pg_temp.made_id('project', 1, seed);

-- name: drop_github_functions()#
DROP FUNCTION pg_temp.worker, pg_temp.association, pg_temp.worked_at, pg_temp.sha;
