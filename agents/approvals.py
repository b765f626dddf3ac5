"""What people make of what agents suggest: approve, reject, change, and what time makes of it.

Each decision is one statement that finds the suggestion in a state that allows it, or changes
nothing: of two people at once, one is told what the other did.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from agents.kit.fit import LEAST_BODY, LEAST_TITLE, MOST_BODY, MOST_TITLE
from agents.kit.suggest import words_of
from scheduler.errors import ConflictError, NotFoundError
from scheduler.job import Connection, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

STATUSES = ("pending", "approved", "rejected", "expired", "published", "publish_failed")
APPROVAL = timedelta(hours=72)
"""An approval that was not used by then is void: the repository has moved on."""
SECOND_LOOK = timedelta(days=7)
"""What is pending again because of that does not expire before."""
MOST_LAPSED = 1_000
"""Suggestions that time changes in one call; the rest with the next."""
MOST_COUNTED = 1_000
MOST_GROUPS = 24
MARKER = re.compile(r"<!--\s*lamplighter", re.IGNORECASE)
BOUNDS = {"title": (LEAST_TITLE, MOST_TITLE), "body": (LEAST_BODY, MOST_BODY)}


class EditError(ValueError):
    """A new title or text cannot be; `field` is which, `allowed` what can."""

    def __init__(self, field: str, allowed: str) -> None:
        super().__init__(f"{field} must be {allowed}")
        self.field = field
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class By:
    """Who decides, from where, why."""

    who: str
    source: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    id: UUID
    seq: int
    project_id: UUID
    agent: str
    kind: str
    status: str
    title: str
    body: str
    evidence: Sequence[Mapping[str, Any]]
    """What it rests on: ref, version, title, url, author, association."""
    scores: Mapping[str, Any]
    confidence: float
    action: Mapping[str, Any]
    """What publishing does: type, repository, and number or tag."""
    shown_hash: str
    """Of title, body and action: what an approval is for."""
    created_at: datetime
    expires_at: datetime
    approved_hash: str | None
    approved_at: datetime | None
    decided_at: datetime | None
    decided_by: str | None
    decided_from: str | None
    decision_reason: str | None
    published_at: datetime | None
    published_url: str | None
    publish_error: str | None
    is_sample: bool
    in_flight: bool
    """Its publishing has begun and not ended."""

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(**{field.name: row[field.name] for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a suggestion."""

    at: datetime
    action: str
    by: str
    source: str | None
    reason: str | None
    detail: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many suggestions of an agent about a project nobody has decided about."""

    project_id: UUID
    agent: str
    count: int


@dataclass(frozen=True, slots=True)
class Lapsed:
    """What time has changed."""

    expired: int
    voided: int
    """Approved, not published in time, and pending again."""


async def find(
    connection: Connection,
    now: datetime,
    *,
    status: str | None = None,
    project: UUID | None = None,
    agent: str | None = None,
    before: int | None = None,
    most: int = 50,
) -> list[Suggestion]:
    """The newest first; `before` is the `seq` of the last one of the page before."""
    await expire(connection, now)
    await sql.plan_each_list(connection)
    filters = {"status": status, "project": project, "agent": agent}
    if any(filters.values()):
        rows = sql.find(connection, **filters, before=before, most=most)
    else:
        rows = sql.find_all(connection, before=before, most=most)
    return [Suggestion.of(row) async for row in rows]


async def waiting(connection: Connection) -> list[Waiting]:
    """Of the latest `MOST_COUNTED` that nobody has decided about; the largest groups first."""
    rows = sql.waiting(connection, most=MOST_COUNTED, most_groups=MOST_GROUPS)
    return [Waiting(**row) async for row in rows]


async def get(connection: Connection, suggestion: UUID, now: datetime) -> Suggestion:
    """Raises `NotFoundError`."""
    await expire(connection, now)
    row = await sql.one(connection, suggestion=suggestion)
    if row is None:
        raise NotFoundError("there is no such suggestion")
    return Suggestion.of(row)


async def events_of(connection: Connection, suggestion: UUID) -> list[Event]:
    """In their order."""
    return [Event(**row) async for row in sql.events_of(connection, suggestion=suggestion)]


async def approve(
    connection: Connection, suggestion: UUID, by: By, now: datetime, shown: str | None = None
) -> Suggestion:
    """Let it be published as it is now; `shown` is the hash of what the approver saw.

    Raises `NotFoundError`, and `ConflictError` where it is no longer pending, or not as shown.
    """
    await expire(connection, now)
    done = await sql.approve(connection, suggestion=suggestion, shown=shown, now=now, **_by(by))
    if done is None:
        now_is = await get(connection, suggestion, now)
        if shown is not None and shown != now_is.shown_hash:
            raise ConflictError("it was changed after it was shown; look at it again")
        raise ConflictError(f"it cannot be approved: {_state(now_is)}")
    return await get(connection, suggestion, now)


async def reject(connection: Connection, suggestion: UUID, by: By, now: datetime) -> Suggestion:
    """It is not suggested again as long as its evidence is the same.

    Raises `NotFoundError`, and `ConflictError` where it is decided or published already.
    """
    await expire(connection, now)
    if await sql.reject(connection, suggestions=[suggestion], now=now, **_by(by)) is None:
        raise ConflictError(
            f"it cannot be rejected: {_state(await get(connection, suggestion, now))}"
        )
    return await get(connection, suggestion, now)


async def reject_many(
    connection: Connection, suggestions: Sequence[UUID], by: By, now: datetime
) -> tuple[list[UUID], dict[UUID, str]]:
    """Those that were rejected, and why the others were not."""
    await expire(connection, now)
    asked = list(dict.fromkeys(suggestions))
    done = set(await sql.reject(connection, suggestions=asked, now=now, **_by(by)) or ())
    there = {
        row["id"]: _state(Suggestion.of(row))
        async for row in sql.several(connection, suggestions=asked)
    }
    refused = {
        one: there.get(one, "there is no such suggestion") for one in asked if one not in done
    }
    return [one for one in asked if one in done], refused


async def edit(
    connection: Connection,
    suggestion: UUID,
    by: By,
    now: datetime,
    *,
    title: str | None = None,
    body: str | None = None,
    shown: str | None = None,
) -> Suggestion:
    """Change its words. What is approved is then pending again: the approval was for others.

    Raises `NotFoundError`, `ConflictError`, and `EditError` for words that cannot be.
    """
    await expire(connection, now)
    before = await get(connection, suggestion, now)
    new_title = before.title if title is None else _checked("title", " ".join(title.split()))
    new_body = before.body if body is None else _checked("body", body.strip())
    done = await sql.edit(
        connection,
        suggestion=suggestion,
        title=new_title,
        body=new_body,
        title_words=words_of(new_title),
        body_words=words_of(new_body),
        shown=before.shown_hash if shown is None else shown,
        now=now,
        expires_at=now + SECOND_LOOK,
        **_by(by),
    )
    if done is None:
        now_is = await get(connection, suggestion, now)
        if now_is.shown_hash != (shown or before.shown_hash):
            raise ConflictError("it was changed after it was shown; look at it again")
        raise ConflictError(f"it cannot be changed: {_state(now_is)}")
    return await get(connection, suggestion, now)


async def expire(connection: Connection, now: datetime) -> Lapsed:
    """What nobody has decided in time expires; what was approved and not published in time is
    pending again. Every reading and decision comes past here, and the cleanup.
    """
    row = await sql.expire(
        connection,
        now=now,
        approved_before=now - APPROVAL,
        expires_at=now + SECOND_LOOK,
        most=MOST_LAPSED,
    )
    assert row is not None  # noqa: S101 - counts
    return Lapsed(row["expired"], row["voided"])


def _by(by: By) -> dict[str, str | None]:
    return {"who": by.who, "source": by.source, "reason": by.reason}


def _checked(field: str, text: str) -> str:
    """Raises `EditError`."""
    least, most = BOUNDS[field]
    allowed = f"a text of {least} to {most} characters"
    if not least <= len(text) <= most:
        raise EditError(field, allowed)
    odd = {c for c in text if unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t\r"}
    if odd:
        raise EditError(field, f"{allowed}, without control characters")
    if MARKER.search(text):
        raise EditError(field, f"{allowed}, without a mark of lamplighter's own")
    return text


def _state(one: Suggestion) -> str:
    """Why nothing can be decided about it any more."""
    when = f" by {one.decided_by}" if one.decided_by else ""
    when += f" at {one.decided_at:%Y-%m-%d %H:%M} UTC" if one.decided_at else ""
    match one.status:
        case "approved" if one.in_flight:
            return "it is being published"
        case "approved":
            return f"it was approved{when}"
        case "rejected":
            return f"it was rejected{when}"
        case "published":
            return f"it was published at {one.published_at:%Y-%m-%d %H:%M} UTC"
        case "expired":
            return f"it expired at {one.expires_at:%Y-%m-%d %H:%M} UTC"
        case status:
            return f"it is {status}"
