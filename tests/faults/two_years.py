"""A history of the schedule, made up, and every row that it must leave in the record.

What must come of it is worked out fire by fire from the history alone: which minutes an expression
means is the oracle's of tests/timing, which walks minutes, and what becomes of each is said here as
the README says it. Nothing of scheduler/timing is used.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from scheduler.entry import CatchUp, Entry
from tests.support.machine import NoParams
from tests.timing.oracle import Expression, Stretch

SECOND = timedelta(seconds=1)
FRESH = 10 * SECOND
"""What is found this late still runs, whatever the policy."""
MOST_ROWS = 100
"""More missed fires than this become one row."""

ODD = (
    ("berlin-in-the-gap", "30 2 * * *", "Europe/Berlin"),
    ("new-york-wild", "*/20 1-3 * * *", "America/New_York"),
    ("lord-howe", "15,45 */2 * * sun", "Australia/Lord_Howe"),
    ("havana-midnight", "0 0 * * *", "America/Havana"),
    ("casablanca", "0 2,3 * * 5-7", "Africa/Casablanca"),
    ("kathmandu-quarters", "5 4 1 */3 *", "Asia/Kathmandu"),
    ("friday-or-13th", "0 12 13 * fri", "America/New_York"),
    ("leap-day", "59 23 29 2 *", "UTC"),
    ("saturdays", "*/2 0-12 * * sat", "Europe/Berlin"),
    ("tuesday-minutes", "10-40 3 * * 2", "UTC"),
)
OTHER_CRONS = ("30 1 * * *", "0 */5 * * *", "0,30 2 * * 0", "45 23 28-31 * *", "*/10 2 * * sun")
OTHER_ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")


def odd_entries(dice: random.Random) -> list[Entry]:
    return [
        Entry(
            name,
            name,
            cron,
            NoParams(),
            timezone=ZoneInfo(zone),
            catch_up=dice.choice([*CatchUp]),
            catch_up_window=timedelta(hours=dice.choice([1, 6, 24, 100])),
        )
        for name, cron, zone in ODD
    ]


@dataclass(frozen=True)
class Paused:
    name: str
    start: datetime
    end: datetime
    known: bool
    """Whether its end was said at its start; else somebody resumes it then."""


@dataclass(frozen=True)
class Life:
    """A daemon from its start to its end; `changes` are schedules that it reloads."""

    up: datetime
    down: datetime
    entries: Mapping[str, Entry]
    changes: Sequence[tuple[datetime, Mapping[str, Entry]]]


@dataclass
class History:
    lives: list[Life] = field(default_factory=list)
    pauses: list[Paused] = field(default_factory=list)


def make_history(
    entries: Sequence[Entry], begin: datetime, end: datetime, dice: random.Random
) -> History:
    """Lives of hours or days with downtimes of seconds or days, in which people are busy too."""
    made = History()
    changing = {name for name, _, _ in ODD} & {entry.name for entry in entries}
    current = {entry.name: entry for entry in entries}
    paused_until: dict[str, datetime] = {}
    up = begin + 17 * SECOND
    while up < end:
        down = _at(min(up + _span(dice, 0.3, 12), end), 30)
        changes: list[tuple[datetime, Mapping[str, Entry]]] = []
        first = dict(current)
        moment = up
        while (moment := _at(moment + _span(dice, 0.1, 6), dice.randint(40, 50))) < down - FRESH:
            free = [
                name
                for name, entry in current.items()
                if entry.enabled and paused_until.get(name, begin) < moment
            ]
            if dice.random() < 0.5:
                name = dice.choice(free)
                until = _at(moment + _span(dice, 0.01, 4), 52)
                known = dice.random() < 0.6
                if not known:
                    # Somebody resumes it while the daemon is there.
                    until = min(until, _at(down - timedelta(minutes=2), 52))
                if moment < until:
                    made.pauses.append(Paused(name, moment, until, known))
                    paused_until[name] = until
            else:
                busy = {name for name, until in paused_until.items() if until >= moment}
                current = _changed(current, changing - busy, dice)
                changes.append((moment, dict(current)))
        made.lives.append(Life(up, down, first, changes))
        up = down + _span(dice, 0.0001, 5 if dice.random() < 0.3 else 0.5)
        up = _at(up, dice.randint(1, 59))
        if up <= down:
            up += timedelta(minutes=1)
        if dice.random() < 0.2:
            busy = {name for name, until in paused_until.items() if until >= down}
            current = _changed(current, changing - busy, dice)
    return made


def _span(dice: random.Random, least: float, most: float) -> timedelta:
    """Days; short ones are as likely as long ones."""
    return timedelta(days=least * (most / least) ** dice.random())


def _at(moment: datetime, second: int) -> datetime:
    return moment.replace(second=second, microsecond=0)


def _changed(
    entries: Mapping[str, Entry], names: set[str], dice: random.Random
) -> dict[str, Entry]:
    changed = dict(entries)
    if not names:
        return changed
    name = dice.choice(sorted(names))
    entry = entries[name]
    match dice.randrange(4):
        case 0:
            entry = replace(entry, enabled=not entry.enabled)
        case 1:
            entry = replace(entry, cron=dice.choice(OTHER_CRONS))
        case 2:
            entry = replace(entry, timezone=ZoneInfo(dice.choice(OTHER_ZONES)))
        case _:
            entry = replace(entry, catch_up=dice.choice([*CatchUp]))
    changed[name] = entry
    return changed


# The fires


Spelled: TypeAlias = tuple[str, str]
"""An expression and its zone."""


def spelled(entry: Entry) -> Spelled:
    return entry.cron, entry.timezone.key


class Fires:
    """Every fire of every expression that the history knows, by the oracle."""

    def __init__(self, history: History, begin: datetime, end: datetime) -> None:
        by_zone: dict[str, set[str]] = {}
        for life in history.lives:
            for entries in (life.entries, *(entries for _, entries in life.changes)):
                for entry in entries.values():
                    by_zone.setdefault(entry.timezone.key, set()).add(entry.cron)
        self._fires: dict[Spelled, list[datetime]] = {
            (cron, zone): [] for zone, crons in by_zone.items() for cron in crons
        }
        for zone, crons in by_zone.items():
            start = begin
            while start < end:
                stop = min(start + timedelta(days=30), end)
                stretch = Stretch(ZoneInfo(zone), start, stop)
                for cron in crons:
                    self._fires[cron, zone] += stretch.fires(Expression(cron))
                start = stop

    def between(self, which: Spelled, start: datetime, end: datetime) -> list[datetime]:
        """Those in (start, end]."""
        known = self._fires[which]
        return known[bisect_right(known, start) : bisect_right(known, end)]


# What must be in the record


@dataclass(frozen=True, order=True)
class Row:
    job: str
    scheduled_for: datetime
    trigger: str
    status: str
    count: int
    first: datetime

    @classmethod
    def one(cls, job: str, fire: datetime, trigger: str, status: str) -> Row:
        return cls(job, fire, trigger, status, 1, fire)

    @classmethod
    def of(cls, job: str, fires: Sequence[datetime], trigger: str, status: str) -> Row:
        return cls(job, fires[-1], trigger, status, len(fires), fires[0])


@dataclass(frozen=True)
class Reign:
    """An entry as one expression, from when it begins until nobody looks at it any more."""

    which: Spelled
    begin: datetime
    end: datetime


def reigns(history: History, name: str) -> Iterator[Reign]:
    current: Spelled | None = None
    begin = seen = history.lives[0].up
    for life in history.lives:
        for at, entries in ((life.up, life.entries), *life.changes):
            entry = entries[name]
            which = spelled(entry) if entry.enabled else None
            if which != current:
                if current is not None:
                    # What it missed before a start that knows it no more is not missed.
                    yield Reign(current, begin, seen if at == life.up else at)
                current, begin = which, at
        seen = life.down
    if current is not None:
        yield Reign(current, begin, seen)


def must_be(history: History, fires: Fires) -> list[Row]:
    """Every row of the clock, sorted."""
    rows: list[Row] = []
    for name in history.lives[0].entries:
        pauses = [pause for pause in history.pauses if pause.name == name]
        for reign in reigns(history, name):
            due = fires.between(reign.which, reign.begin, reign.end)
            for pause in pauses:
                skipped = [fire for fire in due if pause.start < fire <= pause.end]
                # A pause is accounted for by the first who is there after it.
                if skipped and any(life.down > pause.end for life in history.lives):
                    rows.append(Row.of(name, skipped, "schedule", "skipped"))
            due = [fire for fire in due if not _is_paused(fire, pauses)]
            rows += _rows(history, name, due)
    return sorted(rows)


def _is_paused(fire: datetime, pauses: Sequence[Paused]) -> bool:
    return any(pause.start < fire <= pause.end for pause in pauses)


def _rows(history: History, name: str, due: Sequence[datetime]) -> Iterator[Row]:
    for number, life in enumerate(history.lives):
        for fire in due:
            if life.up <= fire <= life.down:
                yield Row.one(name, fire, "schedule", "succeeded")
        if number:
            before = history.lives[number - 1].down
            absent = [fire for fire in due if before < fire < life.up]
            yield from _after_downtime(life.entries[name], absent, life.up)


def _after_downtime(entry: Entry, absent: Sequence[datetime], up: datetime) -> Iterator[Row]:
    window = max(entry.catch_up_window, FRESH)
    caught: Sequence[datetime] = ()
    if entry.catch_up == "all":
        caught = [fire for fire in absent if up - fire <= window]
    elif entry.catch_up == "last":
        caught = [fire for fire in absent if up - fire <= window][-1:]
    elif entry.catch_up == "none":
        caught = [fire for fire in absent if up - fire <= FRESH][-1:]
    for fire in caught:
        yield Row.one(entry.name, fire, "catch_up", "succeeded")
    missed = [fire for fire in absent if fire not in caught]
    if len(missed) > MOST_ROWS:
        yield Row.of(entry.name, missed, "catch_up", "missed")
    else:
        for fire in missed:
            yield Row.one(entry.name, fire, "catch_up", "missed")
