"""Which entry or job a name in a path means."""

from __future__ import annotations

from collections.abc import Iterator

from aiohttp import web

from scheduler.entry import Entry
from scheduler.web.answers import Refusal, short
from scheduler.web.keys import DAEMON, Daemon


def all_names(daemon: Daemon) -> Iterator[str]:
    """The schedule's entries in their order, then the jobs that the schedule does not have."""
    entries = daemon.clock.schedule.entries
    yield from entries
    yield from (name for name in daemon.jobs if name not in entries)


def entry_called(daemon: Daemon, name: str) -> Entry:
    """The entry of that name, or a job without one by its defaults. Raises a 404."""
    entry = daemon.clock.schedule.entries.get(name)
    if entry is not None:
        return entry
    if name in daemon.jobs:
        return daemon.runner.entry_of(name, name)
    raise Refusal(404, f"there is no job called {short(name)!r}")


def entry_asked(request: web.Request) -> Entry:
    return entry_called(request.app[DAEMON], request.match_info["name"])
