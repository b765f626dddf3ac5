"""How long a failed run waits for its next attempt. Pure."""

from __future__ import annotations

from datetime import timedelta

from scheduler.entry import Retry


def backoff(retry: Retry, attempt: int, dice: float) -> timedelta:
    """The wait after `attempt` (1 for the first) failed.

    Doubles from `retry.backoff` up to `retry.max_backoff`; `dice` (0 to 1) takes away up to half of
    it, so that jobs that failed together do not come back together.
    """
    # In float seconds and with a capped exponent: a timedelta would overflow before the `min`.
    doubled = retry.backoff.total_seconds() * 2.0 ** min(attempt - 1, 60)
    return timedelta(seconds=min(doubled, retry.max_backoff.total_seconds()) * (1 - dice / 2))
