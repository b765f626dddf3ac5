"""What does `config.yaml` say? Its text becomes a `Schedule`, or every problem it has, by line."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any, Final, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from scheduler.entry import CatchUp, Entry, Overlap, Retry, Schedule
from scheduler.errors import LamplighterError
from scheduler.outbound.address import check_ping
from scheduler.params import ParamProblem, Params, ParamsError, read_params
from scheduler.suggest import did_you_mean, shown
from scheduler.timing.agents import AgentsReader
from scheduler.timing.alerts import AlertsReader
from scheduler.timing.cron import Cron
from scheduler.timing.document import (
    MAX_BYTES,
    Map,
    Node,
    Path,
    Problem,
    Problems,
    Scalar,
    TooManyProblemsError,
    read_document,
)
from scheduler.timing.reader import NodeReader, line_of
from scheduler.timing.values import (
    duration,
    is_nothing,
    one_of,
    plain_data,
    switch,
    whole,
    written,
    zone,
)

__all__ = ["Problem", "ScheduleError", "load_schedule", "read_schedule"]

MAX_ENTRIES: Final = 10_000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*(?:/[a-z0-9][a-z0-9_-]*)*")
_MAX_NAME: Final = 100
# What stands at these places under /api/v1/workers/ and /api/v1/jobs/ is not a job.
_TAKEN: Final = re.compile(
    r"health|runs/.+|orchestration/(health|project/.+)|.+/(trigger|pause|resume)"
)
Checks: TypeAlias = Mapping[str, Callable[[Any], Iterable[ParamProblem]]]
"""Jobs' own looks at their parameters, by the job's name."""
_UTC: Final = ZoneInfo("UTC")
_SECOND: Final = timedelta(seconds=1)
_DAY: Final = timedelta(days=1)

TOP_KEYS: Final = (
    "timezone",
    "max_concurrent_runs",
    "execution",
    "ping",
    "jobs",
    "agents",
    "alerts",
)
ENTRY_KEYS: Final = (
    "job",
    "cron",
    "timezone",
    "enabled",
    "timeout",
    "retry",
    "overlap",
    "catch_up",
    "catch_up_window",
    "jitter",
    "ping",
    "params",
)
RETRY_KEYS: Final = ("attempts", "backoff", "max_backoff")

_up_to_a_day: Final = partial(duration, low=_SECOND, high=_DAY)


class ScheduleError(LamplighterError):
    """The schedule is refused; `problems` has all of the reasons, in the order of their lines."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


def load_schedule(
    path: FilePath,
    jobs: Mapping[str, type[Params]],
    ping_hosts: Collection[str] = (),
    checks: Checks | None = None,
) -> Schedule:
    """Read a file; `jobs` are the jobs that exist, by name, with their parameters.

    `ping_hosts` are those that pings may reach by http; `checks` look further at the parameters of
    some jobs.

    Raises `ScheduleError`, also where the file cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(None, "it is not a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8") if len(content) <= MAX_BYTES else " " * len(content)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problem = Problem(str(path), 0, "", f"cannot be read: {what or error}")
        raise ScheduleError((problem,)) from None
    return read_schedule(text, str(path), jobs, ping_hosts, checks)


def read_schedule(
    text: str,
    file: str,
    jobs: Mapping[str, type[Params]],
    ping_hosts: Collection[str] = (),
    checks: Checks | None = None,
) -> Schedule:
    """Read the text of a schedule; `file` is its name in problems.

    Raises `ScheduleError` with every problem.
    """
    problems = Problems(file)
    schedule = Schedule(entries={})
    try:
        root = read_document(text, problems)
        if isinstance(root, Map):
            schedule = _Reader(problems, jobs, ping_hosts, checks or {}).schedule(root)
        elif not problems:
            problems.add(1, (), f"has no keys; allowed are {', '.join(TOP_KEYS)}")
    except TooManyProblemsError:
        return _refuse(problems)
    return _refuse(problems) if problems else schedule


def _refuse(problems: Problems) -> Schedule:
    raise ScheduleError(tuple(problems))


class _Reader(NodeReader):
    """Turns nodes into entries and notes what is wrong on the way; defaults stand in for it."""

    def __init__(
        self,
        problems: Problems,
        jobs: Mapping[str, type[Params]],
        ping_hosts: Collection[str],
        checks: Checks,
    ) -> None:
        super().__init__(problems)
        self._jobs = jobs
        self._ping = partial(_ping, hosts=ping_hosts)
        self._checks = checks

    def schedule(self, root: Map) -> Schedule:
        self._keys(root, (), TOP_KEYS)
        timezone = self._value(root, (), "timezone", zone, _UTC)
        self._value(root, (), "execution", _execution, "local")
        limit = partial(whole, low=1, high=100)
        entries = self._entries(root, timezone)
        return Schedule(
            entries=MappingProxyType(entries),
            max_concurrent_runs=self._value(root, (), "max_concurrent_runs", limit, 5),
            timezone=timezone,
            agents=AgentsReader(self._problems).policy(root),
            alerts=AlertsReader(self._problems).policy(root, entries, timezone),
            ping=self._value(root, (), "ping", self._ping, None),
        )

    def _entries(self, root: Map, timezone: ZoneInfo) -> dict[str, Entry]:
        node = root.items.get("jobs")
        if node is None and root.complete:
            self._problems.add(root.line, ("jobs",), "is missing; write `jobs: {}` for none")
        if node is None or not isinstance(jobs := self._map(node, ("jobs",)), Map):
            return {}
        entries: dict[str, Entry] = {}
        for name, line in jobs.lines.items():
            if len(entries) >= MAX_ENTRIES:
                message = f"has {len(jobs.items):,} entries; allowed are {MAX_ENTRIES:,}"
                self._problems.add(line, ("jobs",), message)
                break
            if not _NAME.fullmatch(name) or len(name) > _MAX_NAME:
                message = (
                    f"{shown(name)} is not a name; allowed are lower-case letters, digits, - and _,"
                    f" with / between parts, up to {_MAX_NAME} characters"
                )
                self._problems.add(line, ("jobs",), message)
            elif _TAKEN.fullmatch(name):
                message = f"{shown(name)} is the end of another route's path; choose another name"
                self._problems.add(line, ("jobs",), message)
            if (entry := self._map(jobs.items[name], ("jobs", name))) is not None:
                entries[name] = self._entry(name, line, entry, timezone)
        return entries

    def _entry(self, name: str, line: int, node: Map, timezone: ZoneInfo) -> Entry:
        path: Path = ("jobs", name)
        self._keys(node, path, ENTRY_KEYS)
        job = self._value(node, path, "job", self._job, "")
        if "job" not in node.items:
            job = name if name in self._jobs else ""
            if not job and node.complete:
                self._problems.add(line, (*path, "job"), f"is missing; {self._no_job(name)}")
        timezone = self._value(node, path, "timezone", zone, timezone)
        cron = self._value(node, path, "cron", lambda at: Cron.parse(at.text, timezone), None)
        if "cron" not in node.items and node.complete:
            message = "is missing; allowed are five fields or a name such as @daily, in quotes"
            self._problems.add(line, (*path, "cron"), message)
        window = partial(duration, low=_SECOND, high=30 * _DAY)
        jitter = self._value(node, path, "jitter", partial(_jitter, cron=cron), timedelta(0))
        return Entry(
            name=name,
            job=job,
            cron=cron.expression if cron else "",
            params=self._params(node, path, job, line),
            timezone=timezone,
            enabled=self._value(node, path, "enabled", switch, True),
            timeout=self._value(node, path, "timeout", _up_to_a_day, timedelta(minutes=10)),
            retry=self._retry(node, path),
            overlap=self._value(node, path, "overlap", partial(one_of, kind=Overlap), Overlap.SKIP),
            catch_up=self._value(
                node, path, "catch_up", partial(one_of, kind=CatchUp), CatchUp.LAST
            ),
            catch_up_window=self._value(node, path, "catch_up_window", window, _DAY),
            jitter=jitter,
            ping=self._value(node, path, "ping", self._ping, None),
            line=line,
        )

    def _retry(self, entry: Map, path: Path) -> Retry:
        path = (*path, "retry")
        node = self._map(entry.items["retry"], path) if "retry" in entry.items else None
        if node is None:
            return Retry()
        self._keys(node, path, RETRY_KEYS)
        default = Retry()
        attempts = partial(whole, low=1, high=20)
        retry = Retry(
            attempts=self._value(node, path, "attempts", attempts, default.attempts),
            backoff=self._value(node, path, "backoff", _up_to_a_day, default.backoff),
            max_backoff=self._value(node, path, "max_backoff", _up_to_a_day, default.max_backoff),
        )
        if retry.max_backoff < retry.backoff:
            key = "max_backoff" if "max_backoff" in node.items else "backoff"
            message = (
                f"max_backoff ({written(retry.max_backoff)}) is shorter than "
                f"backoff ({written(retry.backoff)}); allowed is the same or longer"
            )
            self._problems.add(node.lines[key], (*path, key), message)
        return retry

    def _params(self, entry: Map, path: Path, job: str, line: int) -> Params:
        path, model = (*path, "params"), self._jobs.get(job)
        node: Node = entry.items.get("params", Map(line))
        line = entry.lines.get("params", line)
        given = Map(node.line) if is_nothing(node) else self._map(node, path)
        if given is None or model is None:
            return Params()
        raw = {key: plain_data(item) for key, item in given.items.items()}
        try:
            params = read_params(model, raw)
            problems = tuple(self._checks[job](params)) if job in self._checks else ()
        except ParamsError as error:
            params, problems = Params(), error.problems
        for problem in problems:
            if "params" in entry.items or entry.complete:
                at = line_of(given, problem.path, line)
                self._problems.add(at, (*path, *problem.path), problem.message)
        return params

    def _job(self, node: Scalar) -> str:
        if node.text not in self._jobs:
            raise ValueError(self._no_job(node.text))
        return node.text

    def _no_job(self, name: str) -> str:
        guess = did_you_mean(name, self._jobs)
        there = ", ".join(sorted(self._jobs)) or "none"
        return f"there is no job {shown(name)}" + (guess or f"; allowed are {there}")


def _ping(node: Scalar, hosts: Collection[str]) -> SecretStr | None:
    """The address itself is in no message: who knows it can call it."""
    if is_nothing(node):
        return None
    check_ping(node.text, hosts)
    return SecretStr(node.text)


def _execution(node: Scalar) -> str:
    if node.text != "local":
        raise ValueError(f"{shown(node.text)} is not supported; allowed is local")
    return node.text


def _jitter(node: Scalar, cron: Cron | None) -> timedelta:
    jitter = duration(node, timedelta(0), _DAY)
    if jitter and cron is not None and jitter >= (period := cron.shortest_period()):
        raise ValueError(
            f"{node.text} is too long for {cron.expression!r}, whose fires can be "
            f"{written(period)} apart; allowed is less than that"
        )
    return jitter
