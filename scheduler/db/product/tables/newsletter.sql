-- The product's tables: who reads the newsletter, in which segments and sequences.

CREATE TABLE newsletter_subscribers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    status varchar(50) DEFAULT 'active'
        CHECK (status IN ('active', 'unsubscribed', 'bounced', 'complained', 'cleaned')),
    email varchar(255) NOT NULL UNIQUE,
    user_id uuid REFERENCES app_users ON DELETE SET NULL,
    first_name varchar(100),
    last_name varchar(100),
    subscription_tier varchar(20),
    interests text[],
    preferences jsonb DEFAULT '{}',
    mailerlite_id varchar(100),
    mailchimp_id varchar(100),
    brevo_id varchar(100),
    provider_synced_at timestamptz,
    sync_status varchar(50) DEFAULT 'pending' CHECK (sync_status IN ('pending', 'synced', 'error')),
    sync_error text,
    emails_received int DEFAULT 0,
    emails_opened int DEFAULT 0,
    emails_clicked int DEFAULT 0,
    last_email_at timestamptz,
    last_opened_at timestamptz,
    last_clicked_at timestamptz,
    engagement_score numeric(5,2) DEFAULT 0,
    source varchar(100),
    source_campaign varchar(255),
    utm_source varchar(100),
    utm_medium varchar(100),
    utm_campaign varchar(255),
    double_optin boolean DEFAULT false,
    double_optin_at timestamptz,
    ip_address inet,
    subscribed_at timestamptz DEFAULT now(),
    unsubscribed_at timestamptz,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);

CREATE TABLE newsletter_segments (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    status varchar(50) DEFAULT 'published',
    name varchar(255) NOT NULL,
    slug varchar(255) NOT NULL UNIQUE,
    description text,
    criteria jsonb NOT NULL DEFAULT '{}',
    mailerlite_group_id varchar(100),
    mailchimp_segment_id varchar(100),
    brevo_list_id varchar(100),
    subscriber_count int DEFAULT 0,
    last_computed_at timestamptz,
    is_dynamic boolean DEFAULT true,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    created_by uuid
);

CREATE TABLE newsletter_segment_members (
    segment_id uuid NOT NULL REFERENCES newsletter_segments ON DELETE CASCADE,
    subscriber_id uuid NOT NULL REFERENCES newsletter_subscribers ON DELETE CASCADE,
    added_at timestamptz DEFAULT now(),
    PRIMARY KEY (segment_id, subscriber_id)
);

CREATE TABLE newsletter_sequences (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    status varchar(50) DEFAULT 'active' CHECK (status IN ('draft', 'active', 'paused', 'archived')),
    name varchar(255) NOT NULL,
    slug varchar(255) NOT NULL UNIQUE,
    description text,
    trigger_type varchar(50) NOT NULL
        CHECK (trigger_type IN (
            'signup', 'tag_added', 'segment_joined', 'event', 'date_field', 'manual')),
    trigger_config jsonb DEFAULT '{}',
    segment_id uuid REFERENCES newsletter_segments,
    total_enrolled int DEFAULT 0,
    total_completed int DEFAULT 0,
    active_enrollments int DEFAULT 0,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    created_by uuid
);

CREATE TABLE newsletter_sequence_steps (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sequence_id uuid NOT NULL REFERENCES newsletter_sequences ON DELETE CASCADE,
    step_order int NOT NULL,
    name varchar(255) NOT NULL,
    delay_value int NOT NULL DEFAULT 1,
    delay_unit varchar(20) NOT NULL DEFAULT 'days'
        CHECK (delay_unit IN ('minutes', 'hours', 'days', 'weeks')),
    action_type varchar(50) NOT NULL DEFAULT 'email'
        CHECK (action_type IN ('email', 'tag', 'segment', 'webhook', 'wait_until')),
    subject varchar(500),
    content_html text,
    content_text text,
    template_id uuid,
    action_config jsonb DEFAULT '{}',
    emails_sent int DEFAULT 0,
    emails_opened int DEFAULT 0,
    emails_clicked int DEFAULT 0,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    UNIQUE (sequence_id, step_order)
);

CREATE TABLE newsletter_sequence_enrollments (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sequence_id uuid NOT NULL REFERENCES newsletter_sequences ON DELETE CASCADE,
    subscriber_id uuid NOT NULL REFERENCES newsletter_subscribers ON DELETE CASCADE,
    current_step int DEFAULT 0,
    status varchar(50) DEFAULT 'active'
        CHECK (status IN ('active', 'completed', 'paused', 'cancelled', 'failed')),
    next_step_at timestamptz,
    enrolled_at timestamptz DEFAULT now(),
    completed_at timestamptz,
    UNIQUE (sequence_id, subscriber_id)
);

CREATE TABLE email_events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    subscriber_id uuid REFERENCES newsletter_subscribers ON DELETE SET NULL,
    campaign_id uuid,
    sequence_id uuid REFERENCES newsletter_sequences ON DELETE SET NULL,
    step_id uuid REFERENCES newsletter_sequence_steps ON DELETE SET NULL,
    event_type varchar(50) NOT NULL
        CHECK (event_type IN (
            'sent', 'delivered', 'opened', 'clicked', 'bounced', 'complained',
            'unsubscribed')),
    email varchar(255),
    link_url text,
    user_agent text,
    ip_address inet,
    provider varchar(50),
    provider_event_id varchar(255),
    occurred_at timestamptz DEFAULT now()
);

CREATE TABLE newsletter_sync_log (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    provider varchar(50) NOT NULL,
    direction varchar(20) NOT NULL CHECK (direction IN ('push', 'pull', 'bidirectional')),
    sync_type varchar(50) NOT NULL CHECK (sync_type IN ('full', 'incremental', 'single')),
    status varchar(50) NOT NULL CHECK (status IN ('started', 'completed', 'failed', 'partial')),
    records_processed int DEFAULT 0,
    records_created int DEFAULT 0,
    records_updated int DEFAULT 0,
    records_failed int DEFAULT 0,
    errors jsonb DEFAULT '[]',
    started_at timestamptz DEFAULT now(),
    completed_at timestamptz
);
