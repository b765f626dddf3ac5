-- The product's tables: what happened, and what is added up from it.

CREATE TABLE analytics_events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    event_type varchar(100) NOT NULL,
    event_category varchar(50) NOT NULL
        CHECK (event_category IN (
            'user', 'generation', 'subscription', 'content', 'moderation', 'system')),
    user_id uuid REFERENCES app_users ON DELETE SET NULL,
    metadata jsonb DEFAULT '{}',
    "timestamp" timestamptz DEFAULT now(),
    session_id varchar(100),
    page_url text,
    referrer text,
    user_agent text,
    ip_address inet,
    country varchar(2),
    device_type varchar(20),
    conversion_value numeric(10,2),
    properties jsonb DEFAULT '{}'
);

CREATE TABLE analytics_daily (
    date date NOT NULL,
    new_users int DEFAULT 0,
    active_users int DEFAULT 0,
    returning_users int DEFAULT 0,
    generations int DEFAULT 0,
    credits_used int DEFAULT 0,
    avg_confidence_score numeric(5,2),
    new_subscriptions int DEFAULT 0,
    churned_subscriptions int DEFAULT 0,
    upgrades int DEFAULT 0,
    downgrades int DEFAULT 0,
    revenue_cents int DEFAULT 0,
    mrr_cents int DEFAULT 0,
    new_profiles int DEFAULT 0,
    new_comments int DEFAULT 0,
    reports_opened int DEFAULT 0,
    reports_resolved int DEFAULT 0,
    users_banned int DEFAULT 0,
    warnings_issued int DEFAULT 0,
    api_requests int DEFAULT 0,
    api_errors int DEFAULT 0,
    avg_response_time_ms int,
    computed_at timestamptz DEFAULT now(),
    unique_visitors int DEFAULT 0,
    page_views int DEFAULT 0,
    avg_session_duration_seconds int,
    bounce_rate numeric(5,2),
    newsletter_signups int DEFAULT 0,
    newsletter_unsubscribes int DEFAULT 0,
    email_sent int DEFAULT 0,
    email_opened int DEFAULT 0,
    email_clicked int DEFAULT 0,
    conversion_rate numeric(5,2),
    revenue_by_tier jsonb DEFAULT '{}',
    top_events jsonb DEFAULT '[]',
    top_pages jsonb DEFAULT '[]',
    PRIMARY KEY (date)
);

CREATE TABLE analytics_hourly (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    hour timestamptz NOT NULL UNIQUE,
    active_users int DEFAULT 0,
    page_views int DEFAULT 0,
    api_requests int DEFAULT 0,
    generations int DEFAULT 0,
    credits_used int DEFAULT 0,
    signups int DEFAULT 0,
    api_errors int DEFAULT 0,
    avg_response_time_ms int,
    computed_at timestamptz DEFAULT now()
);

CREATE TABLE analytics_funnels (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    status varchar(50) DEFAULT 'published',
    name varchar(255) NOT NULL,
    slug varchar(255) NOT NULL UNIQUE,
    description text,
    steps jsonb NOT NULL,
    window_days int DEFAULT 30,
    total_entered int DEFAULT 0,
    total_completed int DEFAULT 0,
    conversion_rate numeric(5,2),
    avg_time_to_complete interval,
    step_metrics jsonb DEFAULT '[]',
    last_computed_at timestamptz,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    created_by uuid
);

CREATE TABLE analytics_funnel_progress (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    funnel_id uuid NOT NULL REFERENCES analytics_funnels ON DELETE CASCADE,
    user_id uuid REFERENCES app_users ON DELETE SET NULL,
    session_id varchar(100),
    current_step int DEFAULT 0,
    completed boolean DEFAULT false,
    step_timestamps jsonb DEFAULT '[]',
    entered_at timestamptz DEFAULT now(),
    completed_at timestamptz,
    time_to_complete interval
);

CREATE TABLE analytics_cohorts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    status varchar(50) DEFAULT 'published',
    name varchar(255) NOT NULL,
    slug varchar(255) NOT NULL UNIQUE,
    description text,
    cohort_type varchar(50) NOT NULL DEFAULT 'signup_date'
        CHECK (cohort_type IN ('signup_date', 'first_purchase', 'subscription_start', 'custom')),
    granularity varchar(20) NOT NULL DEFAULT 'week' CHECK (granularity IN ('day', 'week', 'month')),
    metric varchar(100) NOT NULL DEFAULT 'retention',
    filters jsonb DEFAULT '{}',
    start_date date,
    end_date date,
    cohort_data jsonb DEFAULT '{}',
    last_computed_at timestamptz,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    created_by uuid
);
