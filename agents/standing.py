"""How does each project stand: repository, velocity, quota, and what the agents made of it?

For pages: everything here only reads, and as much as a page shows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from scheduler.errors import NotFoundError
from scheduler.job import Connection, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

Tables = Mapping[str, frozenset[str]]

COLUMNS = frozenset({"id", "name", "status", "github_repo", "github_sync_enabled"})
"""Of the product's `projects`, without which there is nothing to show."""
MEASURED = timedelta(hours=168)
"""The period that every visit to a project measures."""
MOST_WAITING = 100
"""Pending suggestions that are counted; more are not told apart."""
MOST_DAYS = 120
MOST_TOKENS = 50
MOST_CHOICES = 200
MOST_HELD_BACK = 10
"""Proposals of one look that were not kept, with the reason."""
MOST_TITLE = 300
MOST_WHY = 500


@dataclass(frozen=True, slots=True)
class Part:
    """What the velocity score is made of, one of several."""

    name: str
    value: float | None
    points: float | None
    """0 to 100; None where it is not known, and does not count."""
    weight: float
    threshold: float | None
    """The value from which on it has all points."""


@dataclass(frozen=True, slots=True)
class Velocity:
    score: float
    previous: float | None
    trend: str
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, kept: object) -> Self | None:
        """None for what another version kept in another form."""
        if not isinstance(kept, dict) or (score := _number(kept.get("score"))) is None:
            return None
        components = kept.get("components")
        parts = tuple(
            Part(
                str(name),
                _number(part.get("value")),
                _number(part.get("points")),
                _number(part.get("weight")) or 0.0,
                _number(part.get("threshold")),
            )
            for name, part in (components if isinstance(components, dict) else {}).items()
            if isinstance(part, dict)
        )
        trend = str(kept.get("trend", "insufficient_data"))
        return cls(score, _number(kept.get("previousScore")), trend, parts)


@dataclass(frozen=True, slots=True)
class Standing:
    """One project."""

    id: UUID
    name: str
    repository: str | None
    """owner/name, as the project has it now."""
    status: str
    is_synced: bool
    """Whether the schedule fetches it and goes over it."""
    full_name: str | None
    """owner/name, as it was last fetched."""
    moved_to: str | None
    html_url: str | None
    default_branch: str | None
    data_since: datetime | None
    open_issues: int | None
    error: str | None
    error_at: datetime | None
    last_synced_at: datetime | None
    is_complete: bool
    is_sample: bool
    velocity: Velocity | None
    measured_to: datetime | None
    unit_status: str | None
    unit_started_at: datetime | None
    waiting: int
    """Suggestions that nobody has decided about, `MOST_WAITING` at most."""

    @classmethod
    def of(cls, row: Row) -> Self:
        values = {field.name: row[field.name] for field in fields(cls)}
        return cls(**{**values, "velocity": Velocity.of(row["velocity"])})


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of one token's requests."""

    token: str
    """A name that cannot be turned back into it."""
    resource: str
    limit: int
    remaining: int
    reset_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Execution:
    """What one agent made of a visit."""

    agent: str
    status: str
    reason: str | None
    items: int
    suggestions: int
    held_back: tuple[tuple[str, str], ...]
    """Titles of proposals that were not kept, and why."""
    model: str | None
    calls: int
    tokens: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class Visited:
    """One visit to a project."""

    id: UUID
    scheduled_for: datetime
    run_id: UUID
    status: str
    phase: str
    attempts: int
    error: str | None
    next_attempt_at: datetime | None
    started_at: datetime
    finished_at: datetime | None
    executions: tuple[Execution, ...]


def why_none(tables: Tables) -> str | None:
    """Why the product has no projects to show; None where it can have some."""
    columns = tables.get("projects")
    if columns is None:
        return "the product has no table projects"
    missing = sorted(COLUMNS - columns)
    return f"the product's table projects has no {', '.join(missing)}" if missing else None


async def standings(
    connection: Connection, tables: Tables, *, after: UUID | None, most: int
) -> list[Standing]:
    """Of the projects that have a repository, by name."""
    if why_none(tables):
        return []
    rows = sql.standings(
        connection, after=after, most=most, measured=MEASURED, most_waiting=MOST_WAITING
    )
    return [Standing.of(row) async for row in rows]


async def standing_of(connection: Connection, tables: Tables, project: UUID) -> Standing:
    """Raises `NotFoundError`."""
    row = None
    if not why_none(tables):
        row = await sql.standing_of(
            connection, project=project, measured=MEASURED, most_waiting=MOST_WAITING
        )
    if row is None:
        raise NotFoundError(f"there is no project {project}")
    return Standing.of(row)


async def trend_of(connection: Connection, project: UUID) -> list[tuple[date, float]]:
    """The velocity score by day."""
    rows = sql.trend(connection, project=project, measured=MEASURED, most=MOST_DAYS)
    return [(row["day"], row["score"]) async for row in rows]


async def quotas(connection: Connection, project: UUID | None = None) -> list[Quota]:
    rows = sql.quotas(connection, project=project, most=MOST_TOKENS)
    return [
        Quota(
            row["token_hash"][:10],
            row["resource"],
            row["limit"],
            row["remaining"],
            row["reset_at"],
            row["seen_at"],
        )
        async for row in rows
    ]


async def visits(
    connection: Connection, project: UUID, *, before: datetime | None, most: int
) -> list[Visited]:
    """The latest first; `before` is the `scheduled_for` of the last one of the page before."""
    rows = [row async for row in sql.units(connection, project=project, before=before, most=most)]
    made: dict[UUID, list[Execution]] = {row["id"]: [] for row in rows}
    async for row in sql.executions(connection, units=list(made)):
        made[row["unit_id"]].append(_execution(row))
    return [Visited(**row, executions=tuple(made[row["id"]])) for row in rows]


async def spent(connection: Connection, project: UUID, day: date) -> Decimal:
    """US dollars, of that day (UTC)."""
    return await sql.spent(connection, project=project, day=day) or Decimal(0)


async def names_of(
    connection: Connection, tables: Tables, projects: Collection[UUID]
) -> dict[UUID, str]:
    """What the product calls them; those that are no longer there have no name."""
    if why_none(tables) or not projects:
        return {}
    rows = sql.names(connection, projects=list(projects))
    return {row["id"]: row["name"] async for row in rows}


async def choices(connection: Connection, tables: Tables) -> Sequence[tuple[UUID, str]]:
    """Projects to choose from, by name."""
    if why_none(tables):
        return ()
    return [(row["id"], row["name"]) async for row in sql.choices(connection, most=MOST_CHOICES)]


def _execution(row: Row) -> Execution:
    return Execution(
        agent=row["agent"],
        status=row["status"],
        reason=row["reason"],
        items=row["items"],
        suggestions=row["suggestions"],
        held_back=_held_back(row["rejected"]),
        model=row["model"],
        calls=row["calls"],
        tokens=row["tokens_in"] + row["tokens_out"],
        cost_usd=row["cost_usd"],
    )


def _held_back(kept: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(kept, list):
        return ()
    pairs = (one for one in kept[:MOST_HELD_BACK] if isinstance(one, dict))
    return tuple(
        (str(one.get("title", ""))[:MOST_TITLE], str(one.get("reason", ""))[:MOST_WHY])
        for one in pairs
    )


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]
