"""What: which jobs exist, and how one run is claimed, executed and settled."""
