"""What does `alerts` in the schedule file say of who is told of what?"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from scheduler.alerting import AlertPolicy, Kind, Silence
from scheduler.suggest import shown
from scheduler.timing.document import List, Map, Path, Scalar
from scheduler.timing.reader import NodeReader
from scheduler.timing.values import duration, is_nothing, one_of, switch, whole

_KEYS: Final = (
    "kinds",
    "repeated_failures",
    "overdue_grace",
    "database_grace",
    "group_for",
    "most_per_hour",
    "remind_every",
    "silences",
)
_SILENCE_KEYS: Final = ("job", "kinds", "until", "reason")
_MOST_SILENCES: Final = 100
_PATTERN: Final = re.compile(r"[a-z0-9_/*-]{1,100}")
_NOTHING: Final = timedelta(0)
_SECOND: Final = timedelta(seconds=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


class AlertsReader(NodeReader):
    def policy(self, root: Map, jobs: Collection[str], timezone: ZoneInfo) -> AlertPolicy:
        """`jobs` are the entries that a silence may be for, `timezone` is that of its `until`."""
        path: Path = ("alerts",)
        given = self._part(root, (), "alerts")
        self._keys(given, path, _KEYS)
        default = AlertPolicy()

        def read(key: str, low: timedelta, high: timedelta, otherwise: timedelta) -> timedelta:
            return self._value(given, path, key, partial(duration, low=low, high=high), otherwise)

        return AlertPolicy(
            off=self._off(given, path),
            repeated_failures=self._value(
                given,
                path,
                "repeated_failures",
                partial(whole, low=2, high=1000),
                default.repeated_failures,
            ),
            overdue_grace=read("overdue_grace", 60 * _SECOND, 30 * _DAY, default.overdue_grace),
            database_grace=read("database_grace", _SECOND, _HOUR, default.database_grace),
            group_for=read("group_for", _NOTHING, _HOUR, default.group_for),
            most_per_hour=self._value(
                given, path, "most_per_hour", partial(whole, low=1, high=1000), 10
            ),
            remind_every=self._value(given, path, "remind_every", _reminder, default.remind_every),
            silences=self._silences(given, path, jobs, timezone),
        )

    def _off(self, given: Map, path: Path) -> frozenset[Kind]:
        path = (*path, "kinds")
        node = self._part(given, path[:-1], "kinds")
        self._keys(node, path, [kind.value for kind in Kind])
        return frozenset(
            kind for kind in Kind if not self._value(node, path, kind.value, switch, True)
        )

    def _silences(
        self, given: Map, path: Path, jobs: Collection[str], timezone: ZoneInfo
    ) -> tuple[Silence, ...]:
        path = (*path, "silences")
        node = given.items.get("silences")
        if node is None or is_nothing(node):
            return ()
        if not isinstance(node, List):
            self._problems.add(node.line, path, "must be a list, of {job, kinds, until, reason}")
            return ()
        if len(node.items) > _MOST_SILENCES:
            message = f"has {len(node.items):,} items; allowed are {_MOST_SILENCES}"
            self._problems.add(node.line, path, message)
            return ()
        silences = []
        for place, item in enumerate(node.items):
            at: Path = (*path, place)
            if (one := self._map(item, at)) is not None:
                silences.append(self._silence(one, at, jobs, timezone))
        return tuple(silences)

    def _silence(self, node: Map, path: Path, jobs: Collection[str], timezone: ZoneInfo) -> Silence:
        self._keys(node, path, _SILENCE_KEYS)
        if not {"job", "kinds"} & node.items.keys() and node.complete:
            self._problems.add(node.line, path, "silences everything; give a job, kinds, or both")
        self._value(node, path, "reason", _reason, "")
        return Silence(
            job=self._value(node, path, "job", partial(_job, jobs=jobs), None),
            kinds=self._kinds(node, (*path, "kinds")),
            until=self._value(node, path, "until", partial(_moment, timezone=timezone), None),
        )

    def _kinds(self, node: Map, path: Path) -> frozenset[Kind]:
        given = node.items.get("kinds")
        if given is None:
            return frozenset()
        items = given.items if isinstance(given, List) else [given]
        kinds = set()
        for place, item in enumerate(items):
            holder = Map(given.line, {"kinds": item}, {"kinds": item.line})
            if kind := self._value(holder, path[:-1], "kinds", _kind, None):
                kinds.add(kind)
            elif place > len(Kind):
                break
        if not items:
            self._problems.add(given.line, path, "is empty; leave it out for all kinds")
        return frozenset(kinds)


def _kind(node: Scalar) -> Kind:
    return one_of(node, Kind)


def _reminder(node: Scalar) -> timedelta | None:
    if is_nothing(node):
        return None
    return duration(node, _DAY, 30 * _DAY)


def _reason(node: Scalar) -> str:
    if len(node.text) > 500:
        raise ValueError("is too long; allowed are 500 characters")
    return node.text


def _job(node: Scalar, jobs: Collection[str]) -> str:
    if not _PATTERN.fullmatch(node.text):
        raise ValueError(
            f"{shown(node.text)} is no name or pattern; allowed are names, with * for anything"
        )
    if not any(fnmatchcase(job, node.text) for job in jobs):
        raise ValueError(f"{shown(node.text)} fits no entry of this file")
    return node.text


def _moment(node: Scalar, timezone: ZoneInfo) -> datetime:
    """A day counts to its end; a time without an offset is in the schedule's zone."""
    try:
        if len(node.text) == 10:
            day = date.fromisoformat(node.text) + timedelta(days=1)
            return datetime.combine(day, time(), tzinfo=timezone)
        moment = datetime.fromisoformat(node.text)
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{shown(node.text)} is no day or time; allowed are such as 2027-01-31"
            " or 2027-01-31T08:00+01:00"
        ) from None
