"""What happens to runs in this process, told to whoever listens: metrics, pings.

A listener is a plain function that returns at once. What it raises is logged and harms neither the
run nor the other listeners. What must not be lost in a crash is read from the record instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from scheduler.db.runs import Claimed, LogLine
from scheduler.entry import Entry
from scheduler.job import Json
from scheduler.run import Status
from scheduler.watching.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """An attempt of a run began here."""

    claimed: Claimed
    entry: Entry
    at: datetime


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An attempt ended here, and its end is in the record."""

    claimed: Claimed
    entry: Entry
    at: datetime
    seconds: float
    status: Status
    """The run's own from now on: `retrying` where another attempt follows."""
    data: Json | None
    error_type: str | None
    error_message: str | None
    last_lines: Sequence[LogLine]
    """The end of the attempt's log."""


@dataclass(frozen=True, slots=True)
class RunClosed:
    """This process gave a run its final status without an attempt of its own.

    Of the clock's fires `missed` and `skipped`, of what waited `cancelled`, and of what a dead
    process left `abandoned`.
    """

    run_id: UUID
    job: str
    status: Status
    at: datetime
    count: int = 1
    """How many fires the row speaks for."""


Event: TypeAlias = AttemptStarted | AttemptEnded | RunClosed
Listener: TypeAlias = Callable[[Event], None]


class Events:
    """Tells every listener, in the order in which they came."""

    def __init__(self, upkeep: Upkeep | None = None) -> None:
        self._listeners: list[Listener] = []
        self._upkeep = upkeep or Upkeep()

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def tell(self, event: Event) -> None:
        for listener in self._listeners:
            with self._upkeep.doing(f"telling {type(event).__name__} to {_name_of(listener)}"):
                listener(event)


def _name_of(listener: Listener) -> str:
    """Of the part that listens, such as `scheduler.watching.pings`."""
    return getattr(listener, "__module__", type(listener).__module__)
