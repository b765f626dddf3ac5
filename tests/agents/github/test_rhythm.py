"""When people work, and what was delivered, counted by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from agents.github.facts import History, Milestone, Period, Release
from agents.github.measures.rhythm import MilestoneState, Releases, milestones, releases, rhythm
from tests.agents.github.made import (
    BOT,
    HOURS,
    JUST,
    WEEK,
    at,
    comment,
    commit,
    issue,
    pull,
    review,
)

UTC_ZONE = ZoneInfo("UTC")


def filled(length: int, **counts: int) -> list[int]:
    values = [0] * length
    for place, count in counts.items():
        values[int(place[1:])] = count
    return values


def test_everything_that_people_do_counts_at_its_hour_and_day() -> None:
    history = History(
        commits=(commit(9.5), commit(33, BOT), commit(-1)),
        issues=(issue(9.9), issue(HOURS)),
        pulls=(pull(24 * 6 + 23), pull(-30, merged_at=4)),
        comments=(comment(9), comment(9, BOT)),
        reviews=(review(10), review(-JUST)),
    )
    found = rhythm(history, WEEK, UTC_ZONE)
    assert found.hours == filled(24, h9=3, h10=1, h23=1)
    assert found.weekdays == filled(7, d0=4, d6=1)
    assert found.active_days == 2


def test_a_commit_is_at_the_time_of_its_author_if_that_is_in_the_period() -> None:
    history = History(commits=(commit(5, authored_at=at(2)), commit(7, authored_at=at(-JUST))))
    assert rhythm(history, WEEK, UTC_ZONE).hours == filled(24, h2=1, h7=1)


def test_the_clock_is_that_of_the_zone() -> None:
    history = History(comments=(comment(23.5), comment(24.5)))
    tokyo = rhythm(history, WEEK, ZoneInfo("Asia/Tokyo"))
    assert tokyo.hours == filled(24, h8=1, h9=1)
    assert (tokyo.weekdays, tokyo.active_days) == (filled(7, d1=2), 1)
    new_york = rhythm(history, WEEK, ZoneInfo("America/New_York"))
    assert new_york.hours == filled(24, h18=1, h19=1)
    assert (new_york.weekdays, new_york.active_days) == (filled(7, d0=2), 1)
    half_hours = rhythm(history, WEEK, ZoneInfo("Asia/Kathmandu"))
    assert half_hours.hours == filled(24, h5=1, h6=1)


def test_around_a_change_of_the_clock_the_wall_is_right_and_nothing_is_lost() -> None:
    # In Berlin on 2026-03-29 the clock goes from 2:00 to 3:00, which is 1:00 UTC.
    night = datetime(2026, 3, 29, tzinfo=UTC)
    period = Period(night, night + timedelta(days=1))
    said = tuple(comment((night - at(0)).total_seconds() / 3600 + hour) for hour in range(24))
    found = rhythm(History(comments=said), period, ZoneInfo("Europe/Berlin"))
    assert sum(found.hours) == sum(found.weekdays) == 24
    assert found.hours[:4] == [1, 2, 0, 1]  # 0:00 and 1:00 of the next day come too
    assert period.length == timedelta(hours=24)


def test_releases_of_the_period_and_the_last_one_before_its_end() -> None:
    known = (
        Release("v1", at(-JUST)),
        Release("v2-rc", at(0), prerelease=True),
        Release("v2", at(5)),
        Release("v3-rc", at(HOURS - JUST), prerelease=True),
        Release("v3", at(HOURS)),
    )
    assert releases(known, WEEK) == Releases(1, 2, 1.0, at(5), ["v3-rc", "v2", "v2-rc"])
    day = Period(at(24), at(48))
    assert releases(known, day) == Releases(0, 0, 0.0, at(5), [])
    assert releases((), day) == Releases(0, 0, 0.0, None, [])


def test_releases_per_week_whatever_the_length() -> None:
    known = (Release("v1", at(1)), Release("v2", at(2)))
    assert releases(known, Period(at(0), at(24))).per_week == 14
    assert releases(known, Period(at(0), at(336))).per_week == 1


def test_milestones_that_are_open_or_were_closed_in_the_period() -> None:
    known = [
        Milestone(1, "gone", closed_at=at(-JUST)),
        Milestone(2, "done", due_on=at(9), closed_at=at(0), open_issues=1, closed_issues=3),
        Milestone(3, "late", due_on=at(HOURS - JUST), open_issues=2),
        Milestone(4, "due", due_on=at(HOURS), closed_at=at(HOURS), closed_issues=2),
        Milestone(5, "undated"),
    ]
    assert milestones(known, WEEK) == [
        MilestoneState(2, "done", "closed", at(9), 0.75),
        MilestoneState(3, "late", "overdue", at(HOURS - JUST), 0.0),
        MilestoneState(4, "due", "open", at(HOURS), 1.0),
        MilestoneState(5, "undated", "open", None, None),
    ]
