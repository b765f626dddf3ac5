"""What runs lamplighter elsewhere: Compose, Kubernetes, systemd."""
