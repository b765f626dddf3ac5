"""Who is told: logs, metrics and health."""
