"""Are runs counted by job, without ever more labels than there may be?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from scheduler.db.runs import Claimed
from scheduler.entry import Entry, Schedule
from scheduler.job import Job
from scheduler.run import Status
from scheduler.watching.counts import MOST_JOBS, OTHER, Counts, Histogram
from scheduler.watching.events import AttemptEnded, AttemptStarted, RunClosed
from tests.support.machine import START, at_once, entry, job_type

KINDS = {
    "work": job_type("work", at_once, changes=("written", "days"), counts=("sent",)),
    "rest": job_type("rest", at_once),
    "unscheduled": job_type("unscheduled", at_once),
}


class Told:
    """Counts, and the events that they are told."""

    def __init__(self, *entries: Entry) -> None:
        self.schedule = Schedule({one.name: one for one in entries})
        self.counts = Counts(KINDS, lambda: self.schedule)

    def claimed(self, job: str, **values: Any) -> Claimed:
        claimed = Claimed(uuid4(), job, "work", "schedule", 1, 3, START, {})
        return replace(claimed, **values)

    def start(self, job: str, late: float = 0, jitter: float = 0, **values: Any) -> None:
        at = START + timedelta(seconds=late)
        begun = entry(jitter=timedelta(seconds=jitter))
        self.counts.hear(AttemptStarted(self.claimed(job, **values), begun, at))

    def end(
        self, job: str, status: Status = Status.SUCCEEDED, data: Any = None, **values: Any
    ) -> None:
        ended = AttemptEnded(
            self.claimed(job, **values), entry(), START, 2.0, status, data, None, None, ()
        )
        self.counts.hear(ended)

    def close(self, job: str, status: Status, count: int = 1) -> None:
        self.counts.hear(RunClosed(uuid4(), job, status, START, count))


def test_every_entry_is_there_before_anything_ran() -> None:
    taken = Told(entry("work"), entry("night", job="work")).counts.take()
    assert list(taken.jobs) == ["work", "night"]
    assert taken.jobs["work"].ended.total() == 0
    assert list(taken.lateness) == ["schedule", "catch_up"]
    declared: Job[Any] = taken.declared["night"]
    assert declared.changes == ("written", "days")


def test_a_retried_run_is_one_run_of_several_attempts() -> None:
    told = Told(entry("work"))
    told.start("work")
    told.end("work", Status.RETRYING, {"sent": 9})
    told.start("work", attempt=2)
    told.end("work", Status.SUCCEEDED, {"sent": 2, "written": 5, "days": ["a", "b"], "x": 9})
    told.close("work", Status.MISSED, 140)
    found = told.counts.take().jobs["work"]
    assert found.attempts == {"schedule": 2}
    assert found.ended == {"succeeded": 1, "missed": 140}
    assert sum(found.seconds.counts) == 2
    assert found.seconds.total == 4.0
    assert found.changed == 7
    assert found.results == {"sent": 2}


@pytest.mark.parametrize("data", [{"written": None}, {"written": "7"}, {"written": -3}, None, {}])
def test_what_is_no_count_counts_nothing(data: Any) -> None:
    told = Told(entry("work"))
    told.end("work", data=data)
    assert told.counts.take().jobs["work"].changed == 0


def test_lateness_is_of_first_attempts_on_the_clock_beyond_their_jitter() -> None:
    told = Told(entry("work"))
    told.start("work", late=3)
    told.start("work", late=40, jitter=60)
    told.start("work", late=100, jitter=60, trigger="catch_up")
    told.start("work", late=50, trigger="http")
    told.start("work", late=50, attempt=2)
    taken = told.counts.take().lateness
    assert (sum(taken["schedule"].counts), taken["schedule"].total) == (2, 3.0)
    assert (sum(taken["catch_up"].counts), taken["catch_up"].total) == (1, 40.0)


def test_what_leaves_the_schedule_is_forgotten_and_what_is_called_by_hand_is_not() -> None:
    told = Told(entry("work"), entry("night", job="work"))
    told.end("night")
    told.end("unscheduled")
    told.schedule = Schedule({"work": entry("work")})
    assert list(told.counts.take().jobs) == ["work", "unscheduled"]
    told.end("night")  # began before the reload
    taken = told.counts.take()
    assert taken.jobs[OTHER].ended == {"succeeded": 1}
    told.schedule = Schedule({"work": entry("work"), "night": entry("night", job="work")})
    assert told.counts.take().jobs["night"].ended.total() == 0


def test_names_are_bounded() -> None:
    told = Told(*(entry(f"job-{n}", job="work") for n in range(MOST_JOBS + 100)))
    told.end(f"job-{MOST_JOBS - 1}")
    told.end(f"job-{MOST_JOBS}")
    told.end(f"job-{MOST_JOBS + 99}")
    for n in range(1000):
        told.end(f"never heard of {n}")
    taken = told.counts.take().jobs
    assert len(taken) == MOST_JOBS + 1
    assert taken[f"job-{MOST_JOBS - 1}"].ended.total() == 1
    assert taken[OTHER].ended.total() == 1002
    assert len(told.counts.scheduled) == MOST_JOBS


def test_what_was_taken_does_not_change_any_more() -> None:
    told = Told(entry("work"))
    told.end("work", data={"sent": 1})
    taken = told.counts.take().jobs["work"]
    told.end("work", data={"sent": 1})
    assert (taken.ended, taken.results, sum(taken.seconds.counts)) == (
        {"succeeded": 1},
        {"sent": 1},
        1,
    )


def test_a_value_on_a_bound_is_within_it() -> None:
    seen = Histogram((1.0, 5.0))
    for value in (0.0, 1.0, 1.1, 5.0, 5.1):
        seen.add(value)
    assert seen.counts == [2, 2, 1]
