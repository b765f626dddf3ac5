"""What the jobs on users' accounts share."""
