"""Who is told: logs and health."""
