"""How far is the sync with each provider of newsletters, and how did the last ones end?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scheduler.db.product_pages.odd import OddError, kind, parsed
from scheduler.db.product_pages.part import moment
from scheduler.job import Connection, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

NEEDS = {
    "newsletter_sync_log": (
        *("provider", "direction", "sync_type", "status", "records_processed", "records_created"),
        *("records_updated", "records_failed", "errors", "started_at", "completed_at"),
    )
}
MOST_LOG = 200
MOST_BYTES = 65_536
MOST_ERRORS = 10
MOST_DELIVERIES = 500
CONTACTS_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Synced:
    """One sync, as the log has it."""

    provider: str
    type: str
    direction: str
    status: str
    processed: int
    created: int
    updated: int
    failed: int
    errors: Sequence[str]
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """What lamplighter itself knows of a provider."""

    full_begun_at: datetime | None
    full_at: datetime | None
    contacts: int
    """Up to `CONTACTS_COUNTED`, and one more where there are more."""


async def log(connection: Connection) -> list[Synced]:
    """The latest, newest first."""
    rows = sql.log(connection, most=MOST_LOG, most_bytes=MOST_BYTES)
    return [
        Synced(
            provider=row["provider"],
            type=row["sync_type"],
            direction=row["direction"],
            status=row["status"],
            processed=row["processed"],
            created=row["created"],
            updated=row["updated"],
            failed=row["failed"],
            errors=_errors(row),
            started_at=moment(row["started_at"]),
            completed_at=moment(row["completed_at"]),
        )
        async for row in rows
    ]


async def known(connection: Connection) -> dict[str, Known]:
    rows = sql.providers(connection, cap=CONTACTS_COUNTED)
    return {
        row["provider"]: Known(row["full_begun_at"], row["full_at"], row["contacts"])
        async for row in rows
    }


async def deliveries(connection: Connection) -> dict[str, datetime]:
    """When the last webhook of each provider came."""
    rows = sql.deliveries(connection, most=MOST_DELIVERIES)
    return {row["provider"]: row["at"] async for row in rows}


def _errors(row: Row) -> list[str]:
    """In words; the product may have written anything."""
    if row["errors"] is None:
        return []
    try:
        found = parsed("errors", row["errors"])
    except OddError as error:
        return [str(error)]
    if not isinstance(found, list):
        return [f"errors is {kind(found)}, not a list"] if found else []
    return [_error(one) for one in found[:MOST_ERRORS]]


def _error(one: object) -> str:
    if not isinstance(one, dict):
        return str(one)[:300]
    message = str(one.get("message") or one.get("error") or "no message")[:300]
    who = one.get("email") or one.get("segment")
    return f"{str(who)[:254]}: {message}" if who else message
