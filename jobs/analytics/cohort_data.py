"""What of a cohort's matrix is known, and how is it written to `cohort_data`? Pure.

One entry for each cohort that has people, by its period's key:

    {"2026-W01": {"size": 100, "periods": [100, 80, 62.5, null], "complete": 3,
                  "active": [100, 80, null, null], "definition": "0f3a5b0c9d1e"}}

`periods` has a value for each period from the cohort's own to the running one. null is a value that
is not known: of a period at or after `complete`, which has not ended yet, or of one whose events
were gone before it was ever computed. Only retention in the cohort's own period, 100 by
definition, is always there. What values that come from events were made of stands beside them
(`active` people, `events`), so that a later run can tell numbers whose events have begun to be
deleted, and keeps them; `definition` changes with what was asked for, and then nothing is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from jobs.analytics.periods import Window

# What the values of a metric are made of, and stored as, beside the value itself.
MADE_OF = {"retention": ("active",), "generations": (), "engagement": ("active", "events")}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cohort's doings in one period."""

    active: int = 0
    """People with any event."""
    events: int = 0
    generations: int = 0
    cents: int = 0


NOTHING = Cell()


@dataclass(frozen=True, slots=True)
class Kept:
    """Which events are still there. They are cleaned oldest first, older than some days only."""

    cutoff: datetime
    """Events from here on are cleaned by nobody yet, as the schedule has it."""
    cleaned: datetime
    """Events before this may be gone: so far has our own cleanup come."""
    empty: frozenset[int]
    """Of the periods, with one before the first, those in which nobody at all did anything."""

    def whole(self, period: int, start: datetime) -> bool:
        """Whether what can be computed now is the number, as far as one can know.

        Where somebody else may have cleaned, events of the period before tell that nothing of this
        one is gone.
        """
        return start >= self.cleaned and (start >= self.cutoff or not self._hollow(period))

    def doubtful(self, period: int, start: datetime) -> bool:
        """Whether events of a period that began at `start` may have been deleted."""
        return start < max(self.cleaned, self.cutoff) or self._hollow(period)

    def _hollow(self, period: int) -> bool:
        return period in self.empty or period - 1 in self.empty


@dataclass(slots=True)
class Matrix:
    """What one pass over the people and their doings has found, by number of the period."""

    sizes: dict[int, int] = field(default_factory=dict)
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    """By cohort and period; nothing where nobody did anything."""
    kept: Kept | None = None
    """None where nothing is ever deleted."""


def cohort_data(
    metric: str,
    window: Window,
    matrix: Matrix,
    stored: object,
    definition: str,
    *,
    cumulative: bool = False,
) -> dict[str, JsonValue]:
    """The whole of `cohort_data`; `stored` is what stands there now, whoever wrote it."""
    data: dict[str, JsonValue] = {}
    for cohort in window.cohorts:
        size = matrix.sizes.get(cohort, 0)
        if not size:
            continue
        cells = [matrix.cells.get((cohort, n), NOTHING) for n in range(cohort, window.last + 1)]
        complete = max(min(window.ended, window.last) - cohort + 1, 0)
        entry: dict[str, JsonValue]
        if matrix.kept is None:
            entry = {"periods": _revenue(cells, complete, cumulative=cumulative)}
        else:
            before = _Stored.read(stored, window.key(cohort), metric, definition)
            entry = _from_events(metric, window, cohort, size, cells, matrix.kept, before)
        data[window.key(cohort)] = {
            "size": size,
            **entry,
            "complete": complete,
            "definition": definition,
        }
    return data


def _revenue(cells: Sequence[Cell], complete: int, *, cumulative: bool) -> list[JsonValue]:
    values: list[JsonValue] = []
    total = 0
    for cell in cells[:complete]:
        total = total + cell.cents if cumulative else cell.cents
        values.append(total)
    return values + [None] * (len(cells) - complete)


def _from_events(
    metric: str,
    window: Window,
    cohort: int,
    size: int,
    cells: Sequence[Cell],
    kept: Kept,
    before: _Stored,
) -> dict[str, JsonValue]:
    names = ("periods", *MADE_OF[metric])
    lists: dict[str, list[JsonValue]] = {name: [] for name in names}
    for place, cell in enumerate(cells):
        period = cohort + place
        now: Sequence[JsonValue] | None = _values(metric, cell, size, own=place == 0)
        if metric == "retention" and place == 0:
            pass  # by definition, whatever is known of the period
        elif period > window.ended:
            now = None
        else:
            start = window.start(period)
            then = before.values(place)
            if then is not None and kept.doubtful(period, start) and before.had_more(place, cell):
                now = then
            elif then is None and not kept.whole(period, start):
                now = None
        for name, value in zip(names, now or [None] * len(names), strict=True):
            lists[name].append(value)
    return dict(lists)


def _values(metric: str, cell: Cell, size: int, *, own: bool) -> list[JsonValue]:
    """The value, and what it is made of."""
    match metric:
        case "retention":
            active = size if own else cell.active
            return [round(100 * active / size, 2), active]
        case "engagement":
            value = round(cell.events / cell.active, 2) if cell.active else 0
            return [value, cell.active, cell.events]
        case _:
            return [cell.generations]


@dataclass(frozen=True, slots=True)
class _Stored:
    """An entry as it was written before; whatever is odd in it counts as not there."""

    metric: str
    size: int | None
    lists: Mapping[str, Sequence[object]]

    @classmethod
    def read(cls, data: object, key: str, metric: str, definition: str) -> _Stored:
        """Entries without a definition are somebody else's, and kept like our own."""
        entry = data.get(key) if isinstance(data, dict) else None
        if not isinstance(entry, dict) or entry.get("definition", definition) != definition:
            entry = {}
        lists = {
            name: value if isinstance(value := entry.get(name), list) else []
            for name in ("periods", *MADE_OF[metric])
        }
        return cls(metric, _whole(_number(entry.get("size"))), lists)

    def values(self, place: int) -> list[JsonValue] | None:
        """The value of the cohort's period `place` and what it was made of, if it was known."""
        value = self._at("periods", place)
        return None if value is None else [value, *self._made_of(place)]

    def had_more(self, place: int, cell: Cell) -> bool:
        """Whether the value was made of more than `cell` has, or nobody knows of how much."""
        match self.metric:
            case "retention":
                found, now = self._made_of(place), [cell.active]
            case "engagement":
                found, now = self._made_of(place), [cell.active, cell.events]
            case _:
                found, now = [_whole(self._at("periods", place))], [cell.generations]
        return any(then is None or then > more for then, more in zip(found, now, strict=True))

    def _made_of(self, place: int) -> list[int | None]:
        found = [_whole(self._at(name, place)) for name in MADE_OF[self.metric]]
        if self.metric == "retention" and found == [None] and self.size is not None:
            # A share of people alone, as other programs write it.
            share = self._at("periods", place)
            found = [None if share is None else round(share * self.size / 100)]
        return found

    def _at(self, name: str, place: int) -> int | float | None:
        values = self.lists[name]
        return _number(values[place]) if place < len(values) else None


def _number(value: object) -> int | float | None:
    """`value` if it can be a number of people or things, or a share of them."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53:
        return value
    return None


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None and value == int(value) else None
