"""Who guesses at secrets: failures by address over the last minute, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import monotonic

import structlog

LIMIT = 10
WINDOW = 60.0
"""Seconds."""
MOST_ADDRESSES = 4096
"""Remembered; past it the address that was quiet longest is forgotten."""

log = structlog.stdlib.get_logger("lamplighter.web")


class Guesses:
    """Counts failures. `clock` gives seconds that only go forward."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, address: str) -> int:
        """Count a failure; 0, or the seconds to wait where there were too many before this one.

        What comes while it waits is not counted: the wait ends a minute after the first failures.
        """
        now = self._clock()
        key = _whole(address)
        times = self._failures.setdefault(key, deque(maxlen=LIMIT))
        self._failures.move_to_end(key)
        while times and now - times[0] >= WINDOW:
            times.popleft()
        if len(times) == LIMIT:
            return max(ceil(times[0] + WINDOW - now), 1)
        times.append(now)
        log.warning("authentication_failed", address=address, failures=len(times))
        if len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)
        return 0


def _whole(address: str) -> str:
    """One key for all that one caller can easily send from: of IPv6 the whole /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return parsed.packed[:8].hex()
    return address
