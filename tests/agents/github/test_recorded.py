"""Recorded repositories, beside what was counted by hand in their files."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agents.github.facts import (
    Actor,
    Comment,
    Commit,
    History,
    Issue,
    Milestone,
    Period,
    Pull,
    Release,
    Review,
)
from agents.github.measures.responses import open_age
from agents.github.metrics import Reading, analyse

RECORDED = Path(__file__).parent / "recorded"
READING = Reading(ZoneInfo("UTC"), timedelta(days=60))


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


def when(text: str | None) -> Any:
    return None if text is None else datetime.fromisoformat(text)


def actor(payload: Any) -> Actor:
    return Actor(payload["user"]["login"], payload["user"]["type"] == "Bot")


def item(payload: Any) -> dict[str, Any]:
    return {
        "number": payload["number"],
        "author": actor(payload),
        "created_at": when(payload["created_at"]),
        "updated_at": when(payload["updated_at"]),
        "closed_at": when(payload["closed_at"]),
        "labels": tuple(payload["labels"]),
    }


def thirteen_issues() -> History:
    return History(issues=tuple(Issue(**item(one)) for one in recorded("paginate_issues")))


def hello_world(answers_by: str | None = None) -> History:
    """`answers_by` is put in the place of the author, who answers himself in the recording."""
    told = recorded("hello_world")
    pull, release, milestone = told["pull"], told["release"], told["milestone"]

    def answerer(payload: Any) -> Actor:
        return actor(payload) if answers_by is None else Actor(answers_by)

    return History(
        commits=tuple(
            Commit(
                sha=one["id"],
                author=Actor(one["author"]["username"]),
                authored_at=when(one["timestamp"]),
                committed_at=when(one["timestamp"]),
                files=(*one["added"], *one["removed"], *one["modified"]),
            )
            for one in told["pushed"]
        ),
        pulls=(
            Pull(
                **item(pull),
                draft=pull["draft"],
                merged_at=when(pull["merged_at"]),
                base=pull["base"]["ref"],
                additions=pull["additions"],
                deletions=pull["deletions"],
            ),
        ),
        issues=(Issue(**item(told["issue"]), state_reason=told["issue"]["state_reason"]),),
        reviews=(Review(2, answerer(told["review"]), when(told["review"]["submitted_at"])),),
        comments=(
            Comment(1, answerer(told["issue_comment"]), when(told["issue_comment"]["created_at"])),
            Comment(
                2, answerer(told["review_comment"]), when(told["review_comment"]["created_at"])
            ),
        ),
        releases=(Release(release["tag_name"], when(release["published_at"])),),
        milestones=(
            Milestone(
                milestone["number"],
                milestone["title"],
                when(milestone["due_on"]),
                when(milestone["closed_at"]),
                milestone["open_issues"],
                milestone["closed_issues"],
            ),
        ),
        default_branch="master",
    )


def test_thirteen_issues_that_were_opened_three_seconds_apart() -> None:
    # From 04:38:40 to 04:39:16; at 5:00 they are 1280 to 1244 seconds old.
    end = datetime(2022, 7, 19, 5, tzinfo=UTC)
    history = thirteen_issues()
    data: Any = analyse(history, Period(end - timedelta(days=1), end), READING)
    issues = data["issues"]
    assert (issues["opened"], issues["closed"], issues["open"]) == (13, 0, 13)
    assert issues["closureRatio"] == 0
    assert (issues["firstResponse"]["count"], issues["firstResponse"]["unanswered"]) == (0, 13)
    age = open_age(history.issues, end)
    assert age.mean == pytest.approx(1262 / 3600)
    assert age.median == pytest.approx(1262 / 3600)
    assert age.p90 == pytest.approx((1244 + 3 * 10.8) / 3600)
    assert data["previous"]["issues"]["opened"] == 0
    assert data["activity"]["hours"] == [0] * 4 + [13] + [0] * 19
    assert data["activity"]["weekdays"] == [0, 13, 0, 0, 0, 0, 0]  # a Tuesday
    assert (data["velocity"]["score"], data["velocity"]["trend"]) == (0, "insufficient_data")


def test_the_same_issues_cut_in_two() -> None:
    # Numbers 6 to 12 are from 04:38:55 until just before 04:39:16, when 13 comes.
    start = datetime(2022, 7, 19, 4, 38, 55, tzinfo=UTC)
    data: Any = analyse(thirteen_issues(), Period(start, start + timedelta(seconds=21)), READING)
    assert data["issues"]["opened"] == 7
    assert data["issues"]["open"] == 12
    assert data["previous"]["issues"]["opened"] == 5
    assert data["previous"]["issues"]["open"] == 5


END = datetime(2019, 5, 16, tzinfo=UTC)
A_DAY = Period(END - timedelta(days=1), END)


def test_a_repository_of_one_person_who_answers_himself() -> None:
    data: Any = analyse(hello_world(), A_DAY, READING)
    assert (data["commits"], data["authors"], data["busFactor"]) == (1, 1, 1)
    assert data["lines"] == {"added": 0, "deleted": 0, "partial": True}  # pushes tell no lines
    assert data["hotSpots"] == {"files": [], "partial": False}  # README.md, once
    pulls, issues = data["pullRequests"], data["issues"]
    assert (pulls["opened"], pulls["merged"], pulls["closed"], pulls["open"]) == (1, 0, 1, 0)
    assert (pulls["closureRatio"], pulls["timeToMerge"]["count"]) == (1, 0)
    assert (pulls["firstResponse"]["unanswered"], pulls["reviewLatency"]["unreviewed"]) == (1, 1)
    assert (issues["opened"], issues["closed"], issues["open"]) == (1, 0, 1)
    assert issues["firstResponse"]["unanswered"] == 1
    assert issues["openAge"]["medianHours"] == 8.66  # 15:20:18 until midnight
    assert data["releases"] == {
        "published": 1,
        "prereleases": 0,
        "perWeek": 7,
        "lastPublishedAt": "2019-05-15T15:20:53+00:00",
        "tags": ["0.0.1"],
    }
    assert [(one["title"], one["state"]) for one in data["milestones"]] == [("v1.0", "closed")]
    [bug] = data["byLabel"]
    assert (bug["label"], bug["issues"]["opened"], bug["pullRequests"]["opened"]) == ("bug", 1, 1)
    # A commit, an issue, a pull request, two comments and a review.
    assert data["activity"]["hours"][15] == sum(data["activity"]["hours"]) == 6
    assert data["activity"]["weekdays"][2] == 6  # a Wednesday
    assert data["bots"]["comments"] == 0


def test_the_same_repository_if_somebody_else_answered() -> None:
    data: Any = analyse(hello_world("octocat"), A_DAY, READING)
    of_issues, of_pulls = data["issues"]["firstResponse"], data["pullRequests"]["firstResponse"]
    assert (of_issues["count"], of_issues["unanswered"]) == (1, 0)
    assert (of_pulls["count"], of_pulls["unanswered"]) == (1, 0)
    data = analyse(hello_world("octocat[bot]"), A_DAY, READING)
    assert data["issues"]["firstResponse"]["unanswered"] == 1
    assert data["bots"]["comments"] == 3
    assert data["activity"]["hours"][15] == 3
