"""What did the last syncs bring of a project's repository? Read from our tables, in bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

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
from scheduler.job import Connection, Row
from scheduler.sql import Query, load_sql

sql = load_sql(__file__)

MOST = 20_000
"""Rows of a kind that one reading takes, the newest: some 10 MB of each at most."""
MOST_FILES = 100
"""Of one commit or pull request: what changes more files is a move, and says little of any."""
INSTANT = timedelta(microseconds=1)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Repository:
    full_name: str
    default_branch: str | None
    data_since: datetime | None
    last_synced_at: datetime | None
    complete: bool
    is_sample: bool


async def read_repository(connection: Connection, project: UUID) -> Repository | None:
    """None where the project's repository was never fetched."""
    row = await sql.repository(connection, project=project)
    return None if row is None else Repository(**dict(row))


async def read_history(
    connection: Connection,
    project: UUID,
    repository: Repository,
    period: Period,
    most: int = MOST,
) -> History:
    """What happened in the period and in the equal one before it, and what is open at the end."""
    reader = Reader(connection, project, period.before.start, period.end, most)
    commits = await reader.rows("commits", sql.commits, reader.commit, "committed_at")
    pulls = await reader.rows("pullRequests", sql.pulls, reader.pull)
    issues = await reader.rows("issues", sql.issues, reader.issue)
    reviews = await reader.rows("reviews", sql.reviews, reader.review, "submitted_at")
    comments = await reader.rows("comments", sql.comments, reader.comment, "created_at")
    releases = await reader.rows("releases", sql.releases, release, "published_at")
    milestones = await reader.rows("milestones", sql.milestones, milestone)
    return History(
        commits=commits,
        pulls=pulls,
        issues=issues,
        reviews=reviews,
        comments=comments,
        releases=releases,
        milestones=milestones,
        default_branch=repository.default_branch,
        known_since=repository.data_since,
        complete=repository.complete and repository.data_since is not None,
        cut=reader.cut,
    )


class Reader:
    """Makes rows of one reading; names and paths that come again are kept once."""

    def __init__(
        self, connection: Connection, project: UUID, since: datetime, until: datetime, most: int
    ) -> None:
        self._connection = connection
        self._bounds = {"project": project, "since": since, "until": until, "most": most + 1}
        self._most = most
        self._until = until
        self._actors: dict[tuple[str | None, bool], Actor] = {}
        self._texts: dict[str, str] = {}
        self.cut: dict[str, datetime] = {}

    async def rows(
        self, kind: str, query: Query, make: Callable[[Any], T], time: str | None = None
    ) -> tuple[T, ...]:
        """The newest by `time`. Where there are more, `cut` says since when they are all here: of
        what has no one time, never.
        """
        made: list[T] = []
        last: Row | None = None
        async for row in query(self._connection, **self._bounds, most_files=MOST_FILES):
            if len(made) == self._most:
                self.cut[kind] = self._until
                if last is not None and time is not None:
                    self.cut[kind] = last[time] + INSTANT
                break
            made.append(make(row))
            last = row
        return tuple(made)

    def commit(self, row: Row) -> Commit:
        return Commit(
            sha=row["sha"],
            author=self._actor(row),
            authored_at=row["authored_at"],
            committed_at=row["committed_at"],
            additions=row["additions"],
            deletions=row["deletions"],
            files=self._once(row["files"]),
            pull=row["pull"],
        )

    def pull(self, row: Row) -> Pull:
        return Pull(
            number=row["number"],
            author=self._actor(row),
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            closed_at=row["closed_at"],
            labels=self._once(row["labels"]) or (),
            draft=row["draft"],
            ready_at=row["ready_at"],
            merged_at=row["merged_at"],
            base=row["base"],
            additions=row["additions"],
            deletions=row["deletions"],
            files=self._once(row["files"]),
        )

    def issue(self, row: Row) -> Issue:
        return Issue(
            number=row["number"],
            author=self._actor(row),
            created_at=row["created_at"],
            updated_at=row["updated_at"],
            closed_at=row["closed_at"],
            labels=self._once(row["labels"]) or (),
            state_reason=row["state_reason"],
        )

    def review(self, row: Row) -> Review:
        return Review(row["pull"], self._actor(row), row["submitted_at"])

    def comment(self, row: Row) -> Comment:
        return Comment(row["number"], self._actor(row), row["created_at"])

    def _actor(self, row: Row) -> Actor:
        key = (row["author_login"], row["author_is_bot"])
        return self._actors.setdefault(key, Actor(*key))

    def _once(self, texts: Sequence[str] | None) -> tuple[str, ...] | None:
        if texts is None:
            return None
        return tuple(self._texts.setdefault(text, text) for text in texts)


def release(row: Row) -> Release:
    return Release(row["tag"], row["published_at"], row["prerelease"])


def milestone(row: Row) -> Milestone:
    return Milestone(
        row["number"],
        row["title"],
        row["due_on"],
        row["closed_at"],
        row["open_issues"],
        row["closed_issues"],
    )
