"""Dead man's switches: each run of an entry with `ping` is told to a service that misses it.

The first attempt tells `/start`, the end of the run success or `/fail`; attempts in between are not
told. A run is never kept waiting: calls are made one after the other for each address, from a
bounded queue, with few tries.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID

import structlog

from scheduler.db.pools import to_json
from scheduler.db.runs import LogLine
from scheduler.entry import Schedule
from scheduler.outbound.ping import Pinger, PingError, Signal
from scheduler.run import Status
from scheduler.watching.events import AttemptEnded, AttemptStarted, Event, RunClosed
from scheduler.watching.quoting import last_bytes, redacted, shortened

log = structlog.stdlib.get_logger("lamplighter.pings")

MOST_WAITING = 100
"""Pings of one address; of more the oldest are left out."""
PAUSES = (1.0, 4.0)
"""Seconds before the second and third try."""
BEAT = 60.0
"""Seconds between signs of life of the daemon."""
MOST_BODY = 10_000
"""Bytes."""
DAEMON = "the daemon"

ENDS = {
    Status.SUCCEEDED: Signal.SUCCESS,
    # The job looked, and found nothing to do: its schedule is kept.
    Status.SKIPPED: Signal.SUCCESS,
    Status.FAILED: Signal.FAIL,
    Status.TIMED_OUT: Signal.FAIL,
    Status.ABANDONED: Signal.FAIL,
}
"""What was cancelled is not told: where nothing else succeeds in time, the service misses it."""


@dataclass(frozen=True, slots=True)
class Ping:
    job: str
    signal: Signal
    run_id: UUID | None = None
    body: bytes = b""


@dataclass(slots=True)
class _Line:
    """What waits for one address, and who works it off."""

    waiting: deque[Ping] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    worker: asyncio.Task[None] | None = None


class Pings:
    """Hears the runner's events (`listen` it to them); `close` it."""

    def __init__(
        self,
        pinger: Pinger,
        schedule: Callable[[], Schedule],
        *,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._pinger = pinger
        self._schedule = schedule
        self._pauses = pauses
        self._lines: dict[str, _Line] = {}
        self._told_at = float("-inf")
        self._failing: set[tuple[str, str]] = set()

    def hear(self, event: Event) -> None:
        """Returns at once."""
        match event:
            case AttemptStarted(claimed, entry) if entry.ping and claimed.attempt == 1:
                self._add(
                    entry.ping.get_secret_value(),
                    Ping(claimed.job, Signal.START, claimed.run_id),
                )
            case AttemptEnded(claimed, entry) if entry.ping and event.status in ENDS:
                signal = ENDS[event.status]
                body = _what_failed(event) if signal is Signal.FAIL else b""
                self._add(
                    entry.ping.get_secret_value(), Ping(claimed.job, signal, claimed.run_id, body)
                )
            case RunClosed(run_id, job, Status.ABANDONED):
                known = self._schedule().entries.get(job)
                if known is not None and known.ping:
                    self._add(
                        known.ping.get_secret_value(),
                        Ping(job, Signal.FAIL, run_id, b"its process gave no sign of life"),
                    )
            case _:
                pass

    async def beat(self, is_well: Callable[[], bool], every: float = BEAT) -> None:
        """Tell the daemon's own switch if it is time and all is well, and rest; to be repeated.

        Silence is the alarm.
        """
        ping = self._schedule().ping
        if ping is not None and monotonic() - self._told_at >= every and is_well():
            self._told_at = monotonic()
            await self._try(ping.get_secret_value(), Ping(DAEMON, Signal.SUCCESS))
        # A daemon that has just got well says so at once.
        await asyncio.sleep(min(every, 1.0))

    async def close(self, seconds: float) -> None:
        """Let what waits be told for so long, then give up."""
        workers = {line.worker for line in self._lines.values() if line.worker is not None}
        if workers:
            _, late = await asyncio.wait(workers, timeout=seconds)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            if late:
                log.warning("pings_given_up", addresses=len(late))
        await self._pinger.close()

    def _add(self, url: str, ping: Ping) -> None:
        line = self._lines.setdefault(url, _Line())
        if len(line.waiting) == MOST_WAITING:
            self._failed(url, ping.job, "it takes them too slowly")
        line.waiting.append(ping)
        if line.worker is None:
            line.worker = asyncio.create_task(self._work_off(url, line), name="pings")

    async def _work_off(self, url: str, line: _Line) -> None:
        while line.waiting:
            await self._try(url, line.waiting.popleft())
        line.worker = None
        # Addresses come and go with the schedule.
        self._lines.pop(url, None)

    async def _try(self, url: str, ping: Ping) -> None:
        for pause in (*self._pauses, None):
            try:
                await self._pinger.ping(url, ping.signal, ping.run_id, ping.body)
            except PingError as error:
                if error.again and pause is not None:
                    await asyncio.sleep(pause)
                    continue
                self._failed(url, ping.job, str(error))
            except Exception:
                log.exception("ping_failed", job=ping.job)
            else:
                if (url, ping.job) in self._failing:
                    self._failing.discard((url, ping.job))
                    log.info("ping_works_again", job=ping.job)
            return

    def _failed(self, url: str, job: str, reason: str) -> None:
        """Said once, until it works again."""
        if (url, job) not in self._failing:
            self._failing.add((url, job))
            log.warning("ping_failed", job=job, reason=reason)


def _what_failed(event: AttemptEnded) -> bytes:
    """The error, and as much of the log's end as there is room for."""
    claimed = event.claimed
    error = redacted(f"{event.error_type}: {event.error_message}")
    head = (
        f"{shortened(error, 2_000)}\n"
        f"{event.status}, attempt {claimed.attempt} of {claimed.max_attempts},"
        f" for {claimed.scheduled_for.isoformat()}\n\n"
    ).encode("utf-8", "replace")
    lines = redacted("\n".join(map(_in_words, event.last_lines)))
    return head + last_bytes(lines, MOST_BODY - len(head))


def _in_words(line: LogLine) -> str:
    fields = shortened(to_json(line.fields), 1_000) if line.fields else ""
    return f"{line.at.isoformat()} {line.level} {line.event} {fields}".rstrip()
