"""What the handlers may reach: the parts of one daemon, behind one key of the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aiohttp import web

from scheduler.db.activity import ActivityStore
from scheduler.db.entries import EntryStore, Pause
from scheduler.db.glance import GlanceStore
from scheduler.db.sessions import SessionStore
from scheduler.endpoint import Desk, Endpoint
from scheduler.entry import Schedule
from scheduler.job import Json
from scheduler.running.registry import JobType
from scheduler.running.runner import Runner
from scheduler.settings import Settings
from scheduler.watching.health import Health
from scheduler.watching.logging import Logs
from scheduler.watching.metrics import Metrics
from scheduler.web.peers import Peers


class ClockView(Protocol):
    """What the handlers ask the clock."""

    @property
    def schedule(self) -> Schedule:
        """The schedule in force."""
        ...

    @property
    def pauses(self) -> Mapping[str, Pause]:
        """The pauses in force now, by entry."""
        ...

    def next_fires(self, name: str, n: int = 3) -> Sequence[datetime]: ...
    def words(self, name: str) -> str: ...

    async def refresh(self) -> None:
        """Read the pauses anew. Raises `DatabaseAwayError`."""
        ...


class ProblemView(Protocol):
    """One mistake in the schedule file."""

    @property
    def line(self) -> int | None: ...
    @property
    def key(self) -> str: ...
    @property
    def message(self) -> str: ...


class ReloadView(Protocol):
    """What a reload changed: names of entries, or why the file was rejected."""

    @property
    def changed(self) -> Sequence[str]: ...
    @property
    def added(self) -> Sequence[str]: ...
    @property
    def removed(self) -> Sequence[str]: ...
    @property
    def errors(self) -> Sequence[ProblemView]: ...

    def as_json(self) -> Json:
        """The changes with what was there before, as the record of activity keeps them."""
        ...


class ReloadedView(Protocol):
    """When the schedule file was last read, and with what result."""

    @property
    def at(self) -> datetime: ...
    @property
    def result(self) -> ReloadView: ...


class KindView(Protocol):
    """One kind of what an agent suggests."""

    @property
    def title(self) -> str: ...


class AgentView(Protocol):
    """An agent, as its file declares it."""

    @property
    def task(self) -> str: ...
    @property
    def kinds(self) -> Mapping[str, KindView]: ...


@dataclass(frozen=True)
class Daemon:
    """The parts of one daemon, as the composition root made them."""

    settings: Settings
    jobs: Mapping[str, JobType]
    """Every job that exists, in the schedule or not."""
    agents: Mapping[str, AgentView]
    """Every agent that exists, by slug."""
    runner: Runner
    entries: EntryStore
    activity: ActivityStore
    glance: GlanceStore
    sessions: SessionStore
    clock: ClockView
    health: Health
    metrics: Metrics
    reload: Callable[[], Awaitable[ReloadView]]
    last_reload: Callable[[], ReloadedView]
    """The start of the daemon counts as one."""
    logs: Logs
    endpoints: Sequence[Endpoint]
    """The public addresses that modules of jobs declare."""
    desk: Callable[[], Awaitable[Desk]]
    """What such an address, or a handler, may touch in the product's database, for one call."""
    now: Callable[[], datetime]
    version: str


DAEMON = web.AppKey("daemon", Daemon)
PEERS = web.AppKey("peers", Peers)
