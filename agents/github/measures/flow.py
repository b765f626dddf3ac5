"""How many issues and pull requests came and went, of which label, and which lie still? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.github.facts import History, Issue, Item, Period, Pull
from agents.github.measures.responses import Said, resolution, time_to_merge
from agents.github.measures.summary import Summary, ratio


@dataclass(frozen=True, slots=True)
class PullFlow:
    opened: int
    merged: int
    closed: int
    """Without being merged."""
    open: int
    """At the end of the period."""
    closure_ratio: float | None


@dataclass(frozen=True, slots=True)
class IssueFlow:
    opened: int
    closed: int
    not_planned: int
    """Of the closed: not planned, or a duplicate."""
    open: int
    closure_ratio: float | None


@dataclass(frozen=True, slots=True)
class LabelFlow:
    label: str
    issues_opened: int
    issues_closed: int
    issues_open: int
    pulls_opened: int
    pulls_merged: int
    resolution: Summary
    time_to_merge: Summary


@dataclass(frozen=True, slots=True)
class Stale:
    kind: str
    number: int
    last_activity: datetime


def pull_flow(pulls: Iterable[Pull], period: Period, *, bots: bool = False) -> PullFlow:
    """CHAOSS, Change Requests (opened), Accepted (merged), Declined (closed), Closure Ratio."""
    mine = [pull for pull in pulls if pull.author.is_bot == bots]
    return PullFlow(
        opened=sum(pull.created_at in period for pull in mine),
        merged=sum(pull.merged_at in period for pull in mine),
        closed=sum(pull.closed_at in period and pull.merged_at is None for pull in mine),
        open=sum(pull.is_open_at(period.end) for pull in mine),
        closure_ratio=closure_ratio(mine, period),
    )


def issue_flow(issues: Iterable[Issue], period: Period, *, bots: bool = False) -> IssueFlow:
    """CHAOSS, Issues New and Issues Closed. One that was opened again is open, not closed."""
    mine = [issue for issue in issues if issue.author.is_bot == bots]
    closed = [issue for issue in mine if issue.closed_at in period]
    return IssueFlow(
        opened=sum(issue.created_at in period for issue in mine),
        closed=len(closed),
        not_planned=sum(issue.state_reason in {"not_planned", "duplicate"} for issue in closed),
        open=sum(issue.is_open_at(period.end) for issue in mine),
        closure_ratio=closure_ratio(mine, period),
    )


def closure_ratio(items: Sequence[Item], period: Period) -> float | None:
    """Of what was open at any time in the period, the share that was closed in it.

    CHAOSS, Change Request Closure Ratio, and the same for issues: a project that keeps up is close
    to 1. None where nothing was open.
    """
    closed = sum(item.closed_at in period for item in items)
    return ratio(closed, closed + sum(item.is_open_at(period.end) for item in items))


def by_label(history: History, period: Period, most: int) -> list[LabelFlow]:
    """The same for each label, those of people's items with the most going on first.

    Labels as the items carry them now: when one was put on is not known.
    """
    issues: dict[str, list[Issue]] = {}
    pulls: dict[str, list[Pull]] = {}
    for issue in history.issues:
        for label in set(issue.labels):
            issues.setdefault(label, []).append(issue)
    for pull in history.pulls:
        for label in set(pull.labels):
            pulls.setdefault(label, []).append(pull)
    flows = []
    for label in issues.keys() | pulls.keys():
        of_issues = issue_flow(issues.get(label, ()), period)
        of_pulls = pull_flow(pulls.get(label, ()), period)
        flow = LabelFlow(
            label,
            of_issues.opened,
            of_issues.closed,
            of_issues.open,
            of_pulls.opened,
            of_pulls.merged,
            resolution(issues.get(label, ()), period),
            time_to_merge(pulls.get(label, ()), period),
        )
        if going_on(flow) or flow.issues_open or of_pulls.open:
            flows.append(flow)
    flows.sort(key=lambda flow: (-going_on(flow), -flow.issues_open, flow.label))
    return flows[:most]


def going_on(flow: LabelFlow) -> int:
    return flow.issues_opened + flow.issues_closed + flow.pulls_opened + flow.pulls_merged


def stale(history: History, said: Said, moment: datetime, after: timedelta) -> list[Stale]:
    """People's open items in which nothing has happened for `after`, the longest first.

    60 days is what GitHub's own action `stale` takes. `updated_at` is the last activity where it is
    not later than `moment`, else the last of what is known of it.
    """
    found = [
        Stale(kind, item.number, last)
        for kind, items in (("issue", history.issues), ("pull", history.pulls))
        for item in items
        if item.is_open_at(moment) and not item.author.is_bot
        for last in [last_activity(item, said, moment)]
        if moment - last >= after
    ]
    return sorted(found, key=lambda one: (one.last_activity, one.number))


def last_activity(item: Item, said: Said, moment: datetime) -> datetime:
    if item.updated_at <= moment:
        return item.updated_at
    return max([item.created_at, *(at for at, _ in said.get(item.number, ()) if at <= moment)])
