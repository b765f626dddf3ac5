"""A daemon of which one part raises, for as long as a file beside its schedule names that part.

    python -m tests.faults.broken_daemon serve

Writes down the name of every part of the upkeep that it comes by.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from scheduler.cli import main
from scheduler.watching.events import Event, Events
from scheduler.watching.upkeep import Upkeep

HOME = Path(os.environ.get("LAMPLIGHTER_CONFIG", "/nowhere")).parent
BROKEN = HOME / "broken"
SEEN = HOME / "seen"
FUNCTIONS = (
    "scheduler.timing.clock:Clock._rung",
    "scheduler.timing.cron:Cron.after",
    "scheduler.timing.clock:Clock._now",
    "scheduler.db.entries:EntryStore.load",
    "scheduler.db.runs:RunStore.fire",
    "scheduler.db.runs:RunStore.claim",
    "scheduler.db.runs:RunStore.rescue",
    "scheduler.db.runs:RunStore.heartbeat",
    "scheduler.db.runs:RunStore.append_logs",
    "scheduler.db.runs:RunStore.settle",
    "scheduler.running.attempt:Attempt.execute",
    "scheduler.running.runner:Runner._begin_attempt",
    "scheduler.timing.reloader:Reloader.reload",
)
"""What can raise besides: what the clock, the runner and the reloader call."""
LISTENER = "a listener"


class BrokenError(Exception):
    """Nobody foresaw it."""


def strike(part: str) -> None:
    if BROKEN.exists() and BROKEN.read_text() == part:
        raise BrokenError


def see(part: str) -> None:
    seen = SEEN.read_text().splitlines() if SEEN.exists() else []
    if part not in seen:
        SEEN.write_text("\n".join([*seen, part]))


def break_upkeep() -> None:
    repeat, doing = Upkeep.repeat, Upkeep.doing

    async def repeat_or_break(self: Upkeep, part: str, step: Callable[[], Awaitable[None]]) -> None:
        async def broken() -> None:
            strike(part)
            await step()

        see(part)
        await repeat(self, part, broken)

    @contextmanager
    def do_or_break(self: Upkeep, part: str) -> Iterator[None]:
        see(part)
        with doing(self, part):
            yield
            strike(part)

    Upkeep.repeat = repeat_or_break  # type: ignore[method-assign]
    Upkeep.doing = do_or_break  # type: ignore[assignment, method-assign]


def break_function(name: str) -> None:
    module, _, path = name.partition(":")
    owner_name, _, attribute = path.partition(".")
    owner = getattr(import_module(module), owner_name)
    if attribute == "_now":
        break_time(owner, name)
        return
    original = getattr(owner, attribute)

    def plain(*arguments: Any, **options: Any) -> Any:
        strike(name)
        return original(*arguments, **options)

    async def waiting(*arguments: Any, **options: Any) -> Any:
        strike(name)
        return await original(*arguments, **options)

    setattr(owner, attribute, waiting if asyncio.iscoroutinefunction(original) else plain)


def break_time(owner: Any, name: str) -> None:
    """The time is given to each object of its own."""
    start = owner.start

    async def start_with_broken_time(self: Any) -> None:
        now = self._now

        def tell() -> Any:
            strike(name)
            return now()

        self._now = tell
        await start(self)

    owner.start = start_with_broken_time


def break_listeners() -> None:
    make = Events.__init__

    def hear(_event: Event) -> None:
        strike(LISTENER)

    def made(self: Events, *arguments: Any) -> None:
        make(self, *arguments)
        self.listen(hear)

    Events.__init__ = made  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    break_upkeep()
    break_listeners()
    for function in FUNCTIONS:
        break_function(function)
    main()
