"""The admin server."""
