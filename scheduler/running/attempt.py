"""One attempt of a run: the job under its timeout, until it ends or somebody stops it."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import asyncpg
from pydantic import ValidationError

from scheduler.db.catalog import Catalog, missing
from scheduler.db.fenced import FencedDatabase
from scheduler.db.pools import Pool, describe
from scheduler.db.runs import Beat, Claimed
from scheduler.entry import Entry
from scheduler.errors import (
    JobError,
    LamplighterError,
    LeaseLostError,
    MissingTablesError,
    PermanentError,
)
from scheduler.job import Done, JobContext, Logger, Params, RetryLater, Skipped
from scheduler.policy import AgentPolicy
from scheduler.running.outcome import Cancelled, End, Failed, Interrupted, TimedOut
from scheduler.running.registry import JobType
from scheduler.running.runlog import RunLog
from scheduler.services import Services
from scheduler.watching.redaction import Redactor

CANCEL_GRACE = 0.8
"""Seconds that a job has to end after its cancellation before it is given up."""
AT_THE_DEADLINE = 0.1
"""Seconds before its end at which a timeout is the run's own."""
MAX_ERROR = 2_000
"""Characters kept of an error's text."""


class Lost:
    """The attempt no longer owns its run: there is nothing to write."""


class Attempt:
    """An attempt that runs in this process."""

    def __init__(
        self,
        claimed: Claimed,
        job_type: JobType,
        entry: Entry,
        *,
        pool: Pool,
        catalog: Catalog,
        now: Callable[[], datetime],
        logger: Logger,
        scheduled_jobs: frozenset[str],
        services: Services,
        policy: AgentPolicy,
        redactor: Redactor,
    ) -> None:
        self.claimed = claimed
        self.entry = entry
        self.log = RunLog(claimed, logger, now, redactor)
        self._redactor = redactor
        self.ended = asyncio.Event()
        """Set once the end is in the record, or can no longer get there."""
        self._job_type = job_type
        self._catalog = catalog
        self._stop: asyncio.Future[Cancelled | Interrupted | Lost] = (
            asyncio.get_running_loop().create_future()
        )
        self._began = monotonic()
        self._deadline = self._began + entry.timeout.total_seconds()
        self._done: int | None = None
        self._total: int | None = None
        self._context = JobContext(
            run_id=claimed.run_id,
            job=claimed.job,
            attempt=claimed.attempt,
            scheduled_for=claimed.scheduled_for,
            timezone=entry.timezone,
            now=now,
            db=FencedDatabase(pool, claimed.run_id, claimed.attempt, self._deadline),
            tables={},
            scheduled_jobs=scheduled_jobs,
            log=self.log,
            progress=self._progress,
            services=services,
            policy=policy,
            seconds_left=lambda: self._deadline - monotonic(),
        )

    @property
    def beat(self) -> Beat:
        return Beat(self.claimed.run_id, self.claimed.attempt, self._done, self._total)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return monotonic() - self._began

    def stop(self, why: Cancelled | Interrupted | Lost) -> None:
        """Ask it to end; the first reason counts."""
        if not self._stop.done():
            self._stop.set_result(why)

    async def execute(self) -> End | Lost:
        """Run the job to its end. Never raises for what the job does."""
        work = asyncio.create_task(self._work(), name=f"{self.claimed.job} {self.claimed.run_id}")
        waited: set[asyncio.Future[Any]] = {work, self._stop}
        await asyncio.wait(
            waited,
            timeout=self._deadline - monotonic(),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not work.done():
            work.cancel()
            await asyncio.wait({work}, timeout=CANCEL_GRACE)
            if not work.done():
                self.log.error("job_ignores_cancellation", grace_seconds=CANCEL_GRACE)
        if work.done() and not work.cancelled():
            # It may have ended by itself while it was being stopped: then that is what happened.
            return work.result()
        if self._stop.done():
            return self._stop.result()
        return TimedOut(_in_words(self.entry.timeout))

    async def _work(self) -> End | Lost:
        try:
            return await self._run_job()
        except LeaseLostError:
            return Lost()
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            self._catalog.forget()
            return Failed("MissingTablesError", self._short(describe(error)), permanent=True)
        except LamplighterError as error:
            # A failure that the job foresaw: its sentence says it all.
            self.log.warning("job_failed", error=str(error))
            return Failed(
                type(error).__name__, self._short(str(error)), isinstance(error, PermanentError)
            )
        except (TimeoutError, asyncpg.QueryCanceledError) as error:
            if monotonic() >= self._deadline - AT_THE_DEADLINE:
                # The database work ended with the run's time, a moment before the run itself did.
                return TimedOut(_in_words(self.entry.timeout))
            return self._raised(error)
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - a job may raise
            # SystemExit too: a job must not be able to take the daemon down.
            return self._raised(error)

    def _raised(self, error: BaseException) -> Failed:
        self.log.warning("job_raised", traceback=traceback.format_exc(limit=-8))
        return Failed(type(error).__name__, self._short(describe(error)))

    async def _run_job(self) -> End:
        job = self._job_type.job
        tables = await self._catalog.tables()
        lacking = missing(job.needs, tables)
        if lacking:
            self._catalog.forget()
            raise MissingTablesError(
                f"the database lacks {', '.join(lacking)}, which {self._job_type.name} needs"
            )
        outcome: object = await job.run(replace(self._context, tables=tables), self._params())
        if isinstance(outcome, Done | Skipped | RetryLater):
            return outcome
        raise PermanentError(
            f"{self._job_type.name} returned {type(outcome).__name__}, "
            "not Done, Skipped or RetryLater"
        )

    def _params(self) -> Params:
        """Those that the run was made with; where the file alone has them, what it has now.

        Then a row that did not come from the schedule, or from what it was, changes nothing.
        """
        model, name = self._job_type.job.params, self._job_type.name
        kept = dict(self.claimed.params)
        if model.from_file_alone:
            params = self.entry.params
            if not isinstance(params, model):
                # Another process may have the file that has it: the next attempt may be there.
                raise JobError(
                    f"the schedule file has no entry {self.claimed.job} with `job: {name}` any "
                    "more, and this job runs only by what stands there"
                )
            if (now := params.model_dump(mode="json")) != kept:
                self.log.info("schedule_has_changed", params=now)
            return params
        try:
            return model.model_validate(kept)
        except ValidationError as error:
            raise PermanentError(
                f"its parameters do not fit {name} any more: {error.error_count()} "
                f"wrong, the first at {error.errors()[0]['loc']}"
            ) from error

    def _short(self, text: str) -> str:
        """An error's text as it is kept: redacted before it is cut."""
        text = self._redactor.text(text).replace("\x00", "")
        return text if len(text) <= MAX_ERROR else text[: MAX_ERROR - 1] + "…"

    def _progress(self, done: int, total: int | None) -> None:
        self._done, self._total = done, total


def _in_words(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{seconds / 60:g} min" if seconds >= 120 else f"{seconds:g} s"
