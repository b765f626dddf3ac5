"""What a look makes of its facts: one alert for each trouble, one word when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduler.alerting import AlertPolicy, Kind, Silence
from scheduler.incident import BadEnd, Facts, Incident, JobFact, Notice, Standing
from scheduler.run import Status
from scheduler.watching.alerts.incidents import decide

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WELL = JobFact(last_success_at=NOW - timedelta(days=1))


def run_id(number: int) -> UUID:
    return UUID(int=number)


class Story:
    """Looks one after the other, a minute apart."""

    def __init__(self, policy: AlertPolicy | None = None, **facts: Any) -> None:
        self.policy = policy or AlertPolicy()
        self.now = NOW
        self.facts = Facts(now=NOW, **facts)
        self.incidents: dict[str, Incident] = {}
        self.runs = 0

    def look(self, **changes: Any) -> list[str]:
        """The notices of one look: kind and subject, and `again` for a reminder."""
        return [
            f"{one.kind} {one.subject}{' again' if one.again else ''}"
            for one in self.notices(**changes)
        ]

    def notices(self, after: timedelta = MINUTE, **changes: Any) -> Sequence[Notice]:
        self.now += after
        self.facts = replace(self.facts, **{"ended": (), **changes}, now=self.now)
        decision = decide(self.facts, self.incidents, self.policy)
        self.incidents = dict(decision.incidents)
        return decision.notices

    def end(self, status: Status = Status.FAILED, job: str = "work", **values: Any) -> BadEnd:
        self.runs += 1
        return BadEnd(run_id(self.runs), job, status, self.now, **values)

    def fails(self, failures: int, status: Status = Status.FAILED, **more: Any) -> list[str]:
        fact = replace(WELL, is_failing=True, failures=failures)
        return self.look(ended=[self.end(status)], jobs={"work": fact}, **more)

    def succeeds(self, **more: Any) -> list[str]:
        return self.look(jobs={"work": JobFact(last_success_at=self.now)}, **more)


def test_a_job_that_fails_three_times_and_recovers_is_one_alert_and_one_recovery() -> None:
    story = Story()
    assert story.fails(1) == ["failed work"]
    assert story.look() == []
    assert story.fails(2) == []
    assert story.fails(3) == []
    assert story.incidents["failing:work"].count == 3
    assert story.succeeds() == ["recovered work"]
    assert story.incidents == {}
    assert story.look() == []
    assert story.fails(1) == ["failed work"], "the next trouble is another one"


def test_a_failure_and_a_success_between_two_looks_are_both_told() -> None:
    story = Story()
    end = story.end()
    told = story.look(ended=[end], jobs={"work": JobFact(last_success_at=end.at)})
    assert told == ["failed work", "recovered work"]
    assert story.incidents == {}


def test_reminders_come_once_a_day_and_not_with_the_recovery() -> None:
    story = Story()
    story.fails(1)
    told = [story.look(after=timedelta(hours=1)) for _ in range(49)]
    assert [hour for hour, notices in enumerate(told, 1) if notices] == [24, 48]
    assert told[23] == ["failed work again"]
    assert story.succeeds(after=timedelta(hours=24)) == ["recovered work"]
    quiet = Story(AlertPolicy(remind_every=None))
    quiet.fails(1)
    assert quiet.look(after=timedelta(days=100)) == []


@pytest.mark.parametrize(
    ("off", "told"),
    [
        ({Kind.FAILED}, [[], [], ["repeated work"], [], ["recovered work"]]),
        ({Kind.REPEATED}, [["failed work"], [], [], [], ["recovered work"]]),
        ({Kind.RECOVERED}, [["failed work"], [], [], [], []]),
        ({Kind.FAILED, Kind.REPEATED}, [[], [], [], [], []]),
    ],
)
def test_kinds_can_be_turned_off(off: set[Kind], told: list[list[str]]) -> None:
    story = Story(AlertPolicy(off=frozenset(off)))
    assert [*(story.fails(times) for times in range(1, 5)), story.succeeds()] == told


def test_a_silence_holds_its_tongue_and_tells_at_its_end_what_still_goes_on() -> None:
    silence = Silence(job="wo*", until=NOW + timedelta(hours=1))
    story = Story(AlertPolicy(silences=(silence,)))
    assert story.fails(1) == []
    assert story.look(after=timedelta(hours=1)) == ["failed work"]
    short = Story(AlertPolicy(silences=(silence,)))
    assert short.fails(1) == []
    assert short.succeeds() == [], "nobody was told, so nobody hears of the end"
    assert short.look(after=timedelta(hours=1)) == []


def test_an_abandoned_run_is_told_as_such() -> None:
    story = Story()
    assert story.fails(1, Status.ABANDONED) == ["abandoned work"]
    assert story.fails(2, Status.TIMED_OUT) == []
    assert story.succeeds() == ["recovered work"]


def test_what_failed_late_beside_a_newer_success_is_told_without_a_recovery() -> None:
    story = Story()
    end = story.end()
    told = story.look(ended=[end], jobs={"work": JobFact(last_success_at=end.at - MINUTE)})
    assert told == ["failed work"]
    assert story.incidents == {}


def test_missed_fires_are_told_once_until_the_next_success_which_is_no_news() -> None:
    story = Story(jobs={"work": WELL})
    ends = [story.end(Status.MISSED, count=count) for count in (1, 140)]
    [notice] = story.notices(ended=ends)
    assert (notice.kind, notice.count) == (Kind.MISSED, 141)
    assert story.look(ended=[story.end(Status.MISSED)]) == []
    assert story.look(after=timedelta(days=3)) == [], "it is no state that could go on"
    assert story.succeeds() == []
    assert story.look(ended=[story.end(Status.MISSED)]) == ["missed work"]


def test_missed_and_caught_up_between_two_looks_is_told_too() -> None:
    story = Story()
    end = story.end(Status.MISSED)
    assert story.look(ended=[end], jobs={"work": JobFact(last_success_at=end.at + MINUTE)}) == [
        "missed work"
    ]
    assert story.incidents == {}


def late(**values: Any) -> dict[str, JobFact]:
    return {"work": replace(WELL, expected_at=NOW, **values)}


def test_a_success_that_is_late_by_more_than_the_grace() -> None:
    story = Story(jobs=late())
    assert story.look(after=15 * MINUTE) == []
    [notice] = story.notices(after=timedelta(seconds=1))
    assert (notice.kind, notice.since) == (Kind.OVERDUE, NOW)
    assert story.look() == []
    assert story.succeeds() == ["recovered work"]
    assert story.incidents == {}


def test_a_run_that_goes_on_is_bounded_by_its_timeout_and_not_overdue() -> None:
    story = Story(jobs=late(is_active=True))
    assert story.look(after=timedelta(hours=5)) == []
    assert story.look(jobs=late()) == ["overdue work"]


def test_a_process_that_has_just_begun_gives_every_job_its_grace() -> None:
    story = Story(jobs=late(), present_since=NOW + timedelta(hours=3))
    assert story.look(after=timedelta(hours=3, minutes=15)) == []
    assert story.look() == ["overdue work"]


def test_a_failing_job_is_not_overdue_as_well() -> None:
    story = Story()
    story.fails(1)
    fact = late(is_failing=True, failures=1)
    assert story.look(jobs=fact, after=timedelta(hours=1)) == []
    assert story.succeeds() == ["recovered work"]


def test_a_job_that_was_late_and_then_fails_recovers_once() -> None:
    story = Story(jobs=late())
    assert story.look(after=20 * MINUTE) == ["overdue work"]
    fact = late(is_failing=True, failures=1)
    assert story.look(ended=[story.end()], jobs=fact) == ["failed work"]
    assert story.succeeds() == ["recovered work"]
    assert story.incidents == {}


def test_an_entry_that_is_paused_or_gone_is_forgotten_quietly() -> None:
    story = Story(jobs=late())
    assert story.look(after=20 * MINUTE) == ["overdue work"]
    paused = {"work": replace(WELL, is_on_clock=False)}
    assert story.look(jobs=paused) == []
    assert "overdue:work" in story.incidents, "another replica may still have it"
    assert story.look() == []
    assert story.incidents == {}


def test_a_failing_job_off_the_clock_is_forgotten_after_a_day() -> None:
    story = Story()
    story.fails(1)
    gone = {"work": replace(WELL, is_failing=True, failures=1, is_on_clock=False)}
    assert story.look(jobs=gone, after=timedelta(hours=23)) == []
    assert "failing:work" in story.incidents
    assert story.look(after=timedelta(hours=2)) == []
    assert story.incidents == {}


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        (Kind.CONDITION, {"conditions": {"model": Standing("the day's cap is reached", NOW)}}),
        (Kind.CHANNEL, {"channels": {"model": Standing("answered 403", NOW)}}),
    ],
)
def test_what_stands_is_told_when_it_comes_and_when_it_goes(
    kind: Kind, facts: dict[str, Any]
) -> None:
    story = Story()
    [notice] = story.notices(**facts)
    assert (notice.kind, notice.subject, notice.since) == (kind, "model", NOW)
    assert story.look() == []
    assert story.look(after=timedelta(hours=25)) == [f"{kind} model again"]
    assert story.look(conditions={}, channels={}) == ["recovered model"]
    assert story.incidents == {}


def test_a_channel_does_not_hear_of_itself() -> None:
    story = Story()
    [notice] = story.notices(channels={"alert channel 2 (json)": Standing("", NOW)})
    assert notice.not_for == "alert channel 2 (json)"


def test_a_rejected_file_is_over_when_no_process_has_seen_it_for_a_minute() -> None:
    story = Story()
    assert story.look(rejected="config.yaml: rejected at 12:00, 2 errors") == [
        "schedule config.yaml"
    ]
    half = timedelta(seconds=30)
    assert story.look(rejected=None, after=half) == [], "that may be another replica's file"
    assert story.look(rejected="config.yaml: rejected at 12:00, 2 errors", after=half) == []
    assert story.look(rejected=None, after=2 * MINUTE) == ["recovered config.yaml"]


def test_what_goes_on_when_alerts_are_turned_on_is_nobodys_news() -> None:
    story = Story(
        jobs=late(),
        conditions={"mail": Standing("waits", NOW)},
        channels={},
        rejected="config.yaml: rejected",
    )
    assert story.look(is_first=True, after=timedelta(hours=1)) == []
    assert len(story.incidents) == 3
    assert story.look(is_first=False, after=timedelta(days=2)) == []
    assert story.look(conditions={}, rejected=None, after=2 * MINUTE) == []
    assert story.succeeds() == []
    assert story.incidents == {}
    assert story.look(conditions={"mail": Standing("waits", NOW)}) == ["condition mail"]
