"""What reads a project's repository for the jobs."""
