"""What came and went, by label, and what lies still, counted by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agents.github.facts import History
from agents.github.measures.flow import (
    IssueFlow,
    LabelFlow,
    PullFlow,
    Stale,
    by_label,
    closure_ratio,
    issue_flow,
    pull_flow,
    stale,
)
from agents.github.measures.responses import said_by_people
from agents.github.measures.summary import summarize
from tests.agents.github.made import BOT, HOURS, JUST, WEEK, at, comment, issue, pull


def test_pull_requests_that_were_opened_merged_and_closed() -> None:
    pulls = [
        pull(-5, merged_at=0),
        pull(0, merged_at=HOURS - JUST),
        pull(2, merged_at=HOURS),  # open at the end
        pull(-5, merged_at=-JUST),
        pull(3, closed_at=9),
        pull(-9),
        pull(HOURS),
        pull(4, draft=True),
    ]
    assert pull_flow(pulls, WEEK) == PullFlow(
        opened=4, merged=2, closed=1, open=3, closure_ratio=0.5
    )
    assert pull_flow(pulls, WEEK, bots=True) == PullFlow(0, 0, 0, 0, None)


def test_issues_that_were_opened_and_closed() -> None:
    issues = [
        issue(-5, closed_at=0, state_reason="completed"),
        issue(0, closed_at=HOURS - JUST, state_reason="not_planned"),
        issue(2, closed_at=HOURS),
        issue(-5, closed_at=-JUST),
        issue(3, closed_at=9, state_reason="duplicate"),
        issue(3, state_reason="reopened"),
        issue(HOURS),
        issue(4, BOT, closed_at=5),
    ]
    assert issue_flow(issues, WEEK) == IssueFlow(
        opened=4, closed=3, not_planned=2, open=2, closure_ratio=0.6
    )
    assert issue_flow(issues, WEEK, bots=True) == IssueFlow(1, 1, 0, 0, 1.0)


@pytest.mark.parametrize(
    ("closed", "still_open", "expected"), [(0, 0, None), (0, 3, 0.0), (2, 0, 1.0), (1, 2, 0.333)]
)
def test_the_closure_ratio(closed: int, still_open: int, expected: float | None) -> None:
    items = [issue(1, closed_at=2)] * closed + [issue(-1)] * still_open
    assert closure_ratio(items, WEEK) == expected


def test_by_label_most_first_and_only_where_there_is_something() -> None:
    history = History(
        issues=(
            issue(1, labels=("bug", "ui"), closed_at=4),
            issue(-1, labels=("bug", "bug")),
            issue(-9, labels=("old",), closed_at=-5),
            issue(-9, labels=("open",)),
            issue(1, BOT, labels=("ci",)),
            issue(1),
        ),
        pulls=(pull(2, labels=("bug",), merged_at=8), pull(HOURS, labels=("later",))),
    )
    resolved, merged, nothing = (
        summarize([timedelta(hours=3)]),
        summarize([timedelta(hours=6)]),
        summarize([]),
    )
    flows = [
        LabelFlow("bug", 1, 1, 1, 1, 1, resolved, merged),
        LabelFlow("ui", 1, 1, 0, 0, 0, resolved, nothing),
        LabelFlow("open", 0, 0, 1, 0, 0, nothing, nothing),
    ]
    assert by_label(history, WEEK, 9) == flows
    assert by_label(history, WEEK, 2) == flows[:2]


def test_stale_is_what_nobody_touched_for_so_long() -> None:
    day = timedelta(days=1)
    end = HOURS
    history = History(
        issues=(
            issue(-90, number=1, updated_at=end - 24),
            issue(-90, number=2, updated_at=end - 24 + JUST),
            issue(-90, number=3, updated_at=end - 30, closed_at=end - 1),
            issue(-90, number=4, updated_at=end - 30, closed_at=end),
            issue(-90, BOT, number=5, updated_at=end - 30),
        ),
        pulls=(pull(-90, number=6, updated_at=end - 40, draft=True),),
    )
    assert stale(history, {}, WEEK.end, day) == [
        Stale("pull", 6, at(end - 40)),
        Stale("issue", 4, at(end - 30)),
        Stale("issue", 1, at(end - 24)),
    ]


def test_what_happened_after_the_end_does_not_make_it_fresh_before() -> None:
    later = issue(-90, number=1, updated_at=HOURS + 9)
    history = History(issues=(later,), comments=(comment(20), comment(HOURS + 9)))
    found = stale(history, said_by_people(history), WEEK.end, timedelta(days=1))
    assert found == [Stale("issue", 1, at(20))]
    assert stale(History(issues=(later,)), {}, WEEK.end, timedelta(days=1)) == [
        Stale("issue", 1, at(-90))
    ]
