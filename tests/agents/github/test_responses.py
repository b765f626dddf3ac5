"""How long people wait, counted by hand; percentiles against those of the standard library."""

from __future__ import annotations

import statistics
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.github.facts import Actor, Comment, History, Issue, Pull, Review
from agents.github.measures import responses
from agents.github.measures.summary import Summary, percentile, ratio, summarize
from tests.agents.github.made import (
    BOT,
    HOURS,
    JUST,
    WEEK,
    at,
    comment,
    issue,
    pull,
    review,
)


def hours(*values: float | None) -> list[timedelta | None]:
    return [None if value is None else timedelta(hours=value) for value in values]


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([], Summary(0, 0, None, None, None)),
        ([None, None], Summary(0, 2, None, None, None)),
        ([3], Summary(1, 0, 3, 3, 3)),
        ([0, None], Summary(1, 1, 0, 0, 0)),
        ([1, 3], Summary(2, 0, 2, 2, 2.8)),
        ([10, 1, 4], Summary(3, 0, 5, 4, 8.8)),
        ([*range(11)], Summary(11, 0, 5, 5, 9)),
    ],
)
def test_summaries(durations: list[float | None], expected: Summary) -> None:
    found = summarize(hours(*durations))
    assert (found.count, found.unknown) == (expected.count, expected.unknown)
    for name in ("mean", "median", "p90"):
        value, wanted = getattr(found, name), getattr(expected, name)
        assert value == (wanted if wanted is None else pytest.approx(wanted))


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=60))
def test_percentiles_are_those_of_the_standard_library(values: list[float]) -> None:
    ordered = sorted(values)
    deciles = statistics.quantiles(values, n=10, method="inclusive")
    assert percentile(ordered, 0.9) == pytest.approx(deciles[8])
    assert percentile(ordered, 0.5) == pytest.approx(statistics.median(values))


def test_a_ratio_of_nothing_is_unknown() -> None:
    assert ratio(0, 0) is None
    assert ratio(1, 3) == 0.333


def first_response(item: Issue | Pull, *said: Comment | Review) -> float | None:
    """In hours; None where it is unanswered."""
    history = History(
        comments=tuple(one for one in said if isinstance(one, Comment)),
        reviews=tuple(one for one in said if isinstance(one, Review)),
    )
    found = responses.first_response([item], responses.said_by_people(history), WEEK)
    assert found.count + found.unknown == 1
    return found.median


def test_the_first_response_is_the_first_comment_or_review() -> None:
    assert first_response(issue(1), comment(9), comment(4), comment(6)) == pytest.approx(3)
    assert first_response(pull(1), comment(9), review(4)) == pytest.approx(3)
    assert first_response(pull(1), comment(3), review(4)) == pytest.approx(2)


def test_an_answer_at_once_is_zero_and_no_answer_is_unknown() -> None:
    assert first_response(issue(1), comment(1)) == 0
    assert first_response(issue(1)) is None
    assert first_response(issue(1, closed_at=2)) is None
    assert first_response(issue(1), comment(3, number=2)) is None


def test_neither_the_author_nor_a_bot_answers() -> None:
    said = comment(2, "Ada"), comment(3, BOT), review(4, "codecov-io"), comment(5, "x[bot]")
    assert first_response(pull(1, "ada"), *said) is None
    assert first_response(pull(1, "ada"), *said, comment(8)) == pytest.approx(7)


def test_somebody_whose_account_is_gone_may_be_anybody() -> None:
    assert first_response(issue(1, None), comment(2, None)) is None
    assert first_response(issue(1, None), comment(2, "ben")) == pytest.approx(1)
    assert first_response(issue(1, "ada"), comment(2, None)) == pytest.approx(1)


def test_what_was_said_before_the_opening_or_after_the_period_is_no_answer() -> None:
    assert first_response(issue(1), comment(1 - JUST)) is None
    assert first_response(issue(1), comment(HOURS)) is None
    assert first_response(issue(1), comment(HOURS - JUST)) == pytest.approx(HOURS - 1)


def test_only_what_people_opened_in_the_period_waits_for_an_answer() -> None:
    items = [issue(-JUST), issue(0), issue(HOURS - JUST), issue(HOURS), issue(5, BOT)]
    found = responses.first_response(items, {}, WEEK)
    assert (found.count, found.unknown) == (0, 2)


def latency(one: Pull, *reviews: Review | Comment) -> float | None:
    history = History(
        reviews=tuple(said for said in reviews if isinstance(said, Review)),
        comments=tuple(said for said in reviews if isinstance(said, Comment)),
    )
    said = responses.said_by_people(history, reviews_only=True)
    found = responses.review_latency([one], said, WEEK)
    assert found.count + found.unknown == 1
    return found.median


def test_review_latency_begins_when_it_is_ready_and_ends_with_a_review() -> None:
    assert latency(pull(1), comment(2), review(5)) == pytest.approx(4)
    assert latency(pull(1, ready_at=3), review(2), review(5)) == pytest.approx(2)
    assert latency(pull(1, ready_at=3), review(2)) is None
    assert latency(pull(1, ready_at=3), review(3)) == 0
    assert latency(pull(1), review(2, "ada"), review(3, BOT)) is None


def test_review_latency_is_of_those_that_became_ready_in_the_period() -> None:
    pulls = [
        pull(-9, ready_at=-JUST),
        pull(-9, ready_at=0),
        pull(2),
        pull(2, draft=True),
        pull(2, ready_at=HOURS),
        pull(2, BOT),
    ]
    found = responses.review_latency(pulls, {}, WEEK)
    assert (found.count, found.unknown) == (0, 2)


@pytest.mark.parametrize(
    ("one", "ready"),
    [
        (pull(1), 1),
        (pull(1, draft=True), None),
        (pull(1, ready_at=4), 4),
        (pull(1, ready_at=4, draft=True), None),  # a draft again
        (pull(1, ready_at=0), 1),  # GitHub copied it from elsewhere
        (pull(1, draft=True, merged_at=6), 1),
        (pull(1, ready_at=6, merged_at=6), 6),
        (pull(1, ready_at=7, merged_at=6), 1),
    ],
)
def test_since_when_a_pull_request_is_ready(one: Pull, ready: float | None) -> None:
    assert one.ready_since == (None if ready is None else at(ready))


def test_time_to_merge_is_without_the_time_as_a_draft() -> None:
    pulls = [
        pull(-30, merged_at=0),  # 30
        pull(1, ready_at=5, merged_at=15),  # 10
        pull(1, merged_at=HOURS),
        pull(-5, merged_at=-JUST),
        pull(3, closed_at=4),
        pull(3, BOT, merged_at=4),
    ]
    found = responses.time_to_merge(pulls, WEEK)
    assert (found.count, found.unknown) == (2, 0)
    assert found.mean == pytest.approx(20)
    assert found.p90 == pytest.approx(28)


def test_resolution_goes_by_closing_time() -> None:
    issues = [
        issue(-100, closed_at=0),  # 100
        issue(1, closed_at=3, state_reason="not_planned"),  # 2
        issue(1, closed_at=HOURS),
        issue(-100, closed_at=-JUST),
        issue(1),
        issue(1, BOT, closed_at=3),
    ]
    found = responses.resolution(issues, WEEK)
    assert found.count == 2
    assert found.mean == pytest.approx(51)


def test_the_age_of_what_is_open_at_the_end() -> None:
    items = [
        issue(-2),  # 170
        issue(HOURS - JUST),  # 0
        issue(HOURS),
        issue(8, closed_at=HOURS),  # still open just before the end: 160
        issue(8, closed_at=HOURS - JUST),
        issue(8, BOT),
    ]
    found = responses.open_age(items, WEEK.end)
    assert found.count == 3
    assert found.mean == pytest.approx(110)
    assert found.median == pytest.approx(160)


def test_an_actor_is_other_than_another() -> None:
    assert Actor("ada").is_other_than(Actor("ben"))
    assert not Actor("ada").is_other_than(Actor("ADA"))
