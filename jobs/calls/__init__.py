"""What a request to somebody else's address consists of, up to its answer; no job of its own."""
