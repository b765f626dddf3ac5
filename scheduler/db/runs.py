"""The record of runs: what is written and read of `lamplighter.runs`, typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from scheduler.db.pools import PooledConnection, Pools
from scheduler.job import Json
from scheduler.run import Settlement, Status
from scheduler.sql import load_sql

sql = load_sql(__file__)


@dataclass(frozen=True, slots=True)
class Fire:
    """A run that should come to be."""

    id: UUID
    job: str
    job_type: str
    trigger: str
    scheduled_for: datetime
    overlap_key: str
    params: Json
    max_attempts: int = 1
    overlap: str = "skip"
    requested_by: str | None = None
    reason: str | None = None
    not_before: datetime | None = None
    final_status: str | None = None
    """`missed` or `skipped` for a row that only says why nothing ran."""
    data: Json | None = None
    idempotency_key: str | None = None
    arguments_hash: str | None = None

    @property
    def speaks_for(self) -> int:
        """How many fires of the clock its row stands for."""
        count = (self.data or {}).get("count", 1)
        return count if isinstance(count, int) else 1


@dataclass(frozen=True, slots=True)
class Mark:
    """An entry whose every fire up to `watermark` has its row with these."""

    job: str
    watermark: datetime
    pause_ended: bool = False


@dataclass(frozen=True, slots=True)
class Fired:
    """What became of a `Fire`; the outcomes are those of the function `lamplighter.fire`."""

    run_id: UUID
    outcome: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that this process owns from now on."""

    run_id: UUID
    job: str
    job_type: str
    trigger: str
    attempt: int
    max_attempts: int
    scheduled_for: datetime
    params: Json


@dataclass(frozen=True, slots=True)
class Beat:
    """The sign of life of one attempt."""

    run_id: UUID
    attempt: int
    done: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Run:
    """One row of `lamplighter.runs`."""

    id: UUID
    seq: int
    job: str
    job_type: str
    trigger: str
    status: Status
    scheduled_for: datetime
    overlap_key: str
    params: Json
    requested_by: str | None
    reason: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    max_attempts: int
    next_attempt_at: datetime | None
    replica: str | None
    progress_done: int | None
    progress_total: int | None
    data: Json | None
    error_type: str | None
    error_message: str | None
    cancel_requested_at: datetime | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Run:
        values = {name: row[name] for name in cls.__slots__}
        return cls(**{**values, "status": Status(row["status"])})


@dataclass(frozen=True, slots=True)
class Attempt:
    attempt: int
    cause: str
    replica: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    error_type: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a run logged; `fields` are JSON values."""

    run_id: UUID
    attempt: int
    at: datetime
    level: str
    event: str
    fields: Json


@dataclass(frozen=True, slots=True)
class Rescued:
    """A run whose owner died."""

    id: UUID
    job: str
    attempt: int
    status: Status
    replica: str


@dataclass(frozen=True, slots=True)
class EntryState:
    """What the record says of one entry."""

    job: str
    last_status: Status | None
    last_run_id: UUID | None
    last_success_at: datetime | None
    last_success_for: datetime | None
    failures: int
    """How many runs failed since the last success."""
    running: bool


class RunStore:
    """Reads and writes the record through the control pool.

    Every method raises `DatabaseAwayError` where PostgreSQL cannot be reached.
    """

    def __init__(self, pools: Pools, replica: str) -> None:
        self._pools = pools
        self._replica = replica

    async def fire(
        self, fires: Sequence[Fire], clock: datetime, slots: int, marks: Sequence[Mark] = ()
    ) -> list[Fired]:
        """Make the rows, all or none, and start up to `slots` of them here; in the same order."""
        async with self._pools.control() as connection:
            rows = sql.fire(
                connection,
                fires=[asdict(fire) for fire in fires],
                replica=self._replica,
                clock=clock,
                slots=slots,
                marks=[asdict(mark) for mark in marks],
            )
            return [Fired(row["run_id"], row["outcome"]) async for row in rows]

    async def claim(
        self, clock: datetime, most: int, known_types: Sequence[str], only: UUID | None = None
    ) -> list[Claimed]:
        """Take up to `most` waiting runs of the types that this process knows, or `only` that."""
        async with self._pools.control() as connection:
            rows = sql.claim(
                connection,
                replica=self._replica,
                clock=clock,
                most=most,
                known_types=list(known_types),
                only=only,
            )
            return [
                Claimed(run_id=row["id"], **{name: row[name] for name in Claimed.__slots__[1:]})
                async for row in rows
            ]

    async def heartbeat(self, beats: Sequence[Beat]) -> dict[UUID, bool]:
        """Keep the leases; the runs that are still ours, with whether to cancel them."""
        async with self._pools.control() as connection:
            rows = sql.heartbeat(
                connection,
                run_ids=[beat.run_id for beat in beats],
                attempts=[beat.attempt for beat in beats],
                done=[beat.done for beat in beats],
                total=[beat.total for beat in beats],
            )
            return {row["run_id"]: row["cancel"] async for row in rows}

    async def settle(self, beat: Beat, end: Settlement, clock: datetime) -> Status | None:
        """Write the end of an attempt: the run's status now; None where it is no longer ours."""
        async with self._pools.control() as connection:
            row = await sql.settle(
                connection,
                run_id=beat.run_id,
                attempt=beat.attempt,
                clock=clock,
                status=str(end.status),
                attempt_status=end.attempt_status,
                data=end.data,
                error_type=end.error_type,
                error_message=end.error_message,
                next_attempt_at=end.next_attempt_at,
                next_cause=end.next_cause,
                done=beat.done,
                total=beat.total,
            )
            return Status(row["status"]) if row else None

    async def rescue(
        self, clock: datetime, lease: timedelta, dead: Sequence[str] = ()
    ) -> list[Rescued]:
        """Take over the runs whose replica was silent for `lease`, and those of the `dead` ones."""
        async with self._pools.control() as connection:
            rows = sql.rescue(connection, clock=clock, lease=lease, dead=list(dead))
            return [
                Rescued(
                    row["id"], row["job"], row["attempt"], Status(row["status"]), row["replica"]
                )
                async for row in rows
            ]

    async def cancel(
        self, run_id: UUID, clock: datetime, message: str
    ) -> tuple[str, Status] | None:
        """End a waiting run or ask a running one to stop: its job and its status now.

        None where it has ended already.
        """
        async with self._pools.control() as connection:
            row = await sql.cancel(connection, run_id=run_id, clock=clock, message=message)
            return (row["job"], Status(row["status"])) if row else None

    async def append_logs(self, lines: Sequence[LogLine]) -> None:
        async with self._pools.control() as connection:
            await sql.append_logs(connection, lines=[asdict(line) for line in lines])

    async def get(self, run_id: UUID) -> Run | None:
        async with self._pools.control() as connection:
            row = await sql.run(connection, run_id=run_id)
            return Run.of(row) if row else None

    async def attempts(self, run_id: UUID) -> list[Attempt]:
        async with self._pools.control() as connection:
            return [Attempt(**row) async for row in sql.attempts(connection, run_id=run_id)]

    async def log_lines(self, run_id: UUID) -> list[LogLine]:
        async with self._pools.control() as connection:
            rows = sql.log_lines(connection, run_id=run_id)
            return [LogLine(run_id=run_id, **row) async for row in rows]

    async def last_run(self, job: str) -> Run | None:
        async with self._pools.control() as connection:
            row = await sql.last_run(connection, job=job)
            return Run.of(row) if row else None

    async def states(self, jobs: Sequence[str]) -> dict[str, EntryState]:
        """The state of each entry that is named, never-run ones included."""
        async with self._pools.control() as connection:
            return await entry_states(connection, jobs)


async def entry_states(connection: PooledConnection, jobs: Sequence[str]) -> dict[str, EntryState]:
    """The state of each entry that is named, as far as this connection sees the record."""
    return {
        row["job"]: EntryState(
            job=row["job"],
            last_status=Status(row["last_status"]) if row["last_status"] else None,
            last_run_id=row["last_run_id"],
            last_success_at=row["last_success_at"],
            last_success_for=row["last_success_for"],
            failures=row["failures"],
            running=row["running"],
        )
        async for row in sql.states(connection, jobs=list(jobs))
    }
