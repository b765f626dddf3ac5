"""What a job's author needs: declare parameters, do the work through `ctx`, return an outcome.

A job is one file under `jobs/`. Its path is its name (`jobs/reset_credits.py` is `reset-credits`,
`jobs/orchestration/cleanup.py` is `orchestration/cleanup`), its docstring its description, and its
module-level `job` the declaration:

    class ResetCredits(Params):
        unlimited_credits: int = Field(999_999, ge=0, le=2_000_000_000)

    async def run(ctx: JobContext, params: ResetCredits) -> Outcome: ...

    job = Job(run=run, params=ResetCredits, needs={"app_users": ("id", "credits_remaining")})
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Generic, Protocol, TypeAlias, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, JsonValue

from scheduler.params import Asking, ParamProblem, Params
from scheduler.policy import AgentPolicy
from scheduler.services import Services

__all__ = (
    "Asking",
    "Connection",
    "Day",
    "Done",
    "Enrolling",
    "Explanation",
    "Job",
    "JobContext",
    "JobDatabase",
    "Json",
    "Listed",
    "Logger",
    "Outcome",
    "ParamProblem",
    "Params",
    "RetryLater",
    "Row",
    "Skipped",
)

Json: TypeAlias = Mapping[str, JsonValue]


def _listed(value: object) -> object:
    if not isinstance(value, str):
        return value
    return [item.strip() for item in value.split(",")] if value.strip() else []


def _day(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError("must be a day like 2026-01-31")


Item = TypeVar("Item")
Listed: TypeAlias = Annotated[tuple[Item, ...], BeforeValidator(_listed)]
"""The type of a parameter that is a list. A query string holds none: there, commas stand between
the items."""
Day: TypeAlias = Annotated[date, BeforeValidator(_day)]
"""The type of a parameter that is a day, written as YYYY-MM-DD and in no other way."""


@dataclass(frozen=True, slots=True)
class Done:
    """The work is done; `data` is the answer's `data`, JSON values only, keys in camelCase."""

    data: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """There was a reason to do nothing; counts as success for health."""

    reason: str
    data: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Not now: attempt again after `after`; uses up an attempt, and fails where none is left."""

    reason: str
    after: timedelta


Outcome: TypeAlias = Done | Skipped | RetryLater


class Row(Protocol):
    """One row of an answer, by column name."""

    def __getitem__(self, column: str, /) -> Any: ...


class Connection(Protocol):
    """One open transaction. asyncpg's calls and types; each is bounded by what is left of the run.

    Raises asyncpg's `PostgresError`, and `TimeoutError` past the run's time.
    """

    async def execute(self, query: str, *args: object) -> str: ...
    async def fetch(self, query: str, *args: object) -> Sequence[Row]: ...
    async def fetchrow(self, query: str, *args: object) -> Row | None: ...
    async def fetchval(self, query: str, *args: object) -> Any: ...


class JobDatabase(Protocol):
    """The product's database, as a run may use it."""

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Open a transaction that commits on leaving, if this attempt still owns its run.

        Raises `LeaseLostError` instead of committing where the run was taken over, and rolls back
        on any exception.
        """
        ...


class Logger(Protocol):
    """A log whose lines are kept with the run. An event is a constant name with keyword data."""

    def debug(self, event: str, **fields: object) -> object: ...
    def info(self, event: str, **fields: object) -> object: ...
    def warning(self, event: str, **fields: object) -> object: ...
    def error(self, event: str, **fields: object) -> object: ...


@dataclass(frozen=True, slots=True)
class JobContext:
    """Everything a job may touch."""

    run_id: UUID
    job: str
    """The schedule entry's name (several entries may run one job)."""
    attempt: int
    """1 for the first."""
    scheduled_for: datetime
    """What the run is for, UTC: a late or caught-up run does the day that it was for."""
    timezone: ZoneInfo
    """The entry's zone: what "day" means."""
    now: Callable[[], datetime]
    """The daemon's clock, UTC. Jobs never ask the machine's."""
    db: JobDatabase
    tables: Mapping[str, frozenset[str]]
    """The columns of every table visible to the run, to tell the product's variants apart."""
    scheduled_jobs: frozenset[str]
    """Names of the jobs that the schedule fires (enabled entries)."""
    log: Logger
    progress: Callable[[int, int | None], None]
    """`progress(done, total)`: kept with the run and shown; cheap, call it after each chunk."""
    services: Services = field(default_factory=Services)
    """Mail, newsletter providers, webhooks, GitHub, the model: where they are, and the keys that
    open them."""
    policy: AgentPolicy = field(default_factory=AgentPolicy)
    """What the agents may do, as the schedule file has it."""
    seconds_left: Callable[[], float] = lambda: math.inf
    """Of the run's time, for a job that would have to wait for somebody else."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a job would compute for one thing that the product's people have defined."""

    sql: str
    """The statement, as PostgreSQL gets it."""
    values: Sequence[object]
    """What stands for $1, $2, ..."""
    counts: Json
    """What comes out of it now, by name."""


P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class Enrolling(Generic[P]):
    """What `lamplighter enroll` may ask of a job.

    Each takes the slug of what people are enrolled in, answers with counts, and raises `JobError`
    where that, or the person, is not to be had.
    """

    one: Callable[[JobContext, P, str, str], Awaitable[Json]]
    """Enrols the person of that address."""
    count: Callable[[JobContext, P, str], Awaitable[Json]]
    """How many `existing` would enrol."""
    existing: Callable[[JobContext, P, str], Awaitable[Json]]
    """Enrols those who were there before."""


@dataclass(frozen=True, slots=True)
class Job(Generic[P]):
    """A job's declaration."""

    run: Callable[[JobContext, P], Awaitable[Outcome]]
    params: type[P]
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Tables, with the columns, without which the job cannot run."""
    path: str | None = None
    """Where a worker route calls it, if not by its name: `orchestration/project/{project_id}`. What
    is in braces are parameters, which then need a default of None."""
    one_for: Callable[[P], str] | None = None
    """What only one run at a time may work on, such as `project:{id}`, whichever job it is of; by
    default one run of an entry at a time."""
    explain: Callable[[JobContext, P, str], Awaitable[Explanation]] | None = None
    """What the job would compute for the segment, funnel or cohort of that slug; changes nothing.

    Raises `JobError` where there is none, or where its definition is broken.
    """
    check: Callable[[P, Services], Iterable[ParamProblem]] | None = None
    """What is wrong with an entry's parameters that only the settings tell, for
    `lamplighter check`. It calls nobody."""
    enroll: Enrolling[P] | None = None
    """How people are enrolled by hand."""
    changes: Sequence[str] = ()
    """Keys of `data` that count rows which the run wrote or deleted: their sum is a metric."""
    counts: Sequence[str] = ()
    """Keys of `data` whose numbers add up from run to run: each is a metric."""
