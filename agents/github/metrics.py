"""What can be said of a repository for a period, beside the equal period before it? Pure.

The measures under `measures/` define each number, with its source; this puts them together as the
`data` that routes, pages and agents get. Numbers are of people; bots stand apart under `bots`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from pydantic import JsonValue

from agents.github.facts import History, Item, Period
from agents.github.measures import code, flow, responses, rhythm
from agents.github.measures.summary import HOUR, rounded
from agents.github.measures.velocity import Pace, velocity

VERSION = 1
"""Grows when a definition changes: results of the version before are no longer the same."""
MOST_LISTED = 20
"""Of each list; what stands in the list of agents is meant to be read."""

Data = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows are to be read."""

    zone: ZoneInfo
    """By whose clock hours and days are counted."""
    stale_after: timedelta


def analyse(history: History, period: Period, reading: Reading) -> Data:
    """Everything there is to say of the period, and the numbers of the one before as `previous`."""
    before = period.before
    now_pace = pace(history, period)
    known_before = is_known(history, before)
    said = responses.said_by_people(history)
    stale = flow.stale(history, said, period.end, reading.stale_after)
    clock = rhythm.rhythm(history, period, reading.zone)
    spots, spots_partial = code.hot_spots(code.changes_of(history, period), MOST_LISTED)
    return {
        "period": {
            "start": moment(period.start),
            "end": moment(period.end),
            "hours": rounded(period.length / HOUR),
            "timezone": reading.zone.key,
        },
        "partial": unknown_parts(history, period),
        **numbers(history, period),
        "velocity": velocity(now_pace, pace(history, before) if known_before else None),
        "byLabel": [label_flow(one) for one in flow.by_label(history, period, MOST_LISTED)],
        "stale": {
            "days": reading.stale_after.days,
            "issues": sum(one.kind == "issue" for one in stale),
            "pullRequests": sum(one.kind == "pull" for one in stale),
            "longest": [
                {
                    "kind": one.kind,
                    "number": one.number,
                    "lastActivityAt": moment(one.last_activity),
                }
                for one in stale[:MOST_LISTED]
            ],
        },
        "hotSpots": {
            "files": [
                {"path": spot.path, "commits": spot.commits, "authors": spot.authors}
                for spot in spots
            ],
            "partial": spots_partial,
        },
        "milestones": [
            {
                "number": one.number,
                "title": one.title,
                "state": one.state,
                "dueOn": moment(one.due_on),
                "progress": rounded(one.progress, 3),
            }
            for one in rhythm.milestones(history.milestones, period)[:MOST_LISTED]
        ],
        "activity": {
            "hours": [*clock.hours],
            "weekdays": [*clock.weekdays],
            "activeDays": clock.active_days,
        },
        "previous": {
            "start": moment(before.start),
            "end": moment(before.end),
            "partial": unknown_parts(history, before),
            **numbers(history, before),
        },
    }


def fingerprint(history: History, period: Period, reading: Reading) -> str:
    """The same for the same rows, read for the same period in the same way."""
    digest = sha256()
    kinds = (
        *(history.commits, history.pulls, history.issues, history.reviews, history.comments),
        *(history.releases, history.milestones),
    )
    for rows in kinds:
        for row in rows:
            digest.update(repr(row).encode())
        digest.update(b"\n")
    about = (history.default_branch, history.known_since, history.complete, {**history.cut})
    how = (period, reading.zone.key, reading.stale_after, VERSION)
    digest.update(repr((about, how)).encode())
    return digest.hexdigest()


def numbers(history: History, period: Period) -> Data:
    """What is counted alike for a period and for the one before it."""
    said = responses.said_by_people(history)
    reviews = responses.said_by_people(history, reviews_only=True)
    commits = code.commits_of(history, period)
    by_author = code.commits_by_author(commits)
    lines = code.lines(code.changes_of(history, period))
    pulls = flow.pull_flow(history.pulls, period)
    issues = flow.issue_flow(history.issues, period)
    delivered = rhythm.releases(history.releases, period)

    def first_response(items: Iterable[Item]) -> Data:
        return responses.first_response(items, said, period).as_json("unanswered")

    return {
        "commits": len(commits),
        "authors": len(by_author),
        "commitsOfUnknownAuthors": len(commits) - by_author.total(),
        "busFactor": code.bus_factor(by_author),
        "lines": {"added": lines.added, "deleted": lines.deleted, "partial": lines.partial},
        "pullRequests": {
            "opened": pulls.opened,
            "merged": pulls.merged,
            "closed": pulls.closed,
            "open": pulls.open,
            "closureRatio": pulls.closure_ratio,
            "firstResponse": first_response(history.pulls),
            "reviewLatency": responses.review_latency(history.pulls, reviews, period).as_json(
                "unreviewed"
            ),
            "timeToMerge": responses.time_to_merge(history.pulls, period).as_json(),
            "openAge": responses.open_age(history.pulls, period.end).as_json(),
        },
        "issues": {
            "opened": issues.opened,
            "closed": issues.closed,
            "notPlanned": issues.not_planned,
            "open": issues.open,
            "closureRatio": issues.closure_ratio,
            "firstResponse": first_response(history.issues),
            "resolution": responses.resolution(history.issues, period).as_json(),
            "openAge": responses.open_age(history.issues, period.end).as_json(),
        },
        "releases": {
            "published": delivered.published,
            "prereleases": delivered.prereleases,
            "perWeek": rounded(delivered.per_week),
            "lastPublishedAt": moment(delivered.last_published_at),
            "tags": [*delivered.tags[:MOST_LISTED]],
        },
        "bots": bots(history, period),
    }


def bots(history: History, period: Period) -> Data:
    """What machines did. CHAOSS, Bot Activity."""
    commits = code.commits_of(history, period, bots=True)
    pulls = flow.pull_flow(history.pulls, period, bots=True)
    issues = flow.issue_flow(history.issues, period, bots=True)
    answers = [comment.author for comment in history.comments if comment.created_at in period]
    answers += [review.author for review in history.reviews if review.submitted_at in period]
    return {
        "commits": len(commits),
        "authors": len(code.authors(commits)),
        "pullRequests": {
            "opened": pulls.opened,
            "merged": pulls.merged,
            "closed": pulls.closed,
            "open": pulls.open,
        },
        "issues": {"opened": issues.opened, "closed": issues.closed, "open": issues.open},
        "comments": sum(actor.is_bot for actor in answers),
    }


def pace(history: History, period: Period) -> Pace:
    """What the velocity score is made of."""
    commits = code.commits_of(history, period)
    said = responses.said_by_people(history)
    items: list[Item] = [*history.issues, *history.pulls]
    return Pace(
        weeks=period.weeks,
        commits=len(commits),
        merged=flow.pull_flow(history.pulls, period).merged,
        issues_closed=flow.issue_flow(history.issues, period).closed,
        releases=rhythm.releases(history.releases, period).published,
        authors=len(code.authors(commits)),
        first_response_hours=responses.first_response(items, said, period).median,
    )


def is_known(history: History, period: Period) -> bool:
    return not unknown_parts(history, period)


def unknown_parts(history: History, period: Period) -> list[JsonValue]:
    """Why not all of the period is known: it begins before what was fetched (`history`), the last
    sync did not come to its end (`sync`), or there is more of a kind of rows than is read.
    """
    unknown: list[JsonValue] = []
    if history.known_since is not None and period.start < history.known_since:
        unknown.append("history")
    if not history.complete:
        unknown.append("sync")
    unknown += [kind for kind, since in sorted(history.cut.items()) if period.start < since]
    return unknown


def label_flow(one: flow.LabelFlow) -> Data:
    return {
        "label": one.label,
        "issues": {
            "opened": one.issues_opened,
            "closed": one.issues_closed,
            "open": one.issues_open,
            "resolution": one.resolution.as_json(),
        },
        "pullRequests": {
            "opened": one.pulls_opened,
            "merged": one.pulls_merged,
            "timeToMerge": one.time_to_merge.as_json(),
        },
    }


def moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()
