"""When do people work, and what was delivered: hours and days, releases, milestones? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from agents.github.facts import History, Milestone, Period, Release


@dataclass(frozen=True, slots=True)
class Rhythm:
    hours: list[int]
    """What was done in each hour of the day, from midnight."""
    weekdays: list[int]
    """On each day of the week, from Monday."""
    active_days: int
    """Days on which anything was done."""


@dataclass(frozen=True, slots=True)
class Releases:
    published: int
    prereleases: int
    per_week: float
    last_published_at: datetime | None
    """Before the end of the period; a prerelease does not count."""
    tags: list[str]
    """Of the period, newest first."""


@dataclass(frozen=True, slots=True)
class MilestoneState:
    number: int
    title: str
    state: str
    """At the end of the period: open, overdue or closed."""
    due_on: datetime | None
    progress: float | None
    """The share of its issues that are closed now."""


def rhythm(history: History, period: Period, zone: ZoneInfo) -> Rhythm:
    """People's commits, openings, comments and reviews of the period, by the clock in `zone`.

    CHAOSS, Activity Dates and Times. A commit is at the time its author gave it, if that lies in
    the period, else at its committer's.
    """
    hours, weekdays = [0] * 24, [0] * 7
    days = set()
    for moment in _moments(history, period):
        local = moment.astimezone(zone)
        hours[local.hour] += 1
        weekdays[local.weekday()] += 1
        days.add(local.date())
    return Rhythm(hours, weekdays, len(days))


def _moments(history: History, period: Period) -> Iterator[datetime]:
    for commit in history.commits:
        if commit.committed_at in period and not commit.author.is_bot:
            authored = commit.authored_at
            yield authored if authored in period else commit.committed_at
    for items in (history.issues, history.pulls):
        for item in items:
            if item.created_at in period and not item.author.is_bot:
                yield item.created_at
    for comment in history.comments:
        if comment.created_at in period and not comment.author.is_bot:
            yield comment.created_at
    for review in history.reviews:
        if review.submitted_at in period and not review.author.is_bot:
            yield review.submitted_at


def releases(published: Iterable[Release], period: Period) -> Releases:
    """CHAOSS, Release Frequency. For a product that runs what it releases, per week is DORA's
    deployment frequency; prereleases are counted apart.
    """
    until = sorted(
        (release for release in published if release.published_at < period.end),
        key=lambda release: release.published_at,
        reverse=True,
    )
    final = [release for release in until if not release.prerelease]
    count = sum(release.published_at in period for release in final)
    within = [release for release in until if release.published_at in period]
    return Releases(
        published=count,
        prereleases=len(within) - count,
        per_week=count / period.weeks,
        last_published_at=final[0].published_at if final else None,
        tags=[release.tag for release in within],
    )


def milestones(known: Iterable[Milestone], period: Period) -> list[MilestoneState]:
    """Those that are open at the end of the period or were closed in it; by date, undated last."""
    states = []
    for milestone in known:
        open_at_end = milestone.closed_at is None or milestone.closed_at >= period.end
        if not open_at_end and milestone.closed_at not in period:
            continue
        late = milestone.due_on is not None and milestone.due_on < period.end
        total = milestone.open_issues + milestone.closed_issues
        states.append(
            MilestoneState(
                milestone.number,
                milestone.title,
                "closed" if not open_at_end else "overdue" if late else "open",
                milestone.due_on,
                milestone.closed_issues / total if total else None,
            )
        )
    last = datetime.max.replace(tzinfo=period.end.tzinfo)
    return sorted(states, key=lambda state: (state.due_on or last, state.number))
