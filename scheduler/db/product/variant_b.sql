-- The product's other variant: tables that it lacks, columns of another name or type, wider checks.

ALTER TABLE analytics_events RENAME "timestamp" TO created_at;
ALTER TABLE analytics_events
    DROP COLUMN session_id,
    DROP COLUMN page_url,
    DROP COLUMN referrer,
    DROP COLUMN user_agent,
    DROP COLUMN ip_address,
    DROP COLUMN country,
    DROP COLUMN device_type,
    DROP COLUMN conversion_value,
    DROP COLUMN properties;

ALTER TABLE credit_transactions ALTER reference_id TYPE varchar(255);

ALTER TABLE app_users
    DROP CONSTRAINT app_users_subscription_tier_check,
    DROP CONSTRAINT app_users_subscription_status_check,
    ADD CHECK (subscription_tier IN ('free', 'maker', 'pro', 'unlimited', 'agency')),
    ADD CHECK (subscription_status IN ('active', 'canceled', 'past_due', 'trialing', 'paused'));
ALTER TABLE subscription_plans
    DROP CONSTRAINT subscription_plans_tier_check,
    ADD CHECK (tier IN ('free', 'maker', 'pro', 'unlimited', 'agency'));

DROP TABLE
    analytics_daily, analytics_hourly,
    analytics_funnels, analytics_funnel_progress, analytics_cohorts,
    newsletter_subscribers, newsletter_segments, newsletter_segment_members,
    newsletter_sequences, newsletter_sequence_steps, newsletter_sequence_enrollments,
    newsletter_sync_log, email_events,
    projects, project_github_issues, project_github_prs, todos;
DROP FUNCTION IF EXISTS public.count_email_event();
