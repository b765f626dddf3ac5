"""The one way in to every run: fire, claim, run, settle; and the leases that say who owns what."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

import structlog
from structlog.contextvars import bind_contextvars

from scheduler.db.catalog import Catalog
from scheduler.db.pools import NOT_KEPT, Pools
from scheduler.db.runs import Claimed, Fire, Fired, Mark, Run, RunStore
from scheduler.entry import Entry, Schedule
from scheduler.job import Params
from scheduler.run import Settlement, Status
from scheduler.running.attempt import CANCEL_GRACE, Attempt, Lost
from scheduler.running.outcome import Cancelled, End, Failed, Interrupted, settlement
from scheduler.running.registry import JobType
from scheduler.services import Services
from scheduler.watching.events import AttemptEnded, AttemptStarted, Events, RunClosed
from scheduler.watching.redaction import Redactor
from scheduler.watching.upkeep import Upkeep

HEARTBEAT = 5.0
"""Seconds between signs of life."""
LEASE = 15.0
"""Seconds of silence after which an attempt counts as abandoned."""
RESCUE_EVERY = 2.0
LAST_WORDS = CANCEL_GRACE + 0.5
"""Seconds in which runs that are stopped at the end of a drain end and are recorded."""
SETTLE_FOR = 300.0
"""Seconds that an end which the record does not take is tried again; then the run is let go."""
POLL = 1.0
"""Seconds between looks for runs that became ready without this process being told."""

SETTLING = "recording the ends of runs"

log = structlog.stdlib.get_logger("lamplighter.runner")


class Runner:
    """Runs what is fired, here or by any other process on the same database."""

    def __init__(
        self,
        *,
        store: RunStore,
        pools: Pools,
        catalog: Catalog,
        jobs: Mapping[str, JobType],
        schedule: Schedule,
        now: Callable[[], datetime],
        replica: str,
        services: Services | None = None,
        events: Events | None = None,
        redactor: Redactor | None = None,
        upkeep: Upkeep | None = None,
    ) -> None:
        self.store = store
        self.schedule = schedule
        self._pools = pools
        self._catalog = catalog
        self._jobs = jobs
        self._now = now
        self._replica = replica
        self._services = services or Services()
        self._upkeep = upkeep or Upkeep()
        self._events = events or Events(self._upkeep)
        self._redactor = redactor or Redactor()
        self._live: dict[tuple[UUID, int], Attempt] = {}
        # One hand-out of slots at a time: a fire waits a moment for a claim that is under way,
        # instead of being queued for want of slots that the claim does not use.
        self._handing_out = asyncio.Lock()
        self._accepting = True
        self._wake = asyncio.Event()
        self._last_beat = monotonic()
        self._beaten: dict[tuple[UUID, int], int | None] = {}
        """How far each attempt was at the last sign of life."""
        self._rescued_at = float("-inf")
        self._loops: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, *, claims: bool = True) -> None:
        """Begin keeping leases; with `claims`, also run what waits and rescue what is abandoned."""
        parts = {"keeping leases": self._keep_leases}
        if claims:
            parts["taking up runs"] = self._dispatch
        for part, step in parts.items():
            self._loops.append(asyncio.create_task(self._upkeep.repeat(part, step)))

    @property
    def running(self) -> int:
        return len(self._live)

    async def fire(self, fires: Sequence[Fire], marks: Sequence[Mark] = ()) -> list[Fired]:
        """Make the rows of `fires`, in one transaction, and start those that may start now.

        `marks` are the schedule entries that are accounted for with them.

        Raises `DatabaseAwayError`; then nothing was started here.
        """
        async with self._handing_out:
            return await self._fire(fires, marks)

    async def _fire(self, fires: Sequence[Fire], marks: Sequence[Mark]) -> list[Fired]:
        fires = [self._keyed(fire) for fire in fires]
        slots = min(self._free(), len(fires))
        fired = await self.store.fire(fires, self._now(), slots, marks)
        for fire, result in zip(fires, fired, strict=True):
            if result.outcome == "started":
                self._begin(
                    Claimed(
                        run_id=fire.id,
                        job=fire.job,
                        job_type=fire.job_type,
                        trigger=fire.trigger,
                        attempt=1,
                        max_attempts=fire.max_attempts,
                        scheduled_for=fire.scheduled_for,
                        params=fire.params,
                    )
                )
            elif result.outcome == "queued" and fire.overlap == "cancel_running":
                self._stop_key(fire.overlap_key)
            elif result.outcome in {Status.MISSED, Status.SKIPPED}:
                self._closed(result.run_id, fire.job, Status(result.outcome), fire.speaks_for)
        return fired

    async def cancel(self, run_id: UUID, message: str) -> Status | None:
        """Stop a run wherever it is: its status now, `running` while it is still ending.

        None where it has ended already. Raises `DatabaseAwayError`.
        """
        cancelled = await self.store.cancel(run_id, self._now(), message)
        if cancelled is None:
            return None
        job, status = cancelled
        if status.is_final:
            self._closed(run_id, job, status)
        for attempt in self._attempts_of(run_id):
            attempt.stop(Cancelled(message))
        return status

    async def wait(self, run_id: UUID, seconds: float) -> Run | None:
        """The run once it has ended, wherever it runs, or as it is after `seconds`."""
        until = monotonic() + seconds
        while True:
            run = await self.store.get(run_id)
            left = until - monotonic()
            if run is None or run.status.is_final or left <= 0:
                return run
            here = self._attempts_of(run_id)
            ended = here[-1].ended.wait() if here else asyncio.sleep(POLL)
            with suppress(TimeoutError):
                await asyncio.wait_for(ended, left)

    async def claim(self, only: UUID | None = None) -> None:
        """Run here what is ready, as far as there are slots, or `only` that run.

        Raises `DatabaseAwayError`.
        """
        async with self._handing_out:
            most = self._free()
            if most == 0:
                return
            for claim in await self.store.claim(self._now(), most, list(self._jobs), only):
                self._begin(claim)

    async def rescue(self, dead: Sequence[str] = ()) -> None:
        """Take over what abandoned processes left; `dead` ones without waiting for their lease."""
        for run in await self.store.rescue(self._now(), timedelta(seconds=LEASE), dead):
            log.warning(
                "run_abandoned",
                run=str(run.id),
                job=run.job,
                attempt=run.attempt,
                replica=run.replica,
                status=run.status,
            )
            if run.status.is_final:
                self._closed(run.id, run.job, run.status)
        self._wake.set()

    def stop_claiming(self) -> None:
        self._accepting = False

    async def drain(self, seconds: float) -> None:
        """Let running jobs end for `seconds`, then stop them; all is recorded when this returns."""
        self.stop_claiming()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for attempt in self._live.values():
            attempt.stop(Interrupted())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_WORDS)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    def _keyed(self, fire: Fire) -> Fire:
        """What the job says that only one run may work on takes the place of the entry's name."""
        job = self._jobs[fire.job_type].job
        if job.one_for is None:
            return fire
        return replace(fire, overlap_key=job.one_for(job.params.model_validate(dict(fire.params))))

    def _free(self) -> int:
        if not self._accepting:
            return 0
        return max(self.schedule.max_concurrent_runs - len(self._live), 0)

    def _attempts_of(self, run_id: UUID) -> list[Attempt]:
        return [attempt for (live_id, _), attempt in self._live.items() if live_id == run_id]

    def _stop_key(self, job: str) -> None:
        """Where the run that a fire replaced runs here, stop it now, not at its next heartbeat."""
        for attempt in self._live.values():
            if attempt.claimed.job == job:
                attempt.stop(Cancelled("overlap: cancel_running; the next fire took its place"))

    def _begin(self, claimed: Claimed) -> None:
        # One that cannot begin must not keep others from it; its lease ends, and it is abandoned.
        with self._upkeep.doing("beginning runs"):
            self._begin_attempt(claimed)

    def _begin_attempt(self, claimed: Claimed) -> None:
        attempt = Attempt(
            claimed,
            self._jobs[claimed.job_type],
            self.entry_of(claimed.job, claimed.job_type),
            pool=self._pools.jobs,
            catalog=self._catalog,
            now=self._now,
            logger=log.bind(job=claimed.job, run=str(claimed.run_id), attempt=claimed.attempt),
            scheduled_jobs=frozenset(
                entry.job for entry in self.schedule.entries.values() if entry.enabled
            ),
            services=self._services,
            policy=self.schedule.agents,
            redactor=self._redactor,
        )
        if not self._live:
            # Leases count from the claim; nothing was to be kept before it.
            self._last_beat = monotonic()
        self._live[claimed.run_id, claimed.attempt] = attempt
        task = asyncio.create_task(self._run(attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def entry_of(self, name: str, job_type: str) -> Entry:
        """The rules for a run: its entry's, or the defaults where the schedule has none.

        Of a job whose parameters are the file's alone there is then nothing to run, which its
        attempt says.
        """
        entry = self.schedule.entries.get(name)
        if entry is not None and entry.job == job_type:
            return entry
        model = self._jobs[job_type].job.params
        return Entry(
            name=name,
            job=job_type,
            cron="",
            params=Params() if model.from_file_alone else model(),
            timezone=self.schedule.timezone,
        )

    async def _run(self, attempt: Attempt) -> None:
        claimed = attempt.claimed
        # Of this task and those that it begins: libraries' lines tell the run too.
        bind_contextvars(job=claimed.job, run=str(claimed.run_id), attempt=claimed.attempt)
        try:
            attempt.log.info(
                "attempt_started", trigger=claimed.trigger, params=dict(claimed.params)
            )
            self._events.tell(AttemptStarted(claimed, attempt.entry, self._now()))
            end = await attempt.execute()
            await self._settle(attempt, end)
        except Exception as error:
            # What is not in the record is taken up again once its lease has ended.
            log.exception("settle_failed", run=str(claimed.run_id), job=claimed.job)
            self._upkeep.failed(SETTLING, error)
        finally:
            del self._live[claimed.run_id, claimed.attempt]
            attempt.ended.set()
            self._wake.set()

    async def _settle(self, attempt: Attempt, end: End | Lost) -> None:
        """Write the end, for as long as the run may still be ours: the record knows whose it is."""
        claimed = attempt.claimed
        if isinstance(end, Lost):
            log.warning("lease_lost", run=str(claimed.run_id), job=claimed.job)
            return
        written = self._settlement(attempt, end)
        attempt.log.info(
            "attempt_ended", status=written.attempt_status, error=written.error_message
        )
        until = monotonic() + SETTLE_FOR
        while True:
            # What keeps the log from being kept need not keep the end from it.
            with self._upkeep.doing("keeping the logs of runs"):
                await self._flush_log(attempt)
            try:
                status = await self.store.settle(attempt.beat, written, self._now())
            except NOT_KEPT as error:
                if written.error_type == "SettleError":
                    raise
                # What the job returned cannot be kept; that must not leave the run without an end.
                log.exception("settle_refused", run=str(claimed.run_id), job=claimed.job)
                failed = Failed("SettleError", f"its result could not be recorded: {error}", True)
                written = self._settlement(attempt, failed)
            except Exception as error:  # noqa: BLE001 - noted, and tried again
                self._upkeep.failed(SETTLING, error)
                if monotonic() > until:
                    # Whoever reaches the record next takes the run over.
                    log.warning("settle_given_up", run=str(claimed.run_id), job=claimed.job)
                    return
                await asyncio.sleep(0.5)
            else:
                self._upkeep.went_well(SETTLING)
                with self._upkeep.doing("keeping the logs of runs"):
                    await self._flush_log(attempt)
                if status is None:
                    log.warning("lease_lost", run=str(claimed.run_id), job=claimed.job)
                else:
                    self._tell_end(attempt, written, status)
                return

    def _tell_end(self, attempt: Attempt, written: Settlement, status: Status) -> None:
        self._events.tell(
            AttemptEnded(
                claimed=attempt.claimed,
                entry=attempt.entry,
                at=self._now(),
                seconds=attempt.seconds,
                status=status,
                data=written.data,
                error_type=written.error_type,
                error_message=written.error_message,
                last_lines=attempt.log.last_lines,
            )
        )

    def _closed(self, run_id: UUID, job: str, status: Status, count: int = 1) -> None:
        self._events.tell(RunClosed(run_id, job, status, self._now(), count))

    def _settlement(self, attempt: Attempt, end: End) -> Settlement:
        made = settlement(
            end,
            attempt=attempt.claimed.attempt,
            max_attempts=attempt.claimed.max_attempts,
            retry=attempt.entry.retry,
            now=self._now(),
            dice=random.random(),  # noqa: S311 - spreads retries, hides nothing
        )
        message = made.error_message
        return replace(
            made,
            data=self._redactor.kept(made.data),
            error_message=None if message is None else self._redactor.text(message),
        )

    async def _flush_log(self, attempt: Attempt) -> None:
        lines = attempt.log.take()
        if not lines:
            return
        try:
            await self.store.append_logs(lines)
        except NOT_KEPT:
            # Lines that PostgreSQL refuses are in the daemon's log; the run goes on.
            log.exception("run_log_refused", run=str(attempt.claimed.run_id))
        except Exception:
            attempt.log.put_back(lines)
            raise

    async def _dispatch(self) -> None:
        """Claim what is ready, here or left by others, until the drain."""
        # Not `wait_for`, which loses a cancellation that comes with the call.
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL):
                await self._wake.wait()
        self._wake.clear()
        if not self._accepting:
            await asyncio.sleep(POLL)
            return
        if monotonic() - self._rescued_at >= RESCUE_EVERY:
            self._rescued_at = monotonic()
            # What keeps it from rescuing need not keep it from claiming.
            with self._upkeep.doing("taking over abandoned runs"):
                await self.rescue()
            self._wake.clear()
        await self.claim()

    async def _keep_leases(self) -> None:
        """Signs of life for what runs here, with its progress and log; and what they answer."""
        await asyncio.sleep(POLL)
        attempts = dict(self._live)
        if not attempts:
            self._beaten.clear()
            return
        due = monotonic() - self._last_beat >= HEARTBEAT
        moved = any(self._beaten.get(key) != live.beat.done for key, live in attempts.items())
        try:
            # First, for the lease hangs on it and not on the log.
            if due or moved:
                self._beaten = {key: live.beat.done for key, live in attempts.items()}
                await self._beat(attempts)
            for attempt in attempts.values():
                await self._flush_log(attempt)
        except Exception as error:
            if monotonic() - self._last_beat > LEASE:
                log.warning("leases_given_up", runs=len(attempts), error=str(error))
                for attempt in attempts.values():
                    attempt.stop(Lost())
            raise

    async def _beat(self, attempts: Mapping[tuple[UUID, int], Attempt]) -> None:
        sent_at = monotonic()
        answers = await self.store.heartbeat([attempt.beat for attempt in attempts.values()])
        self._last_beat = sent_at
        for (run_id, _), attempt in attempts.items():
            if run_id not in answers:
                # Ended in between, or taken over: `Lost` changes nothing for what has ended.
                attempt.stop(Lost())
            elif answers[run_id]:
                attempt.stop(Cancelled("cancelled on request"))
