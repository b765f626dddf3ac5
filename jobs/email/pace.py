"""How fast may messages go: so many a second in all, and to one domain."""

from __future__ import annotations

LATE = 0.02
"""Seconds by which a loop may wake up late, and catch up."""


class Pace:
    """Spaces messages evenly. `now` is any clock's seconds."""

    def __init__(self, per_second: float, per_domain: float) -> None:
        self._gap = 1 / per_second
        self._domain_gap = 1 / per_domain
        self._next = float("-inf")
        self._domains: dict[str, float] = {}

    def wait(self, domain: str, now: float) -> float:
        """Seconds until a message to `domain` may go."""
        return max(self._next, self._domains.get(domain, now), now) - now

    def went(self, domain: str, now: float) -> None:
        # From when it was due, not from when it went: a late wake-up does not slow the rest.
        early = now - LATE
        self._next = max(self._next, early) + self._gap
        self._domains[domain] = max(self._domains.get(domain, early), early) + self._domain_gap
