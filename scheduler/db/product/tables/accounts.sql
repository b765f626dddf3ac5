-- The product's tables: people, what they pay, and the credits they spend.

CREATE TABLE app_users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    status varchar(50) DEFAULT 'active',
    email varchar(255) NOT NULL UNIQUE,
    display_name varchar(100),
    subscription_tier varchar(20) DEFAULT 'free'
        CHECK (subscription_tier IN ('free', 'maker', 'pro', 'unlimited')),
    subscription_status varchar(20) DEFAULT 'active'
        CHECK (subscription_status IN ('active', 'canceled', 'past_due', 'trialing')),
    stripe_customer_id varchar(255),
    subscription_id varchar(255),
    subscription_started_at timestamptz,
    subscription_ends_at timestamptz,
    credits_remaining int DEFAULT 10,
    lifetime_credits_used int DEFAULT 0,
    credits_reset_at timestamptz,
    is_banned boolean DEFAULT false,
    is_admin boolean DEFAULT false,
    last_login_at timestamptz,
    last_generation_at timestamptz,
    total_generations int DEFAULT 0,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    preferred_locale varchar(10),
    email_preferences jsonb DEFAULT '{"demo_credits": true}',
    local_user_id uuid UNIQUE
);

CREATE TABLE subscription_plans (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    status varchar(50) DEFAULT 'published',
    tier varchar(20) NOT NULL CHECK (tier IN ('free', 'maker', 'pro', 'unlimited')) UNIQUE,
    name varchar(100) NOT NULL,
    price_monthly_cents int NOT NULL DEFAULT 0,
    price_yearly_cents int NOT NULL DEFAULT 0,
    credits_per_day int NOT NULL DEFAULT 3,
    is_active boolean DEFAULT true,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now()
);

CREATE TABLE credit_transactions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES app_users ON DELETE CASCADE,
    type varchar(50) NOT NULL
        CHECK (type IN (
            'subscription_grant', 'daily_reset', 'generation', 'purchase', 'admin_adjustment',
            'refund', 'expiration', 'bonus')),
    amount int NOT NULL,
    balance_before int NOT NULL,
    balance_after int NOT NULL,
    reference_type varchar(50),
    reference_id uuid,
    reason text,
    metadata jsonb DEFAULT '{}',
    created_at timestamptz DEFAULT now()
);

CREATE TABLE subscription_history (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES app_users ON DELETE CASCADE,
    action varchar(50) NOT NULL
        CHECK (action IN (
            'created', 'upgraded', 'downgraded', 'canceled', 'reactivated', 'paused',
            'resumed', 'expired', 'renewed')),
    from_tier varchar(20),
    to_tier varchar(20),
    stripe_subscription_id varchar(255),
    stripe_invoice_id varchar(255),
    reason text,
    metadata jsonb DEFAULT '{}',
    created_at timestamptz DEFAULT now()
);

CREATE TABLE invoice_cache (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES app_users ON DELETE CASCADE,
    stripe_invoice_id varchar(255) NOT NULL UNIQUE,
    stripe_invoice_number varchar(100),
    status varchar(50) NOT NULL,
    amount_cents int NOT NULL,
    currency varchar(10) DEFAULT 'usd',
    description text,
    pdf_url text,
    hosted_invoice_url text,
    period_start timestamptz,
    period_end timestamptz,
    invoice_date timestamptz NOT NULL,
    paid_at timestamptz,
    created_at timestamptz DEFAULT now()
);

CREATE TABLE payment_webhooks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    provider varchar(50) NOT NULL DEFAULT 'stripe',
    event_type varchar(100) NOT NULL,
    event_id varchar(255) NOT NULL,
    payload jsonb NOT NULL,
    processed boolean DEFAULT false,
    processed_at timestamptz,
    error text,
    retry_count int DEFAULT 0,
    created_at timestamptz DEFAULT now(),
    UNIQUE (provider, event_id)
);
