"""What goes wrong and is over again, as alerts have it: facts, incidents, notices. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from scheduler.alerting import Kind
from scheduler.run import Status


@dataclass(frozen=True, slots=True)
class BadEnd:
    """A run that failed for good, or a row of missed fires."""

    run_id: UUID
    job: str
    status: Status
    at: datetime
    words: str = ""
    """The error, or which fires were missed."""
    count: int = 1
    """How many fires the row speaks for."""


@dataclass(frozen=True, slots=True)
class JobFact:
    """How a job stands by the record."""

    is_failing: bool = False
    """Its last run ended badly."""
    failures: int = 0
    """Runs that failed since the last success."""
    is_active: bool = False
    """A run of it goes on, or waits for its next attempt."""
    last_success_at: datetime | None = None
    is_on_clock: bool = True
    """Its entry is on and not paused."""
    expected_at: datetime | None = None
    """When it should have succeeded, with its jitter; None where that is still to come."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Something that holds now: a condition, a channel that is out."""

    words: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a look finds."""

    now: datetime
    is_first: bool = False
    """Alerts have just been turned on: what goes on already is nobody's news."""
    present_since: datetime | None = None
    """When this process began; a job cannot be late for it before."""
    ended: Sequence[BadEnd] = ()
    """New ones, oldest first."""
    jobs: Mapping[str, JobFact] = field(default_factory=dict)
    conditions: Mapping[str, Standing] = field(default_factory=dict)
    channels: Mapping[str, Standing] = field(default_factory=dict)
    """Those that have taken nothing for a while."""
    rejected: str | None = None
    """What this process says of a schedule file that it refused."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that goes on. Told once, and once that it is over."""

    key: str
    """What it is and of whom: the same trouble is one incident."""
    kind: Kind
    subject: str
    """The job, or what else it is about."""
    job: str | None
    opened_at: datetime
    seen_at: datetime
    """When it last showed itself."""
    count: int = 1
    """Runs that failed, fires that were missed."""
    words: str = ""
    run_id: UUID | None = None
    told_at: datetime | None = None
    reminded_at: datetime | None = None
    is_baseline: bool = False
    """It went on before alerts were turned on."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that people are to be told."""

    kind: Kind
    subject: str
    job: str | None
    at: datetime
    since: datetime
    was: Kind | None = None
    """Of `recovered`: what is over."""
    again: bool = False
    """It is a reminder."""
    count: int = 1
    words: str = ""
    run_id: UUID | None = None
    not_for: str | None = None
    """The channel that it is about: it would not hear it."""


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to a channel."""

    title: str
    body: str
    is_good: bool
    """Everything in it is over."""
