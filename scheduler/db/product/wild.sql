-- The product's tables as they stand in the wild: its secondary indexes, its slow defaults and the
-- row triggers that every update has to feed. For tests and measurements, never for our own use.

ALTER TABLE app_users ADD COLUMN contact_id uuid, ADD COLUMN auth_provider varchar(50);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'uuid-ossp') THEN
        CREATE EXTENSION IF NOT EXISTS "uuid-ossp" SCHEMA public;
    ELSE
        -- Not inlined by the planner, as the extension's own function is not.
        CREATE FUNCTION public.uuid_generate_v4() RETURNS uuid LANGUAGE plpgsql VOLATILE AS
            'BEGIN RETURN gen_random_uuid(); END';
    END IF;
END $$;

ALTER TABLE subscription_plans ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE credit_transactions ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE subscription_history ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE invoice_cache ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE payment_webhooks ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE analytics_events ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE analytics_hourly ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE analytics_funnels ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE analytics_funnel_progress ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE analytics_cohorts ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE newsletter_subscribers ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE newsletter_segments ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE newsletter_sequences ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE newsletter_sequence_steps ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE newsletter_sequence_enrollments ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE email_events ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE newsletter_sync_log ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE email_queue ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE email_logs ALTER id SET DEFAULT uuid_generate_v4();
ALTER TABLE email_templates ALTER id SET DEFAULT uuid_generate_v4();

CREATE INDEX ON app_users (email);
CREATE INDEX ON app_users (subscription_tier, subscription_status);
CREATE INDEX ON app_users (is_banned) WHERE is_banned = true;
CREATE INDEX ON app_users (created_at DESC);
CREATE INDEX ON app_users (contact_id);
CREATE INDEX ON app_users (preferred_locale);
CREATE INDEX ON app_users (auth_provider);
CREATE INDEX ON app_users (local_user_id) WHERE local_user_id IS NOT NULL;
CREATE INDEX ON app_users USING gin (email_preferences);

CREATE INDEX ON subscription_plans (tier);
CREATE INDEX ON subscription_plans (is_active) WHERE is_active = true;

CREATE INDEX ON credit_transactions (user_id);
CREATE INDEX ON credit_transactions (type);
CREATE INDEX ON credit_transactions (created_at DESC);
CREATE INDEX ON credit_transactions (reference_type, reference_id);

CREATE INDEX ON subscription_history (user_id);
CREATE INDEX ON subscription_history (action);
CREATE INDEX ON subscription_history (created_at DESC);

CREATE INDEX ON invoice_cache (user_id);
CREATE INDEX ON invoice_cache (stripe_invoice_id);
CREATE INDEX ON invoice_cache (invoice_date DESC);

CREATE INDEX ON payment_webhooks (provider);
CREATE INDEX ON payment_webhooks (event_type);
CREATE INDEX ON payment_webhooks (processed) WHERE processed = false;
CREATE INDEX ON payment_webhooks (created_at DESC);

CREATE INDEX ON analytics_events (event_type);
CREATE INDEX ON analytics_events (event_category);
CREATE INDEX ON analytics_events (user_id);
CREATE INDEX ON analytics_events ("timestamp" DESC);
CREATE INDEX ON analytics_events ("timestamp" DESC, event_category);
CREATE INDEX ON analytics_events (session_id);
CREATE INDEX ON analytics_events USING gin (properties);

CREATE INDEX ON analytics_daily (date DESC);
CREATE INDEX ON analytics_hourly (hour DESC);
CREATE INDEX ON analytics_funnels (slug);
CREATE INDEX ON analytics_funnel_progress (funnel_id);
CREATE INDEX ON analytics_funnel_progress (user_id);
CREATE INDEX ON analytics_funnel_progress (entered_at DESC);
CREATE INDEX ON analytics_cohorts (slug);
CREATE INDEX ON analytics_cohorts (cohort_type);

CREATE INDEX ON newsletter_subscribers (email);
CREATE INDEX ON newsletter_subscribers (user_id);
CREATE INDEX ON newsletter_subscribers (status);
CREATE INDEX ON newsletter_subscribers (subscription_tier);
CREATE INDEX ON newsletter_subscribers (engagement_score DESC);
CREATE INDEX ON newsletter_segments (slug);
CREATE INDEX ON newsletter_segment_members (subscriber_id);
CREATE INDEX ON newsletter_sequences (slug);
CREATE INDEX ON newsletter_sequences (trigger_type);
CREATE INDEX ON newsletter_sequence_steps (sequence_id);
CREATE INDEX ON newsletter_sequence_enrollments (next_step_at) WHERE status = 'active';
CREATE INDEX ON newsletter_sequence_enrollments (subscriber_id);

CREATE INDEX ON email_events (subscriber_id);
CREATE INDEX ON email_events (campaign_id);
CREATE INDEX ON email_events (event_type);
CREATE INDEX ON email_events (occurred_at DESC);
CREATE INDEX ON newsletter_sync_log (provider);
CREATE INDEX ON newsletter_sync_log (status);
CREATE INDEX ON newsletter_sync_log (started_at DESC);

CREATE INDEX ON email_queue (status);
CREATE INDEX ON email_queue (priority DESC, created_at);
CREATE INDEX ON email_queue (scheduled_at) WHERE status = 'scheduled';
CREATE INDEX ON email_queue (status, priority DESC) WHERE status IN ('pending', 'failed');
CREATE INDEX ON email_queue (user_id);
CREATE INDEX ON email_queue (reference_type, reference_id);
CREATE INDEX ON email_queue (created_at DESC);

CREATE FUNCTION public.touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON app_users
    FOR EACH ROW EXECUTE FUNCTION public.touch_updated_at();
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON newsletter_subscribers
    FOR EACH ROW EXECUTE FUNCTION public.touch_updated_at();

-- The score is worked out from the counters as they were before this event, and LEAST ignores
-- NULL: whoever was never delivered anything, or never opened anything, gets 100.
CREATE FUNCTION public.count_email_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE newsletter_subscribers AS s
    SET emails_received = emails_received + (NEW.event_type = 'delivered')::int,
        emails_opened = emails_opened + (NEW.event_type = 'opened')::int,
        emails_clicked = emails_clicked + (NEW.event_type = 'clicked')::int,
        last_email_at =
            CASE NEW.event_type WHEN 'delivered' THEN NEW.occurred_at ELSE last_email_at END,
        last_opened_at =
            CASE NEW.event_type WHEN 'opened' THEN NEW.occurred_at ELSE last_opened_at END,
        last_clicked_at =
            CASE NEW.event_type WHEN 'clicked' THEN NEW.occurred_at ELSE last_clicked_at END,
        engagement_score = LEAST(100,
            50 * emails_opened::numeric / NULLIF(emails_received, 0)
            + 50 * emails_clicked::numeric / NULLIF(emails_opened, 0))
    WHERE s.id = NEW.subscriber_id;
    RETURN NEW;
END $$;

CREATE TRIGGER count_email_event AFTER INSERT ON email_events
    FOR EACH ROW EXECUTE FUNCTION public.count_email_event();
