"""What must come out of a funnel? Slowly, person by person, from every entry and every chain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from statistics import median
from typing import Any

from tests.jobs.funnel_data import Event

Step = Mapping[str, Any]
A_MICROSECOND = timedelta(microseconds=1)


def contains(value: object, wanted: object) -> bool:
    """`value @> wanted` of jsonb, inside of an object."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            key in value and contains(value[key], item) for key, item in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(value, list) and all(
            any(contains(have, item) for have in value) for item in wanted
        )
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted


def matches(event: Event, step: Step) -> bool:
    if event.event != step["event"]:
        return False
    known: dict[str, object] = {}
    for data in (event.metadata, event.properties):
        known.update(data if isinstance(data, dict) else {})
    return contains(known, step.get("where") or {})


def people(
    events: Iterable[Event], since: datetime, until: datetime
) -> Mapping[Any, Sequence[Event]]:
    """What happened to each person, in order."""
    found = defaultdict(list)
    for event in sorted(events, key=lambda e: (e.at, e.id)):
        if event.person is not None and since <= event.at <= until:
            found[event.person].append(event)
    return found


def soonest(
    hits: Sequence[Sequence[int]], times: Sequence[datetime], window: timedelta, start: int
) -> list[int]:
    """From one entry on: where each step is reached the soonest, as far as it is."""
    at = [start]
    for step in hits[1:]:
        after = next((i for i in step if i > at[-1]), None)
        if after is None or times[after] - times[start] > window:
            break
        at.append(after)
    return at


def expected(
    by_person: Mapping[Any, Sequence[Event]], steps: Sequence[Step], window_days: int
) -> dict[str, Any]:
    """The funnel's columns."""
    window = timedelta(days=window_days)
    counts = [0] * len(steps)
    gaps: list[list[int]] = [[] for _ in steps]
    whole: list[int] = []
    for happened in by_person.values():
        hits = [[i for i, e in enumerate(happened) if matches(e, step)] for step in steps]
        times = [e.at for e in happened]
        paths = [soonest(hits, times, window, start) for start in hits[0]]
        for k in range(len(steps)):
            reaching = [path for path in paths if len(path) > k]
            if not reaching:
                break
            counts[k] += 1
            first = min(path[k] for path in reaching)
            # Of the entries that come to that event, the latest; of the step before, the latest.
            path = max((path for path in reaching if path[k] == first), key=lambda p: p[0])
            if k:
                before = (
                    max(i for i in hits[k - 1] if path[k - 1] <= i < first) if k > 1 else path[0]
                )
                gaps[k].append((times[first] - times[before]) // A_MICROSECOND)
            if k == len(steps) - 1:
                whole.append((times[first] - times[path[0]]) // A_MICROSECOND)
    return {
        "total_entered": counts[0],
        "total_completed": counts[-1],
        "conversion_rate": percent(counts[-1], counts[0]),
        "avg_time_to_complete": (
            timedelta(microseconds=int(Fraction(sum(whole), len(whole)) + Fraction(1, 2)))
            if whole
            else None
        ),
        "step_metrics": [
            {
                "step": k + 1,
                "name": step.get("name", step["event"]),
                "count": counts[k],
                "dropoff": counts[k - 1] - counts[k] if k else 0,
                "conversion_from_previous": float(percent(counts[k], counts[k - 1])) if k else None,
                "median_seconds_from_previous": (
                    round(median(gaps[k]) / 1000) / 1000 if gaps[k] else None
                ),
            }
            for k, step in enumerate(steps)
        ],
    }


def percent(part: int, whole: int) -> Decimal:
    share = Fraction(100 * part, whole) if whole else Fraction(0)
    hundredths = int(share * 100 + Fraction(1, 2))
    return (Decimal(hundredths) / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)


def furthest(happened: Sequence[Event], steps: Sequence[Step], window_days: int) -> list[datetime]:
    """The times of a person's chain for `analytics_funnel_progress`, out of all there are."""
    chains = list(_chains(happened, steps, timedelta(days=window_days), []))
    if not chains:
        return []
    most = max(map(len, chains))
    chains = [chain for chain in chains if len(chain) == most]
    end = min(chain[-1] for chain in chains)
    best = max(chain for chain in chains if chain[-1] == end)
    return [happened[i].at for i in best]


def _chains(
    happened: Sequence[Event], steps: Sequence[Step], window: timedelta, so_far: list[int]
) -> Iterator[list[int]]:
    if so_far:
        yield so_far
    if len(so_far) == len(steps):
        return
    for i in range(so_far[-1] + 1 if so_far else 0, len(happened)):
        in_time = not so_far or happened[i].at - happened[so_far[0]].at <= window
        if in_time and matches(happened[i], steps[len(so_far)]):
            yield from _chains(happened, steps, window, [*so_far, i])
