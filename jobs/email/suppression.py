"""Whom may nobody write to any more? One list for messages, sequences and newsletters alike.

In SQL, an address is on it where

    EXISTS (SELECT FROM lamplighter.suppressions x
            WHERE x.email = lower(s.email) AND x.lifted_at IS NULL)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal, TypeAlias

from scheduler.job import Connection, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

Reason: TypeAlias = Literal["unsubscribed", "bounced", "complained", "cleaned"]
"""As the product's `newsletter_subscribers.status` names them."""

MOST_DETAIL = 500
"""Characters kept of what the other side said."""


async def suppress(
    connection: Connection,
    emails: Collection[str],
    *,
    reason: Reason,
    source: str,
    now: datetime,
    tables: Mapping[str, frozenset[str]],
    detail: str | None = None,
) -> int:
    """Put the addresses on the list and end their subscriptions; how many were not on it yet.

    `source` says who told us (`smtp`, `link`, `brevo`), `detail` in which words. Somebody who is on
    the list already stays there for the first reason. `tables` is the run's `ctx.tables`: products
    without newsletters have only the list.
    """
    if not emails:
        return 0
    given = sorted({*emails, *(email.lower() for email in emails)})
    added: int = await sql.suppress(
        connection,
        emails=given,
        reason=reason,
        source=source,
        detail=detail[:MOST_DETAIL] if detail else None,
        now=now,
    )
    if "newsletter_subscribers" in tables:
        await sql.mark_subscribers(connection, emails=given, status=reason, now=now)
    return added


async def suppressed(connection: Connection, emails: Collection[str]) -> frozenset[str]:
    """Of these addresses those on the list, in lower case."""
    rows = sql.suppressed(connection, emails=list(emails))
    return frozenset([row["email"] async for row in rows])


async def entry(connection: Connection, email: str) -> Row | None:
    """What the list says of an address that is on it."""
    row: Row | None = await sql.entry(connection, email=email)
    return row


async def lift(connection: Connection, email: str, *, by: str, now: datetime) -> Reason | None:
    """Let somebody be written to again: the reason that held, or None where there was none.

    It does not subscribe anybody: that is for the person to do.
    """
    reason: Reason | None = await sql.lift(connection, email=email, lifted_by=by, now=now)
    return reason
