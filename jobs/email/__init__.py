"""What the jobs that write to people share."""
