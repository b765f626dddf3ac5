"""What do we know of each address at a provider, and what follows: who is to be sent, who left?"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from jobs.email.suppression import Reason, suppress
from jobs.newsletter.provider import (
    DEPARTED,
    Contact,
    Cursor,
    Outcome,
    Page,
    Remote,
    is_address,
    plain,
)
from scheduler.job import Connection, JobContext, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

Note: TypeAlias = Callable[[Connection], Awaitable[None]]
"""What else is written down in the transaction that keeps what became of a lot."""

FIRST = UUID(int=0)
STRETCH = 20_000
"""Subscribers looked at in one transaction."""
FORGOTTEN_AT_ONCE = 10_000
MOST_ID = 100
"""Characters of a provider's id, as the product's columns have them."""
MOST_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Due:
    """Somebody to be sent, and what is to be remembered once they are."""

    subscriber_id: UUID
    hash: UUID
    groups: tuple[str, ...]
    contact: Contact


@dataclass(frozen=True, slots=True)
class Position:
    cursor: Cursor | None
    full_begun_at: datetime | None
    full_at: datetime | None


class Contacts:
    """The contacts of one provider, for one run."""

    def __init__(self, ctx: JobContext, provider: str) -> None:
        self._ctx = ctx
        self.provider = provider

    async def position(self, audience: str) -> Position:
        """How far the sync is; another list there begins anew."""
        async with self._ctx.db.transaction() as connection:
            row = await sql.provider(connection, provider=self.provider)
        if row is not None and row["audience"] == audience:
            return Position(row["cursor"], row["full_begun_at"], row["full_at"])
        forgotten = FORGOTTEN_AT_ONCE
        while forgotten == FORGOTTEN_AT_ONCE:
            async with self._ctx.db.transaction() as connection:
                forgotten = await sql.forget_some(
                    connection, provider=self.provider, size=FORGOTTEN_AT_ONCE
                )
        async with self._ctx.db.transaction() as connection:
            await sql.begin_anew(connection, provider=self.provider, audience=audience)
        return Position(None, None, None)

    async def begin_full(self) -> None:
        async with self._ctx.db.transaction() as connection:
            await sql.begin_full(connection, provider=self.provider, now=self._ctx.now())

    async def end_full(self, begun: datetime) -> int:
        """How many turned out to have been deleted there."""
        async with self._ctx.db.transaction() as connection:
            missing: int = await sql.end_full(
                connection, provider=self.provider, begun=begun, now=self._ctx.now()
            )
        return missing

    async def keep_page(self, page: Page, *, full: bool) -> int:
        """Keep what a page says, and where it ends; how many have left since we last knew."""
        contacts = [remote for remote in page.contacts if is_address(remote.email)]
        if not contacts and page.more:
            return 0
        async with self._ctx.db.transaction() as connection:
            left = await self._keep(connection, contacts, full=full)
            if page.resumable or not page.more:
                await sql.move_on(connection, provider=self.provider, cursor=page.cursor)
        return left

    async def due(self, after: UUID, *, full: bool) -> tuple[list[Due], UUID | None]:
        """Who is to be sent, of the next subscribers after that key, and the last of those.

        None for the last where nobody is left.
        """
        async with self._ctx.db.transaction() as connection:
            through = await sql.stretch_end(connection, after=after, size=STRETCH)
            if through is None:
                return [], None
            question = await self._question(connection, full)
            rows = sql.due(connection, **question, after=after, through=through)
            return [_due(row) async for row in rows], through

    async def leave_here(self, after: UUID, through: UUID) -> int:
        """End the subscriptions of those whose address the product writes with capitals, where no
        page and no webhook could find them; how many.
        """
        async with self._ctx.db.transaction() as connection:
            left: int = await sql.leave_here(
                connection, after=after, through=through, now=self._ctx.now()
            )
        return left

    async def odd_groups(self) -> list[str]:
        """The slugs of segments whose id there cannot be one; they are passed over."""
        async with self._ctx.db.transaction() as connection:
            rows = sql.odd_groups(connection, provider=self.provider)
            return [row["slug"] async for row in rows]

    async def leaving(self, after: str, size: int) -> list[Contact]:
        async with self._ctx.db.transaction() as connection:
            rows = sql.leaving(connection, provider=self.provider, after=after, size=size)
            return [
                Contact(row["email"], remote_id=row["remote_id"], known=True) async for row in rows
            ]

    async def counts(self, *, full: bool) -> tuple[int, int, int]:
        """How many would be created, updated and unsubscribed there."""
        async with self._ctx.db.transaction() as connection:
            due = await sql.count_due(connection, **await self._question(connection, full))
            leaving = await sql.count_leaving(connection, provider=self.provider)
        return due["created"], due["updated"], leaving

    async def keep_pushed(self, due: Sequence[Due], outcomes: Sequence[Outcome], note: Note) -> int:
        """Remember what became of them; how many turned out to have left there."""
        by_email = {outcome.email: outcome for outcome in outcomes}
        pairs = [(one, by_email[one.contact.email]) for one in due]
        columns: dict[str, object] = {
            "emails": [one.contact.email for one, _ in pairs],
            "subscribers": [one.subscriber_id for one, _ in pairs],
            "ids": [_bounded(outcome.remote_id, MOST_ID) for _, outcome in pairs],
            "messages": [_message(outcome) for _, outcome in pairs],
        }
        async with self._ctx.db.transaction() as connection:
            now = self._ctx.now()
            left = await self._keep(
                connection,
                [
                    Remote(o.email, o.remote_id or one.contact.remote_id or "", o.status)
                    for one, o in pairs
                    if o.status is not None and o.status in DEPARTED
                ],
                full=False,
            )
            await sql.pushed(
                connection,
                **columns,
                provider=self.provider,
                hashes=[one.hash for one, _ in pairs],
                kinds=[outcome.kind for _, outcome in pairs],
                statuses=[outcome.status for _, outcome in pairs],
                groups=[json.dumps(one.groups) for one, _ in pairs],
                now=now,
            )
            await sql.mark(connection, **columns, provider=self.provider, now=now)
            await note(connection)
        return left

    async def keep_left(self, outcomes: Sequence[Outcome], note: Note) -> None:
        done = [outcome for outcome in outcomes if outcome.kind in {"left", "gone"}]
        async with self._ctx.db.transaction() as connection:
            await sql.left(
                connection,
                provider=self.provider,
                emails=[outcome.email for outcome in done],
                statuses=[
                    "deleted"
                    if outcome.kind == "gone"
                    else DEPARTED.get(outcome.status or "", "unsubscribed")
                    for outcome in done
                ],
                now=self._ctx.now(),
            )
            await note(connection)

    async def _keep(self, connection: Connection, contacts: Sequence[Remote], *, full: bool) -> int:
        if not contacts:
            return 0
        now = self._ctx.now()
        by_email = {remote.email.lower(): remote for remote in contacts}
        rows = sql.pulled(
            connection,
            provider=self.provider,
            emails=list(by_email),
            ids=[remote.remote_id[:MOST_ID] for remote in by_email.values()],
            statuses=[remote.status for remote in by_email.values()],
            full=full,
            now=now,
        )
        reasons: defaultdict[Reason, list[str]] = defaultdict(list)
        async for row in rows:
            reasons[row["status"]].append(row["email"])
        for reason, emails in sorted(reasons.items()):
            await suppress(
                connection,
                emails,
                reason=reason,
                source=self.provider,
                now=now,
                tables=self._ctx.tables,
            )
        return sum(map(len, reasons.values()))

    async def _question(self, connection: Connection, full: bool) -> Mapping[str, object]:
        grouped = await sql.grouped(connection, provider=self.provider)
        return {"provider": self.provider, "grouped": grouped, "full": full}


def _due(row: Row) -> Due:
    groups, had = set(row["groups"]), set(row["had"])
    status = row["remote_status"]
    return Due(
        row["id"],
        row["hash"],
        tuple(sorted(groups)),
        Contact(
            row["email"],
            plain(row["first_name"]),
            plain(row["last_name"]),
            plain(row["subscription_tier"]),
            remote_id=row["remote_id"],
            known=status in {"active", "absent"},
            on_list=status != "absent",
            joins=tuple(sorted(groups - had)) if status == "active" else tuple(sorted(groups)),
            leaves=tuple(sorted(had - groups)) if status == "active" else (),
        ),
    )


def _message(outcome: Outcome) -> str | None:
    match outcome.kind:
        case "created" | "updated" | "left":
            return None
        case "gone":
            return "was deleted there, and is not made again unless signing up here again"
        case "refused" | "failed":
            return _bounded(plain(outcome.message, MOST_MESSAGE) or outcome.kind, MOST_MESSAGE)


def _bounded(text: str | None, most: int) -> str | None:
    return text[:most] if text is not None else None
