"""The rows of the queue as a run takes them, and what is written of each when it is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from jobs.email.delivery import Answer
from jobs.email.message import Queued, Ready
from jobs.email.suppression import suppress
from scheduler.condition import clear_condition, set_condition
from scheduler.errors import LeaseLostError
from scheduler.job import Connection, JobContext, Row
from scheduler.sql import load_sql

sql = load_sql(__file__)

CONDITION = "outbox"
COUNTED = 10_000
EXPIRED_AT_ONCE = 1_000
TRIES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to write down what has left: the server has it in any case."""

AGAIN = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)

T = TypeVar("T")


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
            self._rows = {
                "oldest": self._scope.oldest,
                "ours": self._scope.ours,
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
        rows = {name: value for name, value in self._rows.items() if name != "ours"}
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

    async def check(self, queued: Queued) -> frozenset[str] | None:
        """To whom of its recipients nobody may write; None where it is not to be sent any more."""
        emails = sorted({e.strip().lower() for e in (queued.to_email, *queued.cc, *queued.bcc)})
        values = {
            **self._owner,
            "id": queued.id,
            "emails": emails,
            "transactional": queued.template_id in self._transactional and not queued.ours,
        }
        async with self._ctx.db.transaction() as connection:
            if queued.ours:
                reader = queued.subscriber_id
                row = await sql.check_step(connection, **values, subscriber_id=reader)
            else:
                row = await sql.check(connection, **values)
        if row is None or not row["wanted"]:
            return None
        own = () if row["reads"] else (queued.to_email.strip().lower(),)
        return frozenset((*row["suppressed"], *own))

    async def sent(self, queued: Queued, ready: Ready, answer: Answer) -> None:
        """Write down that the server has it, at once and whatever it takes."""
        values = {
            **self._owner,
            "id": queued.id,
            "message_id": ready.message_id,
            "now": self._ctx.now(),
        }

        async def mark(connection: Connection) -> None:
            marked = await sql.mark_sent(
                connection,
                **values,
                subject=ready.subject,
                said=str(answer),
                code=answer.code,
            )
            if marked:
                await self._add_event(connection, queued, ready, "sent")

        async def mark_only(connection: Connection) -> None:
            await sql.mark_sent_only(connection, **values)

        try:
            await self._commit(mark)
        except asyncpg.PostgresError as error:
            # A rule of the product's own, on a log or an event: it must not make a second message.
            self._ctx.log.error("message_not_logged", message=str(queued.id), error=str(error))
            await self._commit(mark_only)

    async def settle(
        self,
        queued: Queued,
        status: str,
        *,
        error: str,
        error_code: str | None,
        used: bool,
        retry_at: datetime | None = None,
    ) -> None:
        async def write(connection: Connection) -> None:
            await self._settle(connection, queued, status, error, error_code, used, retry_at)

        await self._commit(write)

    async def refused(self, queued: Queued, ready: Ready, answer: Answer, *, bounced: bool) -> None:
        """Never to be sent; where it bounced, nobody writes to the address any more."""

        async def write(connection: Connection) -> None:
            settled = await self._settle(
                connection, queued, "failed", str(answer), answer.short, True, None, bounced
            )
            if bounced:
                await self._suppress(connection, queued.to_email, answer)
            if settled:
                await self._log_refusal(
                    connection, queued, ready, ready.to, answer, bounced=bounced
                )
            if settled and bounced:
                await self._add_event(connection, queued, ready, "bounced")

        await self._commit(write)

    async def others_refused(
        self, queued: Queued, ready: Ready, refused: Mapping[str, Answer]
    ) -> None:
        """Those of cc and bcc who do not get what the others got."""

        async def write(connection: Connection) -> None:
            for email, answer in refused.items():
                bounced = answer.is_bounce
                await self._log_refusal(connection, queued, ready, email, answer, bounced=bounced)
                if bounced:
                    await self._suppress(connection, email, answer)

        await self._commit(write)

    async def release(self) -> None:
        """Give back what was claimed and not sent."""

        async def write(connection: Connection) -> None:
            await sql.release(connection, **self._owner, now=self._ctx.now())

        await self._commit(write)

    async def pause(self, reason: str) -> None:
        async with self._ctx.db.transaction() as connection:
            await set_condition(connection, CONDITION, reason, self._ctx.now())

    async def resume(self) -> None:
        async with self._ctx.db.transaction() as connection:
            await clear_condition(connection, CONDITION)

    async def _settle(
        self,
        connection: Connection,
        queued: Queued,
        status: str,
        error: str,
        error_code: str | None,
        used: bool,
        retry_at: datetime | None,
        bounced: bool = False,
    ) -> int:
        settled: int = await sql.settle(
            connection,
            **self._owner,
            id=queued.id,
            status=status,
            error=error,
            error_code=error_code,
            used=int(used),
            retry_at=retry_at,
            bounced=bounced,
            now=self._ctx.now(),
        )
        return settled

    async def _log_refusal(
        self,
        connection: Connection,
        queued: Queued,
        ready: Ready,
        email: str,
        answer: Answer,
        *,
        bounced: bool,
    ) -> None:
        await sql.log_refusal(
            connection,
            id=queued.id,
            message_id=ready.message_id,
            email=email,
            subject=ready.subject,
            said=str(answer),
            code=answer.code,
            bounced=bounced,
            now=self._ctx.now(),
        )

    async def _suppress(self, connection: Connection, email: str, answer: Answer) -> None:
        await suppress(
            connection,
            [email],
            reason="bounced",
            source="smtp",
            now=self._ctx.now(),
            tables=self._ctx.tables,
            detail=str(answer),
        )

    async def _add_event(
        self, connection: Connection, queued: Queued, ready: Ready, event_type: str
    ) -> None:
        if queued.ours and "email_events" in self._ctx.tables:
            await sql.add_event(
                connection,
                subscriber_id=queued.subscriber_id,
                sequence_id=queued.sequence_id,
                step_id=queued.step_id,
                event_type=event_type,
                email=queued.to_email,
                message_id=ready.message_id,
                now=self._ctx.now(),
            )

    async def _commit(self, write: Callable[[Connection], Any]) -> None:
        """One transaction, tried again while the database is away: what it says has happened."""
        for seconds in (*TRIES, None):
            try:
                async with self._ctx.db.transaction() as connection:
                    await write(connection)
                return
            except LeaseLostError:
                raise
            except AGAIN as error:
                if seconds is None:
                    raise
                self._ctx.log.warning("written_down_later", error=repr(error))
                await asyncio.sleep(seconds)


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
