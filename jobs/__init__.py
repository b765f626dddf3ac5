"""The business: one file is one job, found by its path; its SQL stands beside it."""
