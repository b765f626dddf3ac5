"""What is measured of a repository: pure functions over rows, each with its definition."""
