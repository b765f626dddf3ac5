"""The words for a run: its statuses, and what is written when an attempt ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scheduler.job import Json


class Status(StrEnum):
    """A run's status, as the API shows it."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    MISSED = "missed"

    @property
    def is_final(self) -> bool:
        return self not in {Status.QUEUED, Status.RUNNING, Status.RETRYING}


class Trigger(StrEnum):
    """What made a run."""

    SCHEDULE = "schedule"
    CATCH_UP = "catch_up"
    HTTP = "http"
    ADMIN = "admin"
    CLI = "cli"
    RESCUE = "rescue"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is written of an attempt that ended."""

    status: Status
    attempt_status: str
    data: Json | None = None
    error_type: str | None = None
    error_message: str | None = None
    next_attempt_at: datetime | None = None
    next_cause: str = "retry"
