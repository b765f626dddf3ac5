"""Which entry or job a name in a path means, and which parameters stand in the name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from aiohttp import web

from scheduler.entry import Entry
from scheduler.suggest import did_you_mean
from scheduler.web.answers import Refusal, short
from scheduler.web.keys import DAEMON, Daemon


def all_names(daemon: Daemon) -> Iterator[str]:
    """The schedule's entries in their order, then the jobs that run without one."""
    entries = daemon.clock.schedule.entries
    yield from entries
    yield from (
        name
        for name, kind in daemon.jobs.items()
        if name not in entries and not kind.job.params.from_file_alone
    )


def entry_called(daemon: Daemon, name: str) -> Entry:
    """The entry of that name, or a job without one by its defaults. Raises a 404."""
    entry = daemon.clock.schedule.entries.get(name)
    if entry is not None:
        return entry
    if name in daemon.jobs:
        if daemon.jobs[name].job.params.from_file_alone:
            raise Refusal(404, daemon.clock.schedule.only_by_entry(name))
        return daemon.runner.entry_of(name, name)
    guess = did_you_mean(name, tuple(all_names(daemon)))
    raise Refusal(404, f"there is no job called {short(name)!r}{guess}")


def work_asked(request: web.Request) -> tuple[Entry, Mapping[str, str]]:
    """The entry that a worker route's path means, with the parameters in it. Raises a 404."""
    daemon, name = request.app[DAEMON], request.match_info["name"]
    for job, kind in daemon.jobs.items():
        if kind.job.path and (found := _pattern(kind.job.path).fullmatch(name)):
            return entry_called(daemon, job), found.groupdict()
        if kind.job.path and name == job and name not in daemon.clock.schedule.entries:
            raise Refusal(404, f"{short(name)} is called at {kind.job.path}")
    return entry_called(daemon, name), {}


@lru_cache(maxsize=100)
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)))


def entry_asked(request: web.Request) -> Entry:
    return entry_called(request.app[DAEMON], request.match_info["name"])
