"""What became of the runs of this process, counted by job: what metrics that only grow are made of.

Nothing but numbers in memory: they begin anew with the process, as counters do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from scheduler.entry import Schedule
from scheduler.job import Job, Json, Params
from scheduler.run import Status, Trigger
from scheduler.watching.events import AttemptEnded, AttemptStarted, Event, RunClosed

MOST_JOBS = 500
"""Entries that are told apart, in the file's order; what the others do counts as `other`."""
OTHER = "other"
DURATIONS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
LATENESSES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0, 3600.0)
ENDS = tuple(status for status in Status if status.is_final)
TRIGGERS = tuple(trigger for trigger in Trigger if trigger is not Trigger.RESCUE)
ON_THE_CLOCK = (Trigger.SCHEDULE, Trigger.CATCH_UP)


class JobTypeView(Protocol):
    @property
    def job(self) -> Job[Params]: ...


class Histogram:
    """How many values were at most so large, for some sizes, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> Histogram:
        made = Histogram(self.bounds)
        made.counts, made.total = self.counts.copy(), self.total
        return made


@dataclass(slots=True)
class JobCounts:
    """Of one entry, or of a job that was called without one."""

    attempts: Counter[str] = field(default_factory=Counter)
    """By what made their run."""
    ended: Counter[str] = field(default_factory=Counter)
    """Runs, by their final status."""
    seconds: Histogram = field(default_factory=lambda: Histogram(DURATIONS))
    """Of each attempt."""
    changed: int = 0
    results: Counter[str] = field(default_factory=Counter)

    def copy(self) -> JobCounts:
        return JobCounts(
            self.attempts.copy(),
            self.ended.copy(),
            self.seconds.copy(),
            self.changed,
            self.results.copy(),
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """The counts at one moment."""

    jobs: Mapping[str, JobCounts]
    declared: Mapping[str, Job[Params]]
    """What each of them runs, `other` aside."""
    lateness: Mapping[str, Histogram]


class Counts:
    """Hears what the runner tells. What left the schedule is forgotten."""

    def __init__(self, jobs: Mapping[str, JobTypeView], schedule: Callable[[], Schedule]) -> None:
        self._jobs = jobs
        self._schedule = schedule
        self._in_force: Schedule | None = None
        self._declared: dict[str, Job[Params]] = {}
        self._scheduled: tuple[str, ...] = ()
        self._counts: dict[str, JobCounts] = {}
        self._lateness = {str(trigger): Histogram(LATENESSES) for trigger in ON_THE_CLOCK}

    def hear(self, event: Event) -> None:
        match event:
            case AttemptStarted():
                claimed = event.claimed
                self._of(claimed.job).attempts[claimed.trigger] += 1
                if claimed.attempt == 1 and claimed.trigger in self._lateness:
                    late = event.at - claimed.scheduled_for - event.entry.jitter
                    self._lateness[claimed.trigger].add(max(late.total_seconds(), 0.0))
            case AttemptEnded():
                counts = self._of(event.claimed.job)
                counts.seconds.add(event.seconds)
                if event.status.is_final:
                    counts.ended[event.status] += 1
                if event.status in {Status.SUCCEEDED, Status.SKIPPED} and event.data:
                    self._add_results(counts, event.claimed.job_type, event.data)
            case RunClosed():
                self._of(event.job).ended[event.status] += event.count

    def take(self) -> Taken:
        """A copy, with zeros for what has not happened yet."""
        self._refresh()
        names = dict.fromkeys((*self._scheduled, *self._counts))
        if len(self._schedule().entries) > MOST_JOBS:
            names[OTHER] = None
        return Taken(
            {
                name: counts.copy() if (counts := self._counts.get(name)) else JobCounts()
                for name in names
            },
            {name: self._declared[name] for name in names if name in self._declared},
            {trigger: histogram.copy() for trigger, histogram in self._lateness.items()},
        )

    @property
    def scheduled(self) -> Sequence[str]:
        """The entries that are told apart."""
        self._refresh()
        return self._scheduled

    def _of(self, job: str) -> JobCounts:
        self._refresh()
        label = job if job in self._declared else OTHER
        if label not in self._counts:
            self._counts[label] = JobCounts()
        return self._counts[label]

    def _refresh(self) -> None:
        schedule = self._schedule()
        if schedule is self._in_force:
            return
        self._in_force = schedule
        self._scheduled = tuple(schedule.entries)[:MOST_JOBS]
        # A job that no entry is named after may be called all the same.
        self._declared = {
            name: kind.job for name, kind in self._jobs.items() if name not in schedule.entries
        } | {name: self._jobs[schedule.entries[name].job].job for name in self._scheduled}
        self._counts = {
            name: counts
            for name, counts in self._counts.items()
            if name in self._declared or name == OTHER
        }

    def _add_results(self, counts: JobCounts, job_type: str, data: Json) -> None:
        job = self._jobs[job_type].job
        counts.changed += sum(_amount(data.get(key)) for key in job.changes)
        for key in job.counts:
            counts.results[key] += _amount(data.get(key))


def _amount(value: object) -> int:
    """A number, or of a list how long it is."""
    if isinstance(value, list | tuple):
        return len(value)
    return max(value, 0) if isinstance(value, int) else 0
