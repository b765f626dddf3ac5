-- What the product's own people set up: segments, sequences, funnels, cohorts, projects. Nobody is
-- enrolled in a sequence, so that sample data writes to nobody.

-- name: newsletter_segments()!
INSERT INTO newsletter_segments
    (id, name, slug, description, criteria, is_dynamic, created_at, updated_at)
SELECT pg_temp.made_id('segment', n, seed), name, slug, description, criteria::jsonb,
    n < 9, today - 380, today - 380
FROM demo, (VALUES
    (1, 'All active subscribers', 'all-active', 'Everybody who may be written to',
        '{"status": "active"}'),
    (2, 'Free tier', 'free-tier', 'Subscribers on the free plan',
        '{"subscription_tier": "free", "status": "active"}'),
    (3, 'Paid subscribers', 'paid', 'Subscribers on any paid plan',
        '{"subscription_tier": {"$in": ["maker", "pro", "unlimited"]}, "status": "active"}'),
    (4, 'Pro and unlimited', 'pro-unlimited', 'Subscribers on the upper plans',
        '{"subscription_tier": ["pro", "unlimited"], "status": "active"}'),
    (5, 'Highly engaged', 'highly-engaged', 'Read most of what they get',
        '{"engagement_score": {"$gte": 70}, "emails_received": {"$gt": 0}, "status": "active"}'),
    (6, 'At risk', 'at-risk', 'Read little of what they get',
        '{"engagement_score": {"$lt": 30}, "status": "active"}'),
    (7, 'New subscribers', 'new-subscribers', 'Came in the last seven days',
        '{"subscribed_at": {"$gte": "NOW() - INTERVAL 7 DAY"}, "status": "active"}'),
    (8, 'Keen but free', 'keen-but-free', 'Generate a lot without a plan',
        '{"$and": [{"user.subscription_tier": "free"}, {"user.total_generations": {"$gte": 20}}],
          "status": "active"}'),
    (9, 'Beta testers', 'beta-testers', 'Chosen by hand', '{}')
) AS segment (n, name, slug, description, criteria);

-- name: newsletter_segment_members()!
INSERT INTO newsletter_segment_members (segment_id, subscriber_id, added_at)
SELECT pg_temp.made_id('segment', 9, seed), id, subscribed_at
FROM demo, demo_readers WHERE status = 'active' ORDER BY number LIMIT 40;

-- name: count_members()!
UPDATE newsletter_segments
SET subscriber_count = (SELECT count(*) FROM newsletter_segment_members WHERE segment_id = id),
    last_computed_at = updated_at
WHERE NOT is_dynamic;

-- name: newsletter_sequences()!
INSERT INTO newsletter_sequences
    (id, status, name, slug, description, trigger_type, trigger_config, created_at, updated_at)
SELECT pg_temp.made_id('sequence', n, seed), status, name, slug, description, trigger_type,
    trigger_config::jsonb, today - 380, today - 380
FROM demo, (VALUES
    (1, 'active', 'Welcome', 'welcome', 'First steps for new subscribers', 'signup', '{}'),
    (2, 'active', 'Trial ending', 'trial-ending', 'Before a trial is over', 'event',
        '{"event": "trial_will_end"}'),
    (3, 'draft', 'Upgrade', 'upgrade-prompt', 'For people who outgrow the free plan',
        'segment_joined', '{"segment": "free-tier", "delay_days": 14}'),
    (4, 'draft', 'Come back', 're-engagement', 'For readers who went quiet', 'segment_joined',
        '{"segment": "at-risk", "delay_days": 7}')
) AS sequence (n, status, name, slug, description, trigger_type, trigger_config);

-- name: newsletter_sequence_steps()!
INSERT INTO newsletter_sequence_steps
    (id, sequence_id, step_order, name, delay_value, delay_unit, action_type, subject,
     content_html, content_text, action_config, created_at, updated_at)
SELECT pg_temp.made_id('step', sequence * 10 + step, seed),
    pg_temp.made_id('sequence', sequence, seed), step, name, delay, unit, action, subject,
    '<p>Hello {{ first_name }},</p><p>' || body || '</p>',
    'Hello {{ first_name }},' || E'\n\n' || body, config::jsonb, today - 380, today - 380
FROM demo, (VALUES
    (1, 1, 'Hello', 0, 'minutes', 'email', 'Welcome, {{ first_name }}',
        'Good to have you here. Your first generation takes a minute.', '{}'),
    (1, 2, 'Mark as welcomed', 0, 'minutes', 'tag', NULL, NULL, '{"tag": "welcomed"}'),
    (1, 3, 'Three tips', 2, 'days', 'email', 'Three tips for better results',
        'Say what you want to see, name a style, and try twice.', '{}'),
    (1, 4, 'How is it going?', 1, 'weeks', 'email', 'How is it going?',
        'Answer this message and a person will read it.', '{}'),
    (2, 1, 'Three days left', 0, 'minutes', 'email', 'Your trial ends in three days',
        'Choose a plan to keep your daily credits.', '{}'),
    (2, 2, 'Until the last day', 0, 'minutes', 'wait_until', NULL, NULL,
        '{"field": "user.subscription_ends_at"}'),
    (2, 3, 'Trial is over', 1, 'hours', 'email', 'Your trial is over',
        'Everything you made is still here, and the free plan is yours.', '{}'),
    (3, 1, 'More credits', 0, 'minutes', 'email', 'More credits every day',
        'The maker plan gives thirty credits a day.', '{}'),
    (4, 1, 'We miss you', 0, 'minutes', 'email', 'It has been a while',
        'Here is what is new since you were last here.', '{}')
) AS step (sequence, step, name, delay, unit, action, subject, body, config);

-- name: analytics_funnels()!
INSERT INTO analytics_funnels
    (id, name, slug, description, steps, window_days, created_at, updated_at)
SELECT pg_temp.made_id('funnel', n, seed), name, slug, description, steps::jsonb, window_days,
    today - 380, today - 380
FROM demo, (VALUES
    (1, 'Sign-up to first generation', 'signup-to-generation', 'Do new people get going?',
        '[{"name": "Signup", "event": "user_created"},
          {"name": "First generation", "event": "generation_completed"}]', 7),
    (2, 'Free to paid', 'free-to-paid', 'Do people who use it buy it?',
        '[{"name": "Active", "event": "generation_completed"},
          {"name": "Pricing", "event": "pricing_viewed"},
          {"name": "Subscribe", "event": "subscription_created"}]', 30),
    (3, 'Trial conversion', 'trial-conversion', 'Do trials end in plans?',
        '[{"name": "Trial", "event": "trial_started"},
          {"name": "Usage", "event": "generation_completed"},
          {"name": "Subscribe", "event": "subscription_created"}]', 14),
    (4, 'Stranger to member', 'visit-to-signup', 'Does the front page lead on?',
        '[{"name": "Front page", "event": "page_view", "where": {"path": "/"}},
          {"name": "Pricing", "event": "page_view", "where": {"path": "/pricing"}}]', 1)
) AS funnel (n, name, slug, description, steps, window_days);

-- name: analytics_cohorts()!
INSERT INTO analytics_cohorts
    (id, name, slug, description, cohort_type, granularity, metric, created_at, updated_at)
SELECT pg_temp.made_id('cohort', n, seed), name, slug, description, cohort_type, granularity,
    metric, today - 380, today - 380
FROM demo, (VALUES
    (1, 'Weekly retention', 'weekly-retention', 'Who comes back, by week of sign-up',
        'signup_date', 'week', 'retention'),
    (2, 'Monthly revenue', 'monthly-revenue', 'What people pay, by month of sign-up',
        'signup_date', 'month', 'revenue'),
    (3, 'Subscription retention', 'subscription-retention', 'Who comes back, by week of purchase',
        'subscription_start', 'week', 'retention')
) AS cohort (n, name, slug, description, cohort_type, granularity, metric);

-- name: projects()!
-- Their repositories are made up. The history of the first is sample data too, which no sync replaces:
-- it is on, so that the agents look at it.
INSERT INTO projects
    (id, name, description, status, github_repo, github_sync_enabled, github_username,
     date_created, date_updated)
SELECT pg_temp.made_id('project', n, seed), name, description, status, repo, n = 1,
    CASE WHEN repo IS NOT NULL THEN 'lamplighter-demo' END, today - 300 - n::int, today - n::int
FROM demo, (VALUES
    (1, 'Lantern', 'The product itself', 'active', 'lamplighter-demo/lantern'),
    (2, 'Wick', 'The public client library', 'active', 'lamplighter-demo/wick'),
    (3, 'Old website', 'Replaced by Lantern', 'archived', NULL)
) AS project (n, name, description, status, repo);

-- name: todos()!
INSERT INTO todos
    (id, project_id, title, status, priority, due_date, issue_type, github_issue_number, tags,
     date_created, date_updated)
SELECT pg_temp.made_id('todo', n, seed), pg_temp.made_id('project', 1 + n % 2, seed),
    title || CASE WHEN n > 8 THEN ', part ' || 1 + (n - 1) / 8 ELSE '' END,
    ('{pending,in_progress,completed,blocked,review,pending,completed,cancelled}'::text[])
        [1 + (n * 5 % 8)],
    ('{medium,high,low,urgent}'::text[])[1 + n % 4], today + (n * 3 - 30),
    ('{bug,feature,enhancement,refactor,documentation,test,chore,task}'::text[])[1 + (n - 1) % 8],
    CASE WHEN n % 3 = 0 THEN 100 + n END, ARRAY['demo'], today - (60 - n), today - (30 - n)
FROM demo, generate_series(1, 24) AS n
CROSS JOIN LATERAL (SELECT ('{Front page is slow on phones,Let people share a gallery,
Clearer message when credits run out,Split the billing module,Describe the public API,
Cover refunds with tests,Renew the certificates,Plan the next release}'::text[])
    [1 + (n - 1) % 8] AS title) AS t;

