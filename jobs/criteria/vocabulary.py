"""Which columns of a reader and of an account may criteria name, where the table has them?

What the product's people know somebody by. Whatever else stands in the product's tables, such as
the hash of a password, is none of their business: a segment's size would tell it letter by letter.
"""

SUBSCRIBER = (
    *("id", "status", "email", "user_id", "first_name", "last_name", "subscription_tier"),
    *("interests", "preferences", "mailerlite_id", "mailchimp_id", "brevo_id"),
    *("provider_synced_at", "sync_status", "sync_error", "emails_received", "emails_opened"),
    *("emails_clicked", "last_email_at", "last_opened_at", "last_clicked_at", "engagement_score"),
    *("source", "source_campaign", "utm_source", "utm_medium", "utm_campaign", "double_optin"),
    *("double_optin_at", "ip_address", "subscribed_at", "unsubscribed_at", "created_at"),
    "updated_at",
)
ACCOUNT = (
    *("id", "status", "email", "display_name", "subscription_tier", "subscription_status"),
    *("stripe_customer_id", "subscription_id", "subscription_started_at", "subscription_ends_at"),
    *("credits_remaining", "lifetime_credits_used", "credits_reset_at", "is_banned", "is_admin"),
    *("last_login_at", "last_generation_at", "total_generations", "created_at", "updated_at"),
    *("preferred_locale", "email_preferences"),
)
