"""The daemon's clock: the machine's, moved by an offset. The only place that asks the machine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def clock_with(offset: timedelta = timedelta(0)) -> Callable[[], datetime]:
    """A function that says what time it is, in UTC."""
    return lambda: datetime.now(UTC) + offset  # noqa: TID251 - this is where time comes in
