"""What is there of a project for an agent to read? Rows of the last syncs become items."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from agents.kit.agent import Agent, Item, Source
from scheduler.job import Connection
from scheduler.policy import Association
from scheduler.sql import load_sql

sql = load_sql(__file__)

MOST_ROWS = 200
"""Of a kind, of which an agent then takes what concerns it."""
MOST_TEXT = 6_000
"""Characters of one text: a model reads the beginning of a long one."""
MOST_LISTED = 30
"""Files and labels of one item."""
STALE = timedelta(days=60)
"""Nothing happened in an open item for so long, as GitHub's own action `stale` has it."""
TRUST = list(Association)
"""From nobody to the owner. GitHub's MANNEQUIN stands for an unknown person."""


async def read_items(
    connection: Connection, project: UUID, agent: Agent, now: datetime, trusted: Association
) -> list[Item]:
    """What concerns the agent, the latest first; without what those below `trusted` have written.

    What has no author at all (commits of unknown people, for one) is nobody's, and so is shown only
    where nobody is trusted.
    """
    found: list[Item] = []
    for source in sorted(agent.reads):
        query, make = READERS[source]
        rows = query(
            connection,
            project=project,
            now=now,
            since=now - agent.look_back,
            most=MOST_ROWS,
            most_text=MOST_TEXT,
            most_listed=MOST_LISTED,
        )
        found += [make(row, now) async for row in rows]
    return business_of(agent, found, now, trusted)


def business_of(
    agent: Agent, items: Iterable[Item], now: datetime, trusted: Association
) -> list[Item]:
    """What of it concerns the agent and may be shown, the latest first."""
    return sorted(
        (item for item in items if is_trusted(item, trusted) and agent.concerns(item, now)),
        key=lambda item: (item.at, item.ref),
        reverse=True,
    )


def is_trusted(item: Item, least: Association) -> bool:
    """Whether its text may be shown. Files, releases and milestones are made by maintainers."""
    if item.source in {Source.FILES, Source.RELEASES, Source.MILESTONES}:
        return True
    association = item.association
    known = Association(association) if association in TRUST else Association.NONE
    allowed: bool = TRUST.index(known) >= TRUST.index(least)
    return allowed


def _version(*parts: object) -> str:
    text = json.dumps(parts, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_stale(row: Mapping[str, Any], now: datetime) -> bool:
    return bool(row["state"] == "open" and now - row["updated_at"] >= STALE)


def _days(since: datetime, now: datetime) -> int:
    return (now - since).days


def _labels(row: Mapping[str, Any]) -> list[JsonValue]:
    return list(row["labels"])


def _files(row: Mapping[str, Any]) -> list[JsonValue] | None:
    return None if row["files"] is None else list(row["files"])


def _pull(row: Mapping[str, Any], now: datetime) -> Item:
    stale = _is_stale(row, now)
    return Item(
        Source.PULLS,
        str(row["number"]),
        # What is said about it makes it no other pull request; another head or state does.
        _version(
            *(row[key] for key in ("title", "text", "state", "draft", "head_sha", "merged_at")),
            *(row["labels"], row["base"], stale),
        ),
        row["title"],
        row["text"] or "",
        row["html_url"],
        row["updated_at"],
        row["author_login"],
        row["author_association"],
        {
            "state": "merged" if row["merged_at"] else row["state"],
            "draft": row["draft"],
            "base": row["base"],
            "additions": row["additions"],
            "deletions": row["deletions"],
            "changedFiles": row["changed_files"],
            "files": _files(row),
            "labels": _labels(row),
            "milestone": row["milestone"],
            "reviewsByOthers": row["reviews"],
            "openedDaysAgo": _days(row["created_at"], now),
            "stale": stale,
            "byBot": row["author_is_bot"],
        },
    )


def _issue(row: Mapping[str, Any], now: datetime) -> Item:
    stale = _is_stale(row, now)
    return Item(
        Source.ISSUES,
        str(row["number"]),
        _version(
            *(row[key] for key in ("title", "text", "state", "state_reason", "labels", "comments")),
            stale,
        ),
        row["title"],
        row["text"] or "",
        row["html_url"],
        row["updated_at"],
        row["author_login"],
        row["author_association"],
        {
            "state": row["state"],
            "stateReason": row["state_reason"],
            "labels": _labels(row),
            "milestone": row["milestone"],
            "comments": row["comments"],
            "reactions": row["reactions"],
            "openedDaysAgo": _days(row["created_at"], now),
            "stale": stale,
            "byBot": row["author_is_bot"],
        },
    )


def _commit(row: Mapping[str, Any], now: datetime) -> Item:
    title, _, text = row["text"].partition("\n")
    return Item(
        Source.COMMITS,
        row["sha"],
        row["sha"],
        title,
        text.strip(),
        "",
        row["committed_at"],
        # Its author can call himself anything: only what GitHub knows is a login.
        row["author_login"],
        # It is on the default branch: somebody who may has let it in.
        Association.COLLABORATOR,
        {
            "authorName": None if row["author_login"] else row["author_name"],
            "pull": row["pull"],
            "additions": row["additions"],
            "deletions": row["deletions"],
            "files": _files(row),
            "daysAgo": _days(row["committed_at"], now),
            "byBot": row["author_is_bot"],
        },
    )


def _release(row: Mapping[str, Any], now: datetime) -> Item:
    return Item(
        Source.RELEASES,
        row["tag"],
        _version(*(row[key] for key in ("tag", "name", "text", "draft", "published_at"))),
        row["name"] or row["tag"],
        row["text"] or "",
        row["html_url"],
        row["at"],
        row["author_login"],
        None,
        {
            "draft": row["draft"],
            "prerelease": row["prerelease"],
            "daysAgo": _days(row["at"], now),
        },
    )


def _milestone(row: Mapping[str, Any], now: datetime) -> Item:
    done = row["open_issues"] == 0 and row["closed_issues"] > 0
    late = row["state"] == "open" and row["due_on"] is not None and row["due_on"] < now
    return Item(
        Source.MILESTONES,
        str(row["number"]),
        _version(*(row[key] for key in ("title", "text", "state", "due_on")), done, late),
        row["title"],
        row["text"] or "",
        row["html_url"],
        row["closed_at"] or row["created_at"],
        None,
        None,
        {
            "state": row["state"],
            "dueOn": row["due_on"].date().isoformat() if row["due_on"] else None,
            "openIssues": row["open_issues"],
            "closedIssues": row["closed_issues"],
            "allDone": done,
            "overdue": late,
        },
    )


def _file(row: Mapping[str, Any], now: datetime) -> Item:
    return Item(
        Source.FILES,
        row["path"],
        row["sha"],
        row["path"],
        row["text"],
        "",
        row["at"] or now,
        facts={"bytes": row["size"]},
    )


READERS: Mapping[Source, tuple[Callable[..., Any], Callable[[Mapping[str, Any], datetime], Item]]]
READERS = {
    Source.PULLS: (sql.pulls, _pull),
    Source.ISSUES: (sql.issues, _issue),
    Source.COMMITS: (sql.commits, _commit),
    Source.RELEASES: (sql.releases, _release),
    Source.MILESTONES: (sql.milestones, _milestone),
    Source.FILES: (sql.files, _file),
}


def refs(items: Sequence[Item]) -> frozenset[str]:
    return frozenset(item.ref for item in items)
