-- name: known_providers
SELECT provider FROM lamplighter.newsletter_providers WHERE full_at IS NOT NULL;

-- name: forget_deliveries!
DELETE FROM lamplighter.newsletter_deliveries WHERE received_at < :before;
