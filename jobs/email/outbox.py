"""Which messages of the queue does a run take, and may it still send them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from jobs.email.message import Queued
from scheduler.condition import clear_condition, set_condition
from scheduler.job import JobContext, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

CONDITION = "outbox"
COUNTED = 10_000
EXPIRED_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows are to be sent."""

    oldest: datetime
    """What was due before is too late."""
    ours: bool
    """Those of sequences."""
    theirs: bool
    """Those that the product queued."""
    backlog: bool
    """Also the product's that were due before lamplighter came."""


@dataclass(frozen=True, slots=True)
class Verdict:
    suppressed: frozenset[str]
    """Of its recipients those to whom nobody may write."""
    why_not: str | None = None
    """Why it is not to be sent at all."""
    code: str = ""


class Outbox:
    """The queue, for one attempt of one run."""

    def __init__(self, ctx: JobContext, scope: Scope) -> None:
        self._ctx = ctx
        self._scope = scope
        self._owner: dict[str, object] = {"run_id": ctx.run_id, "attempt": ctx.attempt}
        self._transactional: frozenset[UUID] = frozenset()
        self._rows: dict[str, object] = {}

    async def open(self) -> bool:
        """Take back what dead runs left; whether the outbox is paused."""
        async with self._ctx.db.transaction() as connection:
            came = await sql.came(connection)
            if came is None or self._scope.backlog:
                came = datetime.min.replace(tzinfo=self._ctx.now().tzinfo)
            held = []
            if {"newsletter_sequences", "newsletter_sequence_steps"} <= self._ctx.tables.keys():
                held = [row["id"] async for row in sql.held(connection)]
            self._rows = {
                "oldest": self._scope.oldest,
                "ours": self._scope.ours,
                "held": held,
                "theirs": self._scope.theirs,
                "came": came,
            }
            if "email_templates" in self._ctx.tables:
                rows = sql.transactional(connection)
                self._transactional = frozenset([row["id"] async for row in rows])
            found = await sql.release_dead(connection, now=self._ctx.now())
            if found:
                self._ctx.log.info("messages_taken_back", messages=found)
            return bool(await sql.paused(connection, name=CONDITION))

    async def expire(self, why: str) -> int:
        """Cancel what sequences queued and is too late now; how many."""
        expired = 0
        while True:
            async with self._ctx.db.transaction() as connection:
                found: int = await sql.expire(
                    connection,
                    oldest=self._scope.oldest,
                    why=why,
                    size=EXPIRED_AT_ONCE,
                    now=self._ctx.now(),
                )
            expired += found
            if found < EXPIRED_AT_ONCE:
                return expired

    async def left_alone(self) -> int:
        """How many of the product's own are due and stay as they are; counted up to `COUNTED`."""
        rows = {name: value for name, value in self._rows.items() if name not in {"ours", "held"}}
        async with self._ctx.db.transaction() as connection:
            return int(
                await sql.left_alone(connection, **rows, at_most=COUNTED, now=self._ctx.now())
            )

    async def any_due(self, *, ours: bool | None = None) -> bool:
        rows = self._rows if ours is None else {**self._rows, "ours": ours, "theirs": not ours}
        async with self._ctx.db.transaction() as connection:
            return bool(await sql.any_due(connection, **rows, now=self._ctx.now()))

    async def claim(self, most: int) -> list[Queued]:
        """Up to `most` messages, which nobody else sends while this attempt lasts."""
        claimed: list[Queued] = []
        async with self._ctx.db.transaction() as connection:
            for met_trouble in (False, True):
                if len(claimed) < most:
                    rows = sql.claim(
                        connection,
                        **self._rows,
                        **self._owner,
                        met_trouble=met_trouble,
                        size=most - len(claimed),
                        now=self._ctx.now(),
                    )
                    claimed += [_queued(row) async for row in rows]
        return claimed

    async def check(self, queued: Queued) -> Verdict | None:
        """Whether it is still to be sent; None where somebody else has ended it."""
        emails = sorted({e.strip().lower() for e in (queued.to_email, *queued.cc, *queued.bcc)})
        values = {
            **self._owner,
            "id": queued.id,
            "emails": emails,
            "transactional": queued.template_id in self._transactional and not queued.ours,
        }
        async with self._ctx.db.transaction() as connection:
            if queued.ours:
                row = await sql.check_step(
                    connection,
                    **values,
                    subscriber_id=queued.subscriber_id,
                    sequence_id=queued.sequence_id,
                )
            else:
                row = await sql.check(connection, **values)
        if row is None or not row["wanted"]:
            return None
        suppressed = frozenset(row["suppressed"])
        if not row["reads"] or queued.to_email.strip().lower() in suppressed:
            return Verdict(suppressed, "nobody writes to this address any more", "suppressed")
        if not row["goes_on"]:
            return Verdict(suppressed, "its sequence is archived, or gone", "archived")
        return Verdict(suppressed)

    async def pause(self, reason: str) -> None:
        async with self._ctx.db.transaction() as connection:
            await set_condition(connection, CONDITION, reason, self._ctx.now())

    async def resume(self) -> None:
        async with self._ctx.db.transaction() as connection:
            await clear_condition(connection, CONDITION)


def _queued(row: Row) -> Queued:
    tracking: Mapping[str, object] = row["tracking_data"] or {}
    return Queued(
        id=row["id"],
        ours=row["ours"],
        to_email=row["to_email"],
        to_name=row["to_name"],
        cc=_texts(row["cc_emails"]),
        bcc=_texts(row["bcc_emails"]),
        from_email=row["from_email"],
        from_name=row["from_name"],
        reply_to=row["reply_to"],
        subject=row["subject"],
        html=row["html_body"],
        text=row["text_body"],
        template_id=row["template_id"],
        variables=row["template_data"] if isinstance(row["template_data"], dict) else {},
        attachments=row["attachments"],
        attempts=row["attempts"],
        most_attempts=row["max_attempts"],
        subscriber_id=_id(tracking, "subscriberId"),
        sequence_id=_id(tracking, "sequenceId"),
        step_id=_id(tracking, "stepId"),
    )


def _texts(values: Sequence[str | None] | None) -> Sequence[str]:
    return [value for value in values or () if value and value.strip()]


def _id(tracking: object, key: str) -> UUID | None:
    value = tracking.get(key) if isinstance(tracking, dict) else None
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
