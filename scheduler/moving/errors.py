"""Why something of a crontab does not go over."""

from __future__ import annotations


class CannotError(Exception):
    """The text says why, and what to do; it holds nothing of the line that may be a secret."""
