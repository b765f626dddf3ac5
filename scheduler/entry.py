"""One entry of the schedule: which job, when, and by which rules its runs are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from scheduler.alerting import AlertPolicy
from scheduler.params import Params
from scheduler.policy import AgentPolicy


class Overlap(StrEnum):
    """What a fire does while the entry's last run is still active."""

    SKIP = "skip"
    QUEUE = "queue"
    CANCEL_RUNNING = "cancel_running"


class CatchUp(StrEnum):
    """Which fires that fell into downtime are run afterwards; the others become `missed` rows."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failing run is attempted and how long it waits between attempts."""

    attempts: int = 3
    backoff: timedelta = timedelta(seconds=30)
    max_backoff: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Entry:
    """A typed entry of `config.yaml`; the defaults are the contract's."""

    name: str
    job: str
    """The job it runs; several entries may run one."""
    cron: str
    params: Params
    timezone: ZoneInfo = ZoneInfo("UTC")
    enabled: bool = True
    timeout: timedelta = timedelta(minutes=10)
    retry: Retry = Retry()
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.LAST
    catch_up_window: timedelta = timedelta(hours=24)
    jitter: timedelta = timedelta(0)
    ping: SecretStr | None = None
    """Where a dead man's switch hears of its runs. Who knows the address can call it."""
    line: int = 0
    """Where it stands in the file, 1-based."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The whole file, read and checked."""

    entries: Mapping[str, Entry]
    max_concurrent_runs: int = 5
    timezone: ZoneInfo = ZoneInfo("UTC")
    agents: AgentPolicy = field(default_factory=AgentPolicy)
    alerts: AlertPolicy = field(default_factory=AlertPolicy)
    ping: SecretStr | None = None
    """Where a dead man's switch hears every minute that the daemon is well."""

    def only_by_entry(self, job: str) -> str:
        """Why a job whose parameters are the file's alone does not run by its own name."""
        names = [entry.name for entry in self.entries.values() if entry.job == job]
        there = f"there are {', '.join(names[:10])}" if names else "there is none yet"
        return (
            f"{job} takes its parameters from the schedule file alone, so it runs only by the name "
            f"of an entry with `job: {job}`; {there}"
        )
