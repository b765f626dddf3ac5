"""The loop of alerts: looks every few seconds, sends what is due, keeps nobody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic

import structlog

from scheduler.alerting import AlertPolicy
from scheduler.db.alerts import AlertStore, Delivery, Look
from scheduler.entry import Schedule
from scheduler.errors import DatabaseAwayError
from scheduler.incident import Facts, Incident, JobFact, Message, Standing
from scheduler.watching.alerts import sending, words
from scheduler.watching.alerts.incidents import decide, jobs_of
from scheduler.watching.alerts.outage import Outage
from scheduler.watching.alerts.sending import Channel
from scheduler.watching.health import ClockView, Conditions, is_failing

log = structlog.stdlib.get_logger("lamplighter.alerts")

LOOK_EVERY = 5.0
"""Seconds."""
AT_ONCE = 3
"""Messages that are sent at the same time; each costs a process."""
CHANNEL_GRACE = timedelta(minutes=5)
"""How long a channel may take nothing before the others hear of it."""
PAUSES = (10, 30, 120, 600)
"""Seconds before the next tries; the last one for all that follow."""
TRIES_WITHOUT_DATABASE = 5

Send = Callable[[Channel, Message], Awaitable[str | None]]


class Keeper:
    """Repeat its `turn`; `close` it after that has been cancelled."""

    def __init__(
        self,
        *,
        store: AlertStore,
        channels: Sequence[Channel],
        clock: ClockView,
        conditions: Conditions,
        rejected: Callable[[], str | None],
        now: Callable[[], datetime],
        site: str,
        public_url: str | None,
        send: Send | None = None,
        look_every: float = LOOK_EVERY,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._store = store
        self._channels = {_key(channel): channel for channel in channels}
        self._clock = clock
        self._conditions = conditions
        self._rejected = rejected
        self._now = now
        self._site = site
        self._public_url = public_url
        self._send = send or _send
        self._look_every = look_every
        self._pauses = pauses
        self._began_at = now()
        self._outage = Outage()
        self._sending: dict[str, asyncio.Task[None]] = {}
        """By channel: the messages of one go one after the other."""
        self._direct: set[asyncio.Task[None]] = set()
        self._room_for_direct = asyncio.Semaphore(AT_ONCE)
        self._unusable: Mapping[str, str] = {}
        self._is_checked = False

    async def turn(self) -> None:
        """A look, and a rest; to be repeated."""
        if not self._is_checked:
            await self._check_channels()
            self._is_checked = True
        began = monotonic()
        # That it is away is said where it is watched; the next look makes up for this one.
        with suppress(DatabaseAwayError):
            await self.step()
        # However many entries there are, looking takes a small part of the time.
        await asyncio.sleep(max(self._look_every, 10 * (monotonic() - began)))

    async def step(self) -> None:
        """One look, and the start of what is to be sent. Raises `DatabaseAwayError`."""
        away = self._conditions.database_away_since is not None
        self._look_at_database(is_away=away)
        if away or self._conditions.starting:
            return
        await self._look()
        await self._start_sending()
        await self._tell_health()

    async def close(self, seconds: float) -> None:
        """Let what is being sent end for so long, then give up; another replica tries again."""
        tasks = {*self._sending.values(), *self._direct}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    @property
    def _policy(self) -> AlertPolicy:
        return self._schedule.alerts

    @property
    def _schedule(self) -> Schedule:
        return self._clock.schedule

    async def _look(self) -> None:
        now = self._now()
        async with self._store.look(now) as look:
            if look is None:
                return
            known = await look.incidents()
            facts = await self._facts(look, known, now)
            decision = decide(facts, known, self._policy)
            await look.keep(known, decision.incidents, decision.notices)
            await self._post(look, now)
        for notice in decision.notices:
            log.info("alert", kind=notice.kind, about=notice.subject, again=notice.again)

    async def _facts(self, look: Look, known: Mapping[str, Incident], now: datetime) -> Facts:
        ended = await look.ended(self._began_at)
        entries = self._schedule.entries
        states = await look.states({*entries, *jobs_of(ended, known.values())})
        active = await look.active()
        jobs = {}
        for job, state in states.items():
            expected = self._clock.expected_since(job, state.last_success_for)
            if expected is not None and job in entries:
                expected += entries[job].jitter
            jobs[job] = JobFact(
                is_failing=is_failing(state),
                failures=state.failures,
                is_active=job in active,
                last_success_at=state.last_success_at,
                is_on_clock=expected is not None,
                expected_at=expected if expected is not None and expected <= now else None,
            )
        out = await look.channels_out(self._channels)
        return Facts(
            now=now,
            is_first=look.is_first,
            present_since=self._began_at,
            ended=ended,
            jobs=jobs,
            conditions=await look.conditions(),
            channels={
                _in_words(key): Standing(one.words, one.since)
                for key, one in out.items()
                if now - one.since >= CHANNEL_GRACE
            },
            rejected=self._rejected(),
        )

    async def _post(self, look: Look, now: datetime) -> None:
        waiting = await look.waiting()
        if not waiting:
            return
        notices = [notice for _, notice in waiting]
        if not words.due(notices, await look.sent(now - words.HOUR), self._policy, now):
            return
        deaf = {notice.not_for for notice in notices}
        to = [key for key in self._channels if len(deaf) > 1 or _in_words(key) not in deaf]
        message = words.message(notices, self._site, self._public_url)
        await look.post(message, [number for number, _ in waiting], to)

    async def _start_sending(self) -> None:
        idle = [key for key in self._channels if key not in self._sending]
        room = AT_ONCE - len(self._sending)
        if room <= 0:
            return
        for delivery in await self._store.claim(idle, room):
            task = asyncio.create_task(self._deliver(delivery), name="alert")
            self._sending[delivery.channel] = task

    async def _deliver(self, delivery: Delivery) -> None:
        channel = self._channels[delivery.channel]
        try:
            reason = await self._send(channel, delivery.message)
            if reason is None:
                await self._store.delivered(delivery, self._now())
            else:
                pause = self._pause(delivery.attempts)
                log.warning("alert_not_taken", channel=str(channel), reason=reason)
                await self._store.refused(delivery, reason, pause, self._now())
        except DatabaseAwayError:
            # Its claim runs out, and it is sent again.
            log.warning("alert_not_recorded", channel=str(channel))
        except Exception:
            log.exception("alert_failed", channel=str(channel))
        finally:
            del self._sending[delivery.channel]

    def _pause(self, attempts: int) -> timedelta:
        return timedelta(seconds=self._pauses[min(attempts, len(self._pauses)) - 1])

    def _look_at_database(self, *, is_away: bool) -> None:
        notice = self._outage.look(is_away=is_away, now=self._now(), policy=self._policy)
        if notice is None:
            return
        log.info("alert", kind=notice.kind, about=notice.subject, again=False)
        message = words.message([notice], self._site, self._public_url)
        for channel in self._channels.values():
            task = asyncio.create_task(self._send_directly(channel, message), name="alert")
            self._direct.add(task)
            task.add_done_callback(self._direct.discard)

    async def _send_directly(self, channel: Channel, message: Message) -> None:
        """Without a database nothing of it can be kept: a few tries, and that is all."""
        for attempt in range(1, TRIES_WITHOUT_DATABASE + 1):
            try:
                async with self._room_for_direct:
                    reason = await self._send(channel, message)
            except Exception:
                log.exception("alert_failed", channel=str(channel))
                return
            if reason is None:
                return
            log.warning("alert_not_taken", channel=str(channel), reason=reason)
            await asyncio.sleep(self._pause(attempt).total_seconds())

    async def _check_channels(self) -> None:
        """An address that nobody can use is known at the start, not when something is wrong."""
        try:
            answers = await sending.usable([*self._channels.values()])
        except OSError:
            log.exception("alert_channels_not_checked")
            return
        found = zip(self._channels.items(), answers, strict=True)
        self._unusable = {key: reason for (key, _), reason in found if reason is not None}
        for key, reason in self._unusable.items():
            log.warning("alert_channel_unusable", channel=str(self._channels[key]), reason=reason)
        self._conditions.alerts = self._health_of({})

    async def _tell_health(self) -> None:
        self._conditions.alerts = self._health_of(await self._store.channels_out(self._channels))

    def _health_of(self, out: Mapping[str, Standing]) -> Sequence[str]:
        """In words for all: without a reason, which is in the log."""
        said = []
        for key, channel in self._channels.items():
            if key in self._unusable:
                said.append(f"alerts: channel {channel} has an address that cannot be used")
            elif key in out:
                said.append(f"alerts: channel {channel} takes nothing since {out[key].since:%H:%M}")
        return said


def _key(channel: Channel) -> str:
    """As the database has it: nothing of the address."""
    return f"{channel.number} {channel.scheme}"


def _in_words(key: str) -> str:
    number, _, scheme = key.partition(" ")
    return f"alert channel {number} ({scheme})"


async def _send(channel: Channel, message: Message) -> str | None:
    return await sending.send(channel, message.title, message.body, is_good=message.is_good)
