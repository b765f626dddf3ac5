"""What is being published, and how far is it? One row for each, made as its approval is used up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from agents.approvals import APPROVAL, SECOND_LOOK
from agents.github.errors import GitHubError
from agents.github.names import name_of
from agents.kit import autonomy
from scheduler.errors import BusyError, ConflictError, NotFoundError
from scheduler.job import Connection, Row
from scheduler.policy import AutoPublish
from scheduler.sql import load_sql

sql = load_sql(__file__)

SAMPLE = "a sample is never published: it is there to try the queue with"
BUSY = "another run is publishing it"


@dataclass(frozen=True, slots=True)
class Task:
    """A suggestion that is being published, and what it is held against."""

    id: UUID
    project: UUID
    title: str
    body: str
    action: Mapping[str, Any]
    kind: str
    authors: frozenset[str | None]
    marker: UUID
    begun_at: datetime
    sent_at: datetime | None
    """When it last may have been."""
    approved_at: datetime
    by_itself: bool
    """Nobody has approved it but auto_publish."""
    has_project: bool
    full_name: str | None
    """The project's repository now; None where that is not owner/name."""
    moved_to: str | None
    own_token: str | None
    use_global: bool
    installation: int | None

    @property
    def mark(self) -> str:
        return f"<!-- lamplighter:{self.marker} -->"

    @property
    def is_todo(self) -> bool:
        return bool(self.action["type"] == "todo")

    def is_stale(self, now: datetime) -> bool:
        return self.approved_at <= now - APPROVAL

    async def held(self, connection: Connection, policy: AutoPublish, now: datetime) -> str | None:
        """Why it may not be published without somebody's approval (any more)."""
        if not self.by_itself:
            return None
        return await autonomy.why_held(
            connection,
            policy,
            project=self.project,
            kind=self.kind,
            authors=self.authors,
            now=now,
            suggestion=self.id,
        )


async def ready(connection: Connection, project: UUID | None, most: int) -> list[UUID]:
    """What auto_publish has approved, and what is begun and not done; the oldest first."""
    rows = sql.ready(connection, project=project, by=autonomy.BY, most=most)
    return [row["id"] async for row in rows]


async def take(
    connection: Connection,
    suggestion: UUID,
    run: UUID,
    now: datetime,
    *,
    automatic: bool,
    api_url: str,
) -> tuple[Task, bool]:
    """What may be published, held by `run` from now on; and whether it was begun before.

    Raises `NotFoundError`, `ConflictError` or `BusyError` where it may not.
    """
    if await sql.lock(connection, suggestion=suggestion) is None:
        raise NotFoundError("there is no such suggestion")
    row = await sql.read(connection, suggestion=suggestion, run=run)
    assert row is not None  # noqa: S101 - locked above
    task = _task(row, now, api_url)
    if row["is_sample"]:
        raise ConflictError(SAMPLE)
    if row["is_open"]:
        if row["is_at_work"]:
            raise BusyError(BUSY)
        await sql.take_over(connection, suggestion=suggestion, run=run)
        return task, True
    if row["status"] != "approved" or row["approved_hash"] is None:
        raise ConflictError(f"it is {row['status']}; what is approved can be published")
    if row["approved_hash"] != row["hash_now"]:
        raise ConflictError("it was changed after it was approved; approve it again")
    if task.is_stale(now):
        raise ConflictError("it was approved too long ago; approve it again")
    return replace(task, by_itself=automatic), False


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of it."""

    status: Literal["published", "publish_failed"]
    url: str | None
    error: str | None


async def ended_by(connection: Connection, suggestion: UUID, run: UUID) -> Ended | None:
    """What an earlier attempt of `run` has made of it, whose answer may have been lost."""
    row = await sql.ended_by(connection, suggestion=suggestion, run=run)
    if row is None:
        return None
    return Ended(row["status"], row["published_url"], row["publish_error"])


async def begin(connection: Connection, task: Task, run: UUID, now: datetime) -> None:
    """Use the approval up."""
    await sql.begin(
        connection,
        suggestion=task.id,
        marker=task.marker,
        now=now,
        run=run,
        by_itself=task.by_itself,
        by=autonomy.BY if task.by_itself else "lamplighter",
    )


async def set_sent(connection: Connection, task: Task, run: UUID, now: datetime) -> None:
    """It is about to leave. Raises `BusyError` where another run has taken it over."""
    if await sql.set_sent(connection, suggestion=task.id, run=run, now=now) is None:
        raise BusyError(BUSY)


async def set_published(connection: Connection, task: Task, url: str | None, now: datetime) -> None:
    if await sql.set_published(connection, suggestion=task.id, url=url, now=now) is None:
        raise BusyError(BUSY)


async def set_failed(connection: Connection, task: Task, why: str, now: datetime) -> None:
    """Nothing was written; somebody may approve it again."""
    await sql.set_failed(connection, suggestion=task.id, why=why, now=now)


async def give_back(connection: Connection, task: Task, why: str, now: datetime) -> None:
    """Somebody has to approve it (again)."""
    await sql.give_back(
        connection, suggestion=task.id, why=why, now=now, expires_at=now + SECOND_LOOK
    )


def _task(row: Row, now: datetime, api_url: str) -> Task:
    try:
        full_name = name_of(row["github_repo"] or "", api_url)
    except GitHubError:
        full_name = None
    return Task(
        id=row["id"],
        project=row["project_id"],
        title=row["title"],
        body=row["body"],
        action=row["action"],
        kind=row["kind"],
        authors=frozenset(item.get("author") for item in row["evidence"]),
        marker=row["marker"] or uuid4(),
        begun_at=row["begun_at"] or now,
        sent_at=row["sent_at"],
        approved_at=row["approved_at"] or row["created_at"],
        by_itself=bool(row["by_itself"]),
        has_project=row["has_project"],
        full_name=full_name,
        moved_to=row["moved_to"],
        own_token=row["github_pat_encrypted"],
        use_global=row["use_global_pat"],
        installation=row["installation_id"],
    )
