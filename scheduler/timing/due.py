"""What is owed of an entry's fires: which run, which were missed and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from scheduler.entry import CatchUp, Entry

STILL_FRESH = timedelta(seconds=10)
"""A fire found this late runs whatever the catch-up policy: it lets a restart cost nothing, and
keeps a starting daemon from writing off what its neighbour is just about to run."""
MOST_MISSED_ROWS = 100
"""More missed fires than this of one entry become a single row."""


@dataclass(frozen=True, slots=True)
class Owed:
    """The fires of one entry up to now, by what becomes of them; each list ascending."""

    on_time: Sequence[datetime] = ()
    caught_up: Sequence[datetime] = ()
    missed: Sequence[datetime] = ()


def owed(
    entry: Entry, fires: Sequence[datetime], *, now: datetime, present_since: datetime
) -> Owed:
    """Sort `fires` (ascending, all up to `now`).

    Those from `present_since` on were waited for and are on time however late; for earlier ones the
    entry's catch-up policy decides.
    """
    on_time = [fire for fire in fires if fire >= present_since]
    absent = [fire for fire in fires if fire < present_since]
    fresh = [fire for fire in absent if now - fire <= STILL_FRESH]
    inside = [fire for fire in absent if now - fire <= max(entry.catch_up_window, STILL_FRESH)]
    match entry.catch_up:
        case CatchUp.ALL:
            caught_up = inside
        case CatchUp.LAST:
            # A newer one that is on time makes it needless.
            caught_up = [] if on_time else inside[-1:]
        case CatchUp.NONE:
            caught_up = fresh[-1:]
        case _:
            assert_never(entry.catch_up)
    kept = set(caught_up)
    return Owed(on_time, caught_up, [fire for fire in absent if fire not in kept])
