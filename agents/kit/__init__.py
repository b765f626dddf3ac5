"""What every agent is made of, and how it is asked."""
