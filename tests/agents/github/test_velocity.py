"""The score, its parts and its trend."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.github.measures.velocity import (
    FEWEST_EVENTS,
    PARTS,
    Pace,
    score,
    trend,
    velocity,
)

IDLE = Pace(
    weeks=1,
    commits=0,
    merged=0,
    issues_closed=0,
    releases=0,
    authors=0,
    first_response_hours=None,
)
FULL = Pace(
    weeks=1,
    commits=100,
    merged=30,
    issues_closed=30,
    releases=2,
    authors=10,
    first_response_hours=0,
)


def paces() -> st.SearchStrategy[Pace]:
    counts = st.integers(0, 500)
    return st.builds(
        Pace,
        weeks=st.floats(1 / 168, 13),
        commits=counts,
        merged=counts,
        issues_closed=counts,
        releases=st.integers(0, 9),
        authors=st.integers(0, 40),
        first_response_hours=st.none() | st.floats(0, 5000),
    )


def test_the_weights_make_a_hundred() -> None:
    assert sum(part.weight for part in PARTS.values()) == 100


def test_nothing_is_0_and_all_thresholds_are_100() -> None:
    assert score(IDLE) == 0
    assert score(replace(IDLE, first_response_hours=0, authors=3)) == 0
    assert score(FULL) == pytest.approx(100)
    assert score(replace(FULL, commits=100_000)) == pytest.approx(100)


def test_a_score_by_hand() -> None:
    # Two weeks: 18 commits are 9 a week, log 10 / log 101 = 0.49892; nobody was answered.
    one = replace(IDLE, weeks=2, commits=18, authors=1)
    authors = math.log(2) / math.log(11)
    expected = 100 * (25 * 0.49892 + 10 * authors) / 90
    assert score(one) == pytest.approx(expected, abs=0.001)
    # Answers within 17.33 hours are half way between an hour and two weeks, by logarithm.
    half = math.sqrt(337) - 1
    assert PARTS["firstResponseHours"].points(half) == pytest.approx(0.5)
    answered = replace(one, first_response_hours=half)
    assert score(answered) == pytest.approx(25 * 0.49892 + 10 * authors + 5, abs=0.001)


@pytest.mark.parametrize(("value", "points"), [(None, None), (0, 1), (336, 0), (9999, 0)])
def test_of_hours_less_is_more(value: float | None, points: float | None) -> None:
    found = PARTS["firstResponseHours"].points(value)
    assert found == (points if points is None else pytest.approx(points))


@given(paces())
def test_a_score_is_between_0_and_100(pace: Pace) -> None:
    assert 0 <= score(pace) <= 100 + 1e-9


@given(paces(), st.sampled_from(["commits", "merged", "issues_closed", "releases", "authors"]))
def test_more_work_is_never_slower(pace: Pace, field: str) -> None:
    more: dict[str, Any] = {field: getattr(pace, field) + 1}
    assert score(replace(pace, **more)) >= score(pace) - 1e-9


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (5, 4, "insufficient_data"),  # 9 events
        (5, 5, "stable"),
        (0, 9, "insufficient_data"),
        (0, 10, "falling"),
        (10, 0, "rising"),
        (40, 20, "rising"),
        (20, 40, "falling"),
    ],
)
def test_the_trend(now: int, before: int, expected: str) -> None:
    first, second = replace(IDLE, commits=now), replace(IDLE, commits=before)
    assert trend(first, second)[0] == expected
    assert trend(first, None) == ("insufficient_data", None)
    assert FEWEST_EVENTS == 10


def test_from_nothing_there_is_no_share() -> None:
    assert trend(replace(IDLE, commits=10), IDLE) == ("rising", None)
    assert trend(IDLE, replace(IDLE, commits=10)) == ("falling", -1.0)


def test_a_tenth_is_stable_and_a_little_more_is_not() -> None:
    # By the logarithm, 1 + commits to the power of 1.1 is a tenth more points.
    before = replace(IDLE, commits=9)  # 1 + 9 = 10
    for commits, direction in ((11, "stable"), (12, "rising")):  # 10 ** 1.1 = 12.59
        change = math.log(1 + commits) / math.log(10) - 1
        assert (change <= 0.1) == (direction == "stable")
        found, share = trend(replace(IDLE, commits=commits), before)
        assert found == direction
        assert share == pytest.approx(change)
    down = replace(IDLE, commits=7)  # 10 ** 0.9 = 7.94: eight are more than 0.9
    assert trend(replace(IDLE, commits=6), before)[0] == "falling"
    assert trend(down, before)[0] == "stable"


def test_the_trend_compares_only_what_both_periods_know() -> None:
    answered = replace(IDLE, commits=10, first_response_hours=300)
    silent = replace(IDLE, commits=10)
    assert score(answered) < score(silent)
    assert trend(answered, silent) == ("stable", 0)


def test_velocity_shows_what_it_is_made_of() -> None:
    now = replace(FULL, weeks=2, first_response_hours=None)
    found: dict[str, Any] = velocity(now, None)
    assert found["trend"] == "insufficient_data"
    assert found["previousScore"] is None
    assert set(found["components"]) == set(PARTS)
    assert found["components"]["commitsPerWeek"] == {
        "value": 50.0,
        "points": round(100 * math.log(51) / math.log(101), 1),
        "weight": 25,
        "threshold": 100,
    }
    assert found["components"]["firstResponseHours"]["points"] is None
    parts = [part for part in found["components"].values() if part["points"] is not None]
    recomputed = sum(part["points"] * part["weight"] for part in parts) / sum(
        part["weight"] for part in parts
    )
    assert found["score"] == pytest.approx(recomputed, abs=0.1)
    assert velocity(now, FULL)["previousScore"] == 100
