"""What is written down of a message when it is settled: at once, and by its owner only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import asyncpg

from jobs.email.delivery import Answer
from jobs.email.message import Queued, Ready
from jobs.email.suppression import suppress
from scheduler.errors import LeaseLostError
from scheduler.job import Connection, JobContext
from scheduler.sql import load_sql

sql = load_sql(__file__)

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


class Settlement:
    """What one attempt of one run has done with the messages that it claimed."""

    def __init__(self, ctx: JobContext) -> None:
        self._ctx = ctx
        self._owner: dict[str, object] = {"run_id": ctx.run_id, "attempt": ctx.attempt}

    async def sent(self, queued: Queued, ready: Ready, answer: Answer) -> None:
        """Write down that the server has it, at once and whatever it takes."""
        marked: dict[str, object] = {
            **self._owner,
            "id": queued.id,
            "message_id": ready.message_id,
            "now": self._ctx.now(),
        }
        logged = {**marked, "subject": ready.subject, "said": str(answer), "code": answer.code}

        async def mark(connection: Connection) -> None:
            if self._has_events(queued):
                event = self._event(queued, ready, "sent")
                await sql.mark_step_sent(connection, **{**logged, **event})
            else:
                await sql.mark_sent(connection, **logged)

        async def mark_only(connection: Connection) -> None:
            await sql.mark_sent_only(connection, **marked)

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
            if settled and bounced and self._has_events(queued):
                await sql.add_event(connection, **self._event(queued, ready, "bounced"))

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

    def _has_events(self, queued: Queued) -> bool:
        return queued.ours and "email_events" in self._ctx.tables

    def _event(self, queued: Queued, ready: Ready, event_type: str) -> dict[str, object]:
        return {
            "subscriber_id": queued.subscriber_id,
            "sequence_id": queued.sequence_id,
            "step_id": queued.step_id,
            "event_type": event_type,
            "email": queued.to_email,
            "message_id": ready.message_id,
            "now": self._ctx.now(),
        }

    async def _commit(self, write: Callable[[Connection], Awaitable[None]]) -> None:
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
