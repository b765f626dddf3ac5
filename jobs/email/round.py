"""One round of sending: several connections, each message checked, made, handed over, settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from jobs.email.delivery import MOST_SAID, Channel, Deferred, Refused, Sent, Trouble
from jobs.email.files import FileChannel
from jobs.email.lines import MessageError, one_line
from jobs.email.links import Links, Reader, open_links
from jobs.email.message import Queued, compose
from jobs.email.outbox import Outbox
from jobs.email.pace import Pace
from jobs.email.rendering import Renderer
from jobs.email.settlement import Settlement
from jobs.email.smtp import Server, SmtpChannel
from scheduler.job import JobContext
from scheduler.services import Mail

CLAIMED_AT_ONCE = 100
"""Few enough to be sent soon, many enough that claiming costs little."""
MOST_DETAILS = 20
UNFORESEEN = "something went wrong here; the run's log says what"
MOST_RETRY = timedelta(hours=6)
SLOWER = 6
"""Each time that a message is deferred, the next try waits this many times as long."""
LAST_WORDS = 1.0
"""Seconds that messages on their way have when the run is stopped: what the server has taken is to
be written down."""


@dataclass(frozen=True, slots=True)
class Rules:
    limit: int
    connections: int
    per_second: float
    per_domain: float
    retry: timedelta
    seconds: float


MakeChannels = Callable[[Mail, int], Sequence[Channel]]


def channels_of(mail: Mail, connections: int) -> Sequence[Channel]:
    """Those of the settings. Raises `Trouble`."""
    if mail.smtp_url is None:
        return [FileChannel(mail.folder)]
    server = Server.read(mail.smtp_url)
    tls = server.tls()
    return [SmtpChannel(server, tls) for _ in range(connections)]


async def send_round(
    ctx: JobContext,
    outbox: Outbox,
    settlement: Settlement,
    rules: Rules,
    counts: dict[str, int],
    details: list[JsonValue],
    *,
    paused: bool,
    make_channels: MakeChannels,
) -> None:
    """Send until nothing is due, `rules` say enough, or there is `Trouble`, which it raises.

    `counts` is added to by outcome.
    """
    if not paused and not await outbox.any_due():
        return
    async with ctx.db.transaction() as connection:
        links = await open_links(connection, ctx.services.mail, ctx.now())
    channels = make_channels(ctx.services.mail, rules.connections)
    sending = _Round(ctx, outbox, settlement, rules, counts, details, links)
    try:
        await channels[0].open()
        if paused:
            # The connection works; whether messages do, the first of them tells, alone.
            await sending.send_with(channels[:1], until_one_is_taken=True)
            await outbox.resume()
            ctx.log.info("outbox_resumed")
        await sending.send_with(channels)
    finally:
        sending.tell()
        await asyncio.gather(*(channel.close() for channel in channels))


class _Round:
    def __init__(
        self,
        ctx: JobContext,
        outbox: Outbox,
        settlement: Settlement,
        rules: Rules,
        counts: dict[str, int],
        details: list[JsonValue],
        links: Links,
    ) -> None:
        self._ctx = ctx
        self._outbox = outbox
        self._settlement = settlement
        self._rules = rules
        self._counts = counts
        self._details = details
        self._links = links
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + rules.seconds
        self._pace = Pace(rules.per_second, rules.per_domain)
        self._renderer = Renderer()
        self._composing = asyncio.Lock()
        self._claiming = asyncio.Lock()
        self._claimed: list[Queued] = []
        self._left = rules.limit
        self._stop = False
        self._taken = False
        """Whether the server has said anything to a message that was no trouble."""
        self._windows: list[float] = []

    async def send_with(
        self, channels: Sequence[Channel], *, until_one_is_taken: bool = False
    ) -> None:
        """Raises `Trouble`, once all that is on its way has been settled."""
        workers = [
            asyncio.create_task(self._work(channel, first=n == 0, only_one=until_one_is_taken))
            for n, channel in enumerate(channels)
        ]
        try:
            await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            self._stop = self._stop or any(
                worker.done() and worker.exception() is not None for worker in workers
            )
            await asyncio.wait(workers)
        except asyncio.CancelledError:
            self._stop = True
            _, late = await asyncio.wait(workers, timeout=LAST_WORDS)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            raise
        failures = [failure for worker in workers if (failure := worker.exception())]
        # What is no trouble of the server's is worse than what is.
        for failure in sorted(failures, key=lambda failure: isinstance(failure, Trouble)):
            raise failure
        if not until_one_is_taken:
            await self._settlement.release()  # what time was over for

    def tell(self) -> None:
        """Log what is of use to know of the round."""
        if self._windows:
            spans = sorted(self._windows)
            self._ctx.log.info(
                "committed_after_answer",
                messages=len(spans),
                p50_ms=round(spans[len(spans) // 2] * 1000, 2),
                max_ms=round(spans[-1] * 1000, 2),
            )
        if self._renderer.unknown:
            names = sorted(self._renderer.unknown)[:MOST_DETAILS]
            self._ctx.log.warning("template_variables_unknown", names=names)

    async def _work(self, channel: Channel, *, first: bool, only_one: bool) -> None:
        if not first:
            try:
                await channel.open()
            except Trouble as trouble:
                # A server may limit how many connections it takes; one is enough.
                self._ctx.log.info("one_connection_less", reason=str(trouble), said=trouble.said)
                return
        while not (only_one and self._taken):
            queued = await self._next()
            if queued is None:
                return
            outcome = await self._outcome(channel, queued)
            if outcome is not None:
                self._counts[outcome] = self._counts.get(outcome, 0) + 1
            self._ctx.progress(sum(self._counts.values()), None)

    async def _next(self) -> Queued | None:
        """The first message whose time has come, in order; None where there is no more."""
        async with self._claiming:
            while not self._stop and self._clock() < self._until:
                if not self._claimed and self._left > 0:
                    most = min(self._left, CLAIMED_AT_ONCE)
                    self._claimed = await self._outbox.claim(most)
                    self._left = self._left - len(self._claimed) if self._claimed else 0
                if not self._claimed:
                    return None
                now = self._clock()
                waits = [self._pace.wait(queued.domain, now) for queued in self._claimed]
                soonest = min(waits)
                if soonest <= 0:
                    queued = self._claimed.pop(waits.index(soonest))
                    self._pace.went(queued.domain, now)
                    return queued
                await asyncio.sleep(min(soonest, max(self._until - now, 0)))
        return None

    async def _outcome(self, channel: Channel, queued: Queued) -> str | None:
        """What became of a message, as it is counted; None where somebody else had cancelled it."""
        verdict = await self._outbox.check(queued)
        if verdict is None:
            return None
        if verdict.why_not is not None:
            await self._settlement.settle(
                queued, "cancelled", error=verdict.why_not, error_code=verdict.code, used=False
            )
            return "suppressed"
        link = None
        if queued.ours and queued.subscriber_id is not None:
            link = self._links.to(Reader(queued.subscriber_id, queued.sequence_id))
        try:
            # In a thread: a large message must not hold up the heartbeats.
            async with self._composing:
                ready = await asyncio.to_thread(
                    compose,
                    queued,
                    self._renderer,
                    default_sender=self._ctx.services.mail.sender,
                    link=link,
                    suppressed=verdict.suppressed,
                    now=self._ctx.now(),
                )
        except Exception as error:  # noqa: BLE001 - whatever one row holds, the others go out
            if not isinstance(error, MessageError):
                self._ctx.log.error("message_not_composed", id=str(queued.id), error=repr(error))
            # No database takes just any text.
            said = one_line(str(error), MOST_SAID)
            await self._settlement.settle(
                queued, "failed", error=said, error_code="message", used=True
            )
            return self._failed(queued, said)

        try:
            delivery = await channel.deliver(ready)
        except Exception as error:
            # What nobody foresaw is trouble of ours as well: no message pays for it.
            trouble = error if isinstance(error, Trouble) else Trouble(UNFORESEEN, repr(error))
            self._stop = True
            # It may be this message alone that is refused so: others go before it next time.
            await self._settlement.settle(
                queued,
                "scheduled" if queued.ours else "pending",
                error=f"{trouble}: {trouble.said}" if trouble.said else str(trouble),
                error_code="outbox",
                used=False,
            )
            raise trouble from error
        answered = self._clock()
        self._taken = True
        match delivery:
            case Sent(answer=answer, refused=refused):
                await self._settlement.sent(queued, ready, answer)
                self._windows.append(self._clock() - answered)
                if refused:
                    await self._settlement.others_refused(queued, ready, refused)
                return "sent"
            case Refused(answer=answer, bounced=bounced):
                await self._settlement.refused(queued, ready, answer, bounced=bounced)
                return self._failed(queued, str(answer))
            case Deferred():
                return await self._defer(queued, delivery)

    async def _defer(self, queued: Queued, delivery: Deferred) -> str:
        said = f"{delivery.why}: {delivery.answer}" if delivery.answer else delivery.why
        tries = queued.attempts + 1
        last = tries >= queued.most_attempts
        code = delivery.answer.short if delivery.answer else "connection"
        code = "unclear" if delivery.unclear else code
        wait = min(self._rules.retry * SLOWER ** min(queued.attempts, 10), MOST_RETRY)
        await self._settlement.settle(
            queued,
            # Other senders look for failed ones whose time to try again has come.
            "scheduled" if queued.ours and not last else "failed",
            error=said,
            error_code=code,
            used=True,
            retry_at=None if last else self._ctx.now() + wait,
        )
        if last:
            return self._failed(queued, f"after {tries} attempts: {said}")
        return "deferred"

    def _failed(self, queued: Queued, message: str) -> str:
        self._ctx.log.warning("message_failed", message=str(queued.id), error=message)
        if len(self._details) < MOST_DETAILS:
            self._details.append({"queueId": str(queued.id), "message": message})
        return "failed"
