"""Messages are short, begin with the job, and hold nothing that comes alive."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduler.alerting import AlertPolicy, Kind
from scheduler.incident import Notice
from scheduler.watching.alerts.words import MOST_BODY, MOST_TITLE, due, headline, message

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
RUN = UUID(int=7)


def notice(kind: Kind = Kind.FAILED, subject: str = "work", **values: Any) -> Notice:
    job = values.pop("job", subject)
    since = values.pop("since", NOW - timedelta(minutes=47))
    return Notice(kind, subject, job, NOW, since, **values)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (notice(), "work: failed"),
        (notice(count=3), "work: failed, 3 runs in a row"),
        (notice(Kind.REPEATED, count=3), "work: failed, 3 runs in a row"),
        (notice(count=14, again=True), "work: still failing, 14 runs in a row"),
        (notice(Kind.ABANDONED), "work: abandoned"),
        (notice(Kind.OVERDUE), "work: overdue by 47 min"),
        (notice(Kind.OVERDUE, again=True, since=NOW - timedelta(days=3)),
         "work: still overdue by 3 days"),
        (notice(Kind.MISSED), "work: missed 1 fire"),
        (notice(Kind.MISSED, count=140), "work: missed 140 fires"),
        (notice(Kind.CONDITION, "model", words="the cap is reached"), "model: the cap is reached"),
        (notice(Kind.SCHEDULE, "config.yaml"),
         "config.yaml: rejected, the schedule before stays in force"),
        (notice(Kind.CHANNEL, "alert channel 2 (json)"), "alert channel 2 (json): takes no alerts"),
        (notice(Kind.DATABASE, "database", since=NOW - timedelta(seconds=61)),
         "database: away for 61 s"),
        (notice(Kind.RECOVERED, was=Kind.FAILED, count=3),
         "work: recovered after 47 min, 3 failed"),
        (notice(Kind.RECOVERED, "model", was=Kind.CONDITION), "model: over after 47 min"),
        (notice(Kind.RECOVERED, "database", was=Kind.DATABASE), "database: back after 47 min"),
        (notice(Kind.RECOVERED, "config.yaml", was=Kind.SCHEDULE), "config.yaml: accepted again"),
    ],
)  # fmt: skip
def test_headlines(one: Notice, said: str) -> None:
    assert headline(one) == said


def test_one_alert_says_what_since_when_why_and_where_to_look() -> None:
    one = notice(words="TypeError: no password=hunter2 for ann@example.com", run_id=RUN)
    made = message([one], "host-1", "https://lamp.example.com")
    assert made.title == "work: failed"
    assert made.body == (
        "work: failed\n"
        "since 2026-03-10 11:13 UTC\n"
        "TypeError: no password=*** for …@\N{WORD JOINER}example.com\n"
        f"https://lamp.example.com/runs/{RUN}\n\n"
        "lamplighter at https://lamp.example.com"
    )
    assert not made.is_good
    assert message([one], "host-1", None).body.endswith("example.com\n\nlamplighter at host-1")


def test_several_alerts_are_one_message() -> None:
    some = [notice(), notice(subject="other"), notice(Kind.RECOVERED, was=Kind.FAILED)]
    made = message(some, "host-1", None)
    assert made.title == "work and 1 more: 3 alerts"
    assert made.body.count("\n\n") == 3
    assert not made.is_good
    assert message([some[2]], "host-1", None).is_good


def test_a_flood_is_summed_up_within_bounds() -> None:
    flood = [notice(subject=f"job-{n:03}", words="x" * 2_000) for n in range(500)]
    made = message(flood, "host-1", "https://lamp.example.com")
    assert made.title == "job-000 and 499 more: 500 alerts"
    assert len(made.body) <= MOST_BODY
    assert "and 496 more: job-004, job-005" in made.body


def test_hostile_texts_stay_texts() -> None:
    hostile = "<img src=x> [free](https://evil.test) @everyone\n\nSubject: x `*`"
    for one in (notice(words=hostile), notice(Kind.CONDITION, "mail", words=hostile)):
        made = message([one], "host-1", None)
        for text in (made.title, made.body):
            assert not set("<>[]`") & set(text)
            assert "evil" not in text or "://" not in text
            assert "@everyone" not in text
        assert "\n" not in made.title
        assert len(made.title) <= MOST_TITLE


def test_what_comes_together_waits_for_each_other_and_too_much_waits_longer() -> None:
    policy = AlertPolicy(group_for=timedelta(seconds=30), most_per_hour=2)
    fresh, old = notice(), replace(notice(), at=NOW - timedelta(seconds=30))
    assert not due([], [], policy, NOW)
    assert not due([fresh], [], policy, NOW)
    assert due([old, fresh], [], policy, NOW)
    hour = timedelta(hours=1)
    assert not due([old], [NOW - hour / 2, NOW - hour / 3], policy, NOW)
    assert due([old], [NOW - hour, NOW - hour / 3], policy, NOW)
