"""One run in this process, without the daemon: for `lamplighter run`."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID

import click

from scheduler.app import all_jobs, read_schedule_file, replica_name
from scheduler.db.catalog import Catalog
from scheduler.db.database import Database
from scheduler.db.runs import Run, RunStore
from scheduler.errors import LamplighterError
from scheduler.job import Asking
from scheduler.now import clock_with
from scheduler.outbound.ping import Pinger
from scheduler.params import change_params
from scheduler.run import Trigger
from scheduler.running.fires import fire_by_hand
from scheduler.running.runner import Runner
from scheduler.settings import Settings
from scheduler.suggest import no_job
from scheduler.watching.events import Events
from scheduler.watching.pings import Pings
from scheduler.watching.redaction import Redactor

LAST_PING = 10.0
"""Seconds that a dead man's switch has to hear of the end."""


class UnknownJobError(LamplighterError):
    """Neither an entry of the schedule nor a job has that name."""


class BusyError(LamplighterError):
    """The job is already running."""

    def __init__(self, job: str, run_id: UUID) -> None:
        super().__init__(f"{job} is already running, as run {run_id}")
        self.run_id = run_id


async def run_once(
    settings: Settings, job: str, given: Mapping[str, object], reason: str | None
) -> Run:
    """Run the entry or job of that name, all its attempts, and return its record.

    Raises `BusyError`, `UnknownJobError`, `ParamsError`, or another `LamplighterError`.
    """
    jobs = all_jobs()
    schedule = read_schedule_file(settings, jobs)
    if job not in schedule.entries and job not in jobs:
        raise UnknownJobError(no_job(job, sorted({*schedule.entries, *jobs})))
    if job not in schedule.entries and jobs[job].job.params.from_file_alone:
        raise LamplighterError(schedule.only_by_entry(job))
    now = clock_with(settings.offset)
    replica = replica_name()
    database = Database.of(settings, replica)
    await database.open(job_connections=2)
    try:
        await database.prepare()
        pools = database.pools
        pings = Pings(Pinger(settings.ping_hosts), lambda: schedule)
        events = Events()
        events.listen(pings.hear)
        runner = Runner(
            store=RunStore(pools, replica),
            pools=pools,
            catalog=Catalog(pools),
            jobs=jobs,
            schedule=schedule,
            now=now,
            replica=replica,
            services=settings.services,
            redactor=Redactor(settings.secret_values),
            events=events,
        )
        entry = runner.entry_of(job, schedule.entries[job].job if job in schedule.entries else job)
        asked_at = now()
        fire = fire_by_hand(
            entry,
            change_params(entry.params, given, Asking(asked_at, entry.timezone)),
            trigger=Trigger.CLI,
            now=asked_at,
            requested_by="command line",
            reason=reason,
        )
        runner.start(claims=False)
        try:
            [fired] = await runner.fire([fire])
            if fired.outcome == "busy" and await _taken_over(runner, fired.run_id):
                left_over = await _until_ended(runner, fired.run_id)
                if left_over.status == "cancelled":
                    return left_over
                [fired] = await runner.fire([fire])
            if fired.outcome == "busy":
                raise BusyError(job, fired.run_id)
            return await _until_ended(runner, fired.run_id)
        finally:
            await runner.drain(0)
            await pings.close(LAST_PING)
    finally:
        await database.close()


async def _taken_over(runner: Runner, run_id: UUID) -> bool:
    """Whether a dead process left that run, so that it goes on here.

    A daemon would have taken it over; where there is none it would keep the job busy for ever.
    """
    await runner.rescue()
    await runner.claim(run_id)
    return runner.running > 0


async def _until_ended(runner: Runner, run_id: UUID) -> Run:
    """Wait for the end, with a progress line on a terminal; Ctrl-C cancels the run."""
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, interrupted.set)
    while True:
        run = await runner.wait(run_id, 1.0)
        if run is None:
            raise LamplighterError(f"run {run_id} is no longer recorded")
        if run.status.is_final:
            return run
        if interrupted.is_set():
            interrupted.clear()
            await runner.cancel(run_id, "cancelled from the keyboard")
        if run.status == "retrying":
            # This process claims nothing by itself; the attempt waits for its time here.
            with suppress(TimeoutError):
                await asyncio.wait_for(interrupted.wait(), 0.2)
            await runner.claim(run_id)
        if sys.stderr.isatty() and run.progress_done is not None:
            of = f" of {run.progress_total:,}" if run.progress_total else ""
            click.echo(f"\r{run.progress_done:,}{of}   ", nl=False, err=True)
