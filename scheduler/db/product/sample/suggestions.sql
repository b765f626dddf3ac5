-- What agents would have suggested about the sample repository, so that the queue can be tried
-- without a model: marked as samples, which nothing ever publishes. They rest on rows of `github.sql`.

-- name: suggestion_evidence()#
-- What suggestions point to, by a name of our own: open pull requests, the ones that have waited
-- longest first; issues by what they are called, open ones first; releases, a milestone and files.
CREATE TEMP TABLE demo_evidence ON COMMIT DROP AS
WITH pulls AS (
    SELECT p.*, row_number() OVER (ORDER BY updated_at, number) AS turn
    FROM lamplighter.github_pulls AS p
    WHERE state = 'open' AND NOT draft AND NOT author_is_bot
), issues AS (
    SELECT wanted.key, i.*, row_number() OVER (
        PARTITION BY wanted.key
        ORDER BY i.title = wanted.title DESC, i.state = 'open' DESC, i.number DESC) AS turn
    FROM (VALUES ('credits', 'Credits are missing after renewal'),
        ('phones', 'Dialog is cut off on phones'), ('dark', 'Dark theme is hard to read'),
        ('sharing', 'Gallery is blank after sharing'), ('search', 'Search finds too much'),
        ('costs', 'Say what a plan costs before checkout'),
        ('errors', 'API answers 500 for an empty body')) AS wanted (key, title)
    CROSS JOIN lamplighter.github_issues AS i
    WHERE NOT i.author_is_bot
)
SELECT 'pull' || turn AS key, 'pull:' || number AS ref, '#' || number AS shown, number, title,
    html_url AS url, author_login AS author, author_association AS association, updated_at AS at
FROM pulls WHERE turn <= 4
UNION ALL
SELECT key, 'issue:' || number, '#' || number, number, title, html_url, author_login,
    author_association, updated_at
FROM issues WHERE turn = 1
UNION ALL
SELECT CASE WHEN draft THEN 'next' ELSE 'latest' END, 'release:' || tag, tag, NULL, name, html_url,
    author_login, NULL, coalesce(published_at, created_at)
FROM (SELECT DISTINCT ON (draft) * FROM lamplighter.github_releases
      ORDER BY draft, created_at DESC) AS r
UNION ALL
SELECT 'billing', 'milestone:' || number, title, NULL, title, html_url, NULL, NULL, due_on
FROM lamplighter.github_milestones WHERE title = 'Billing'
UNION ALL
SELECT CASE path WHEN 'README.md' THEN 'readme' ELSE 'api' END, 'file:' || path, path, NULL, path,
    NULL, NULL, NULL, NULL
FROM lamplighter.github_files WHERE path IN ('README.md', 'docs/api.md');

CREATE FUNCTION pg_temp.words(of_text text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT trim(regexp_replace(lower(of_text), '[^a-z0-9]+', ' ', 'g'))
$$;

-- name: suggestions()!
WITH made AS (
    SELECT m.*, pg_temp.made_id('suggestion', m.n, seed) AS id, now,
        now - hours * interval '1 hour' AS created_at
    FROM demo, (VALUES
        (1, 'developer', 'pr_review', 'pending', 3, 0.86, '{pull1}'::text[],
            'Review of %1$s: what happens without a network?',
            E'The change in %1$s looks sound. Two things before it is merged:\n\n'
            || E'1. Nothing says what a user sees when the request fails; the other calls show a '
            || E'message.\n2. A test for the empty case would hold what was fixed.', NULL),
        (2, 'developer', 'pr_review', 'approved', 9, 0.81, '{pull2}',
            'Review of %1$s: it has waited longer than any other',
            E'%1$s has been open for longer than is usual here. It does one thing and is small; '
            || E'with a rebase it could go in this week.', NULL),
        (3, 'developer', 'code_improvement', 'pending', 15, 0.74, '{errors,api}',
            'Answer 422 with a reason where the body is empty',
            E'%1$s tells of a 500 for an empty body. One check before the handlers would cover all '
            || E'routes, and `%2$s` could then say which errors there are.', NULL),
        (4, 'developer', 'pr_review', 'rejected', 60, 0.62, '{pull3}',
            'Review of %1$s: split it in two',
            E'%1$s changes the interface and the jobs at once. Two smaller ones would be easier to '
            || E'review.', 'We do this on purpose; see the guide'),
        (5, 'researcher', 'research_report', 'pending', 20, 0.79, '{credits,costs,billing}',
            'Billing is what people write about',
            E'Of the open issues, those about credits and plans get the most answers: %1$s and '
            || E'%2$s are two. The milestone *%3$s* is overdue. Doing the first before the rest of '
            || E'it would answer most of them.', NULL),
        (6, 'researcher', 'research_report', 'expired', 900, 0.58, '{search}',
            'Search is mentioned more often than before',
            E'%1$s is one of several about search within a month. It may be worth a look at which '
            || E'words people use.', NULL),
        (7, 'marketer', 'release_notes', 'pending', 5, 0.83, '{next}',
            'Release notes for %1$s',
            E'## What is new\n\n- Galleries load faster, and can be shared again\n'
            || E'- Credits of a renewed plan are there at once\n\n## What is mended\n\n'
            || E'- The dialog fits on phones\n- Reset mails come once', NULL),
        (8, 'marketer', 'blog_post', 'published', 130, 0.77, '{latest}',
            'A post about %1$s: galleries that load at once',
            E'%1$s is out. The short version: galleries load faster. The longer one: what was slow, '
            || E'what we tried first, and what helped in the end.', NULL),
        (9, 'seo_writer', 'docs_improvement', 'pending', 28, 0.88, '{api,errors}',
            'Write down the errors that the API answers with',
            E'`%1$s` ends with a note that errors are still to be written. People ask (%2$s). A '
            || E'table with status, meaning and an example would do:\n\n| status | means |\n'
            || E'|---|---|\n| 400 | the body is not JSON |\n| 422 | a field is missing |', NULL),
        (10, 'seo_writer', 'docs_improvement', 'publish_failed', 40, 0.71, '{readme}',
            'Say in the first lines who Lantern is for',
            E'`%1$s` begins with what Lantern does. Who looks for it asks whether it is for them: a '
            || E'sentence on that, and a picture, before *Start*.', NULL),
        (11, 'designer', 'design_feedback', 'pending', 7, 0.8, '{phones}',
            'The dialog: let it scroll, keep the buttons',
            E'What %1$s shows comes from the fixed height. Let the content scroll and keep the '
            || E'buttons below it; then it works at 320 px too.', NULL),
        (12, 'designer', 'design_feedback', 'approved', 11, 0.69, '{dark}',
            'Dark theme: 4.5:1 for text, borders instead of shadows',
            E'For %1$s: the grey of secondary text has too little contrast on the dark ground. '
            || E'One step lighter reaches 4.5:1; shadows do not show there, thin borders do.', NULL)
    ) AS m (n, agent, kind, status, hours, confidence, keys, title, body, reason)
), resting AS (
    SELECT m.*, e.*
    FROM made AS m CROSS JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('ref', ref, 'version', md5(concat(ref, e.at)), 'title', e.title,
                'url', url, 'author', author, 'association', association) ORDER BY turn) AS evidence,
            array_agg(shown ORDER BY turn) AS shown, count(*) AS found,
            string_agg(ref, E'\n' ORDER BY ref COLLATE "C") AS evidence_key,
            (array_agg(number ORDER BY turn))[1] AS number
        FROM unnest(m.keys) WITH ORDINALITY AS k (key, turn) JOIN demo_evidence AS e USING (key)
    ) AS e
    WHERE found = cardinality(m.keys)
), worded AS (
    SELECT r.*, format(title, VARIADIC shown) AS said, format(body, VARIADIC shown) AS text,
        jsonb_strip_nulls(jsonb_build_object(
            'type', CASE kind WHEN 'pr_review' THEN 'review' WHEN 'design_feedback' THEN 'comment'
                WHEN 'release_notes' THEN 'draft_release' WHEN 'research_report' THEN 'todo'
                WHEN 'blog_post' THEN 'todo' ELSE 'issue' END,
            'repository', 'lamplighter-demo/lantern',
            'number', CASE WHEN kind IN ('pr_review', 'design_feedback') THEN number END,
            'tag', CASE kind WHEN 'release_notes' THEN shown[1] END)) AS action,
        CASE WHEN status = 'approved' AND agent = 'designer' THEN 'auto_approve'
            WHEN status IN ('approved', 'rejected', 'published', 'publish_failed') THEN 'admin'
            END AS decided_by,
        created_at + (now - created_at) / 3 AS decided_at
    FROM resting AS r
), added AS (
    INSERT INTO lamplighter.suggestions (
        id, project_id, agent, kind, status, title, body, evidence, evidence_key, evidence_hash,
        scores, confidence, action, shown_hash, title_trigrams, body_trigrams, created_at,
        expires_at, approved_hash, approved_at, decided_at, decided_by, decided_from,
        decision_reason, published_at, publish_error, is_sample)
    SELECT w.id, project_id, agent, kind, status, said, text, evidence, evidence_key,
        encode(sha256(convert_to(evidence::text, 'UTF8')), 'hex'),
        jsonb_build_object('relevance', confidence, 'actionability', confidence - 0.04,
            'freshness', 1, 'value', confidence - 0.09),
        confidence, action, hash, lamplighter.trigrams(pg_temp.words(said)),
        lamplighter.trigrams(pg_temp.words(text)), created_at, created_at + interval '30 days',
        CASE status WHEN 'approved' THEN hash END,
        CASE WHEN status IN ('approved', 'published', 'publish_failed') THEN decided_at END,
        CASE WHEN decided_by IS NOT NULL THEN decided_at END, decided_by,
        CASE decided_by WHEN 'admin' THEN '127.0.0.1' END, reason,
        CASE status WHEN 'published' THEN decided_at + interval '2 minutes' END,
        CASE status WHEN 'publish_failed' THEN
            'the token may not write to lamplighter-demo/lantern, or nobody may (archived, '
            || 'locked); set a GITHUB_WRITE_TOKEN that may' END, true
    FROM worded AS w
    CROSS JOIN LATERAL (SELECT lamplighter.shown_hash(said, text, action) AS hash) AS h
    CROSS JOIN (SELECT pg_temp.made_id('project', 1, seed) AS project_id FROM demo) AS p
    ORDER BY created_at
    RETURNING id
)
INSERT INTO lamplighter.suggestion_events (suggestion_id, at, action, by, source, reason)
SELECT w.id, e.at, e.action, e.by, CASE e.by WHEN 'admin' THEN '127.0.0.1' END, e.reason
FROM added JOIN worded AS w USING (id)
CROSS JOIN LATERAL (VALUES
    (1, created_at, 'created', agent, NULL),
    (2, decided_at, CASE WHEN decided_by IS NOT NULL AND status <> 'rejected' THEN 'approved' END,
        decided_by, NULL),
    (2, decided_at, CASE status WHEN 'rejected' THEN 'rejected' END, decided_by, w.reason),
    (2, created_at + interval '30 days', CASE status WHEN 'expired' THEN 'expired' END,
        'lamplighter', 'nobody has decided in time'),
    (3, decided_at + interval '2 minutes',
        CASE WHEN status IN ('published', 'publish_failed') THEN status END, 'lamplighter', NULL)
) AS e (turn, at, action, by, reason)
WHERE e.action IS NOT NULL
ORDER BY e.at, w.n, turn;

-- name: drop_suggestion_functions()#
DROP FUNCTION pg_temp.words;
