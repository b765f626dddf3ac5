"""Who is on the list of those that nobody writes to? The latest, and by how an address begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scheduler.job import Connection
from scheduler.sql import load_sql

sql = load_sql(__file__)

COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Suppressed:
    email: str
    reason: str
    source: str
    detail: str | None
    created_at: datetime
    lifted_at: datetime | None
    lifted_by: str | None


async def latest(
    connection: Connection, before: tuple[datetime, str] | None, most: int
) -> list[Suppressed]:
    """Those in force, newest first, after the time and address of the last one seen."""
    at, email = before or (None, None)
    rows = sql.latest(connection, at=at, email=email, most=most)
    return [Suppressed(**row) async for row in rows]


async def beginning(connection: Connection, begin: str, most: int) -> list[Suppressed]:
    """Whose address begins so, in their order; also those that were lifted."""
    rows = sql.from_address(connection, begin=begin.lower(), most=most)
    found = [Suppressed(**row) async for row in rows]
    return [one for one in found if one.email.startswith(begin.lower())]


async def in_force(connection: Connection) -> int:
    """Counted up to `COUNTED`, and one more where there are more."""
    return int(await sql.in_force(connection, cap=COUNTED))
