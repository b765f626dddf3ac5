-- For each rule of invariants.sql what breaks it, and for the fires a run of the clock.

-- name: balances_that_differ#
INSERT INTO app_users (id, email, credits_remaining) VALUES
    ('00000000-0000-0000-0000-000000000001', 'a@example.com', 7);
INSERT INTO credit_transactions (user_id, type, amount, balance_before, balance_after, created_at)
VALUES ('00000000-0000-0000-0000-000000000001', 'bonus', 1, 4, 5, '2026-03-10 12:00Z');

-- name: users_reset_twice#
INSERT INTO app_users (id, email, credits_remaining) VALUES
    ('00000000-0000-0000-0000-000000000001', 'a@example.com', 5);
INSERT INTO credit_transactions (user_id, type, amount, balance_before, balance_after, created_at)
SELECT '00000000-0000-0000-0000-000000000001', 'daily_reset', 0, 5, 5, '2026-03-10 12:00Z'
FROM generate_series(1, 2);

-- name: steps_with_two_messages#
INSERT INTO email_queue (to_email, from_email, subject, html_body, reference_type, tracking_data)
SELECT 'a@example.com', 'b@example.com', 's', 'h', 'sequence_step',
       '{"enrollmentId": "e", "stepId": "s"}'
FROM generate_series(1, 2);

-- fragment: suggestion
INSERT INTO lamplighter.suggestions (
    id, project_id, agent, kind, status, title, body, evidence, evidence_key, evidence_hash, scores,
    confidence, action, shown_hash, title_trigrams, body_trigrams, created_at, expires_at)
VALUES (
    '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000003', 'developer',
    'pr_review', 'published', 't', 'b', '[]', '', '', '{}', 1, '{}', '', '{}', '{}',
    '2026-03-10 12:00Z', '2026-03-20 12:00Z')

-- name: published_without_approval#
{suggestion};

-- name: published_twice#
{suggestion};
INSERT INTO lamplighter.suggestion_events (suggestion_id, at, action, by)
SELECT '00000000-0000-0000-0000-000000000002', '2026-03-10 12:00Z', action, 'admin'
FROM unnest('{approved, published, published}' ::text[]) AS action;

-- fragment: a_run
INSERT INTO lamplighter.runs (
    id, job, job_type, trigger, status, scheduled_for, overlap_key, params, created_at, started_at,
    finished_at, attempt, max_attempts, data)

-- fragment: an_attempt
INSERT INTO lamplighter.attempts (
    run_id, attempt, cause, replica, status, started_at, heartbeat_at)

-- name: running_without_lease#
{a_run} VALUES (
    '00000000-0000-0000-0000-000000000004', 'work', 'work', 'schedule', 'running',
    '2026-03-10 12:00Z', 'work', '{}', '2026-03-10 12:00Z', '2026-03-10 12:00Z', NULL, 1, 3, NULL);
{an_attempt} VALUES (
    '00000000-0000-0000-0000-000000000004', 1, 'first', 'one', 'running', '2026-03-10 12:00Z',
    clock_timestamp() - interval '21 seconds');

-- name: attempts_of_no_run#
{a_run} VALUES (
    '00000000-0000-0000-0000-000000000004', 'work', 'work', 'schedule', 'succeeded',
    '2026-03-10 12:00Z', 'work', '{}', '2026-03-10 12:00Z', '2026-03-10 12:00Z',
    '2026-03-10 12:00Z', 1, 3, NULL);
{an_attempt} VALUES (
    '00000000-0000-0000-0000-000000000004', 1, 'first', 'one', 'running', '2026-03-10 12:00Z',
    clock_timestamp());

-- name: ended_without_time#
{a_run} VALUES (
    '00000000-0000-0000-0000-000000000004', 'work', 'work', 'schedule', 'succeeded',
    '2026-03-10 12:00Z', 'work', '{}', '2026-03-10 12:00Z', '2026-03-10 12:00Z', NULL, 1, 3, NULL);

-- name: hours_behind_the_watermark#
INSERT INTO analytics_events (event_type, event_category, "timestamp")
VALUES ('view', 'user', '2026-03-10 12:30Z');
INSERT INTO lamplighter.watermarks (job, at) VALUES ('aggregate-hourly', '2026-03-10 13:00Z');

-- name: fire!
{a_run} VALUES (
    gen_random_uuid(), 'work', 'work', 'schedule', 'succeeded', :at, 'work', '{}', :at, :at, :at, 1,
    3, NULL);

-- name: missed!
{a_run} VALUES (
    gen_random_uuid(), 'work', 'work', 'catch_up', 'missed', :last, 'work', '{}', :last, NULL,
    :last, 0, 3, jsonb_build_object('count', :count ::int, 'first', :first ::timestamptz, 'last',
                                    :last ::timestamptz));
