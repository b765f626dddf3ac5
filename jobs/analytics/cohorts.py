"""What do the product's people ask for with a cohort? Its definition, read with suspicion. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from jobs.analytics.periods import Granularity, Window, period_of
from scheduler.days import day_of
from scheduler.errors import PermanentError
from scheduler.job import Row

OPEN_PERIODS = 12
"""What a cohort without dates shows: the running period and the eleven before it."""
MOST_PERIODS = 400
"""Cohorts of one definition, and periods that they are followed for: more than a year of days."""
EARLIEST, LATEST = date(1900, 1, 1), date.max
ENDLESS = {"infinity": date.max, "-infinity": date.min}
"""What PostgreSQL calls dates that are later and earlier than any other."""

# Where the people come from, and when each of them joined their cohort.
SOURCES = {
    "signup_date": "signup",
    "custom": "signup",  # whom the filters choose, by the date that they signed up
    "first_purchase": "purchase",
    "subscription_start": "subscription",
}
METRICS = ("retention", "revenue", "generations", "engagement")
SHOWN = 60
"""Characters of somebody's text that a message repeats."""


class BrokenCohortError(PermanentError):
    """A definition that cannot be computed: where, what is wrong, what is allowed."""

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        super().__init__(f"{path}: {message}")


@dataclass(frozen=True, slots=True)
class Cohort:
    """A definition that makes sense; its filters are judged where they are compiled."""

    id: UUID
    slug: str
    type: str
    metric: str
    filters: JsonValue
    window: Window

    @property
    def source(self) -> str:
        return SOURCES[self.type]

    @property
    def needs_events(self) -> bool:
        return self.metric != "revenue"

    def shared(self) -> tuple[object, ...]:
        """Equal for cohorts of the same people in the same periods: one pass serves them all."""
        return (self.source, _canonical(self.filters), self.window, self.needs_events)

    def fingerprint(self, *what: JsonValue) -> str:
        """Of everything that a number depends on but the data; `what` is the run's own part."""
        window = self.window
        parts = [self.type, self.metric, self.filters, window.granularity, window.zone.key, *what]
        return hashlib.sha256(_canonical(parts).encode()).hexdigest()[:12]


def read_cohort(row: Row, filters: JsonValue, at: datetime, zone: ZoneInfo) -> Cohort:
    """The definition in `row` as of `at`. Raises `BrokenCohortError`."""
    _one_of("cohort_type", row["cohort_type"], tuple(SOURCES))
    _one_of("metric", row["metric"], METRICS)
    _one_of("granularity", row["granularity"], tuple(Granularity))
    start, end = (_day(name, row[name]) for name in ("start_date", "end_date"))
    window = read_window(Granularity(row["granularity"]), start, end, at, zone)
    return Cohort(
        row["id"],
        row["slug"],
        row["cohort_type"],
        row["metric"],
        {} if filters is None else filters,
        window,
    )


def read_window(
    granularity: Granularity, start: date | None, end: date | None, at: datetime, zone: ZoneInfo
) -> Window:
    """The periods that contain `start` to `end`, whole; an open end is `at`, an open start 12 ago.

    The dates choose the cohorts. Each is followed until `at`, as far as `MOST_PERIODS` reach. A
    start that is still to come leaves no cohort. Raises `BrokenCohortError`.
    """
    if start is not None and end is not None and end < start:
        raise BrokenCohortError("end_date", f"{end} is before the start_date {start}")
    now = period_of(day_of(at, zone), granularity)
    last_cohort = now if end is None else min(period_of(end, granularity), now)
    first = last_cohort - OPEN_PERIODS + 1 if start is None else period_of(start, granularity)
    first = min(first, last_cohort + 1)
    if (cohorts := last_cohort - first + 1) > MOST_PERIODS:
        raise BrokenCohortError(
            "start_date",
            f"makes {cohorts:,} cohorts by {granularity}; at most {MOST_PERIODS}: "
            "take a later start_date, an earlier end_date or a longer granularity",
        )
    last = max(min(now, first + MOST_PERIODS - 1), last_cohort)
    return Window(granularity, zone, first, last_cohort, last, now - 1)


def _day(path: str, text: str | None) -> date | None:
    """The date that PostgreSQL wrote as `text`: it knows more of them than any calendar here."""
    if text is None:
        return None
    try:
        day = ENDLESS.get(text) or date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day < EARLIEST:
        raise BrokenCohortError(path, f"is {text}; it must be from {EARLIEST} to {LATEST}")
    return day


def _one_of(path: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BrokenCohortError(
            path, f"is {str(value)[:SHOWN]!r}; it must be one of {', '.join(allowed)}"
        )


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)
