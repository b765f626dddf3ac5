"""How does a cron expression read in plain words? True words first, pretty ones second.

cron-descriptor words the parts. It is given each field in a shape that it words truly (everything,
a step that divides evenly, one range, one list) and never a step that does not divide: it calls
`*/45` "every 45 minutes". What it cannot say truly is said here: how the two day fields combine,
and minutes in scattered hours ("every minute, at 09:00 and 11:00").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from cron_descriptor import (  # type: ignore[import-untyped]  # it ships no py.typed
    DescriptionTypeEnum,
    ExpressionDescriptor,
    Options,
)

from scheduler.timing.cron_fields import Field, Fields

_FEW_TIMES: Final = 8
"""Up to so many times of day are written out."""


def describe(fields: Fields) -> str:
    """Return one sentence without a full stop; times are on a 24-hour clock."""
    times = _times(fields.minute, fields.hour)
    days = _days(fields)
    month = ""
    if not fields.month.full:
        month = _worded(DescriptionTypeEnum.MONTH, month=_shape(fields.month.values))
    if times.startswith("At ") and not days and not month and "past the hour" not in times:
        days = ", every day"
    return f"{times}{days}{month}"


def _worded(kind: DescriptionTypeEnum, **parts: str) -> str:
    names = ("minute", "hour", "day", "month", "weekday")
    expression = " ".join(parts.get(name, "*") for name in names)
    options = Options(locale_code="en_US", use_24hour_time_format=True)
    return str(ExpressionDescriptor(expression, options).get_description(kind))


def _times(minute: Field, hour: Field) -> str:
    minutes, hours = sorted(minute.values), sorted(hour.values)
    if not hour.full and len(minutes) * len(hours) <= _FEW_TIMES:
        return f"At {_listed(f'{h:02}:{m:02}' for h in hours for m in minutes)}"
    by_minute = _shape(minute.values, steps_of=60)
    by_hour = _shape(hour.values, steps_of=24)
    if by_hour == "*" or "-" in by_hour or ("/" in by_hour and len(minutes) == 1):
        return _worded(DescriptionTypeEnum.FULL, minute=by_minute, hour=by_hour)
    words = _worded(DescriptionTypeEnum.FULL, minute=by_minute)
    if by_minute == "0":
        words = "At 0 minutes past the hour"
    if len(hours) == 1:
        return f"{words}, between {hours[0]:02}:00 and {hours[0]:02}:59"
    return f"{words}, in the hours {_listed(_runs(hours))}"


def _days(fields: Fields) -> str:
    dates, weekdays = fields.day, fields.weekday
    if not fields.both_days and (dates.full or weekdays.full):
        return ""
    on_date = on_weekday = ""
    if not dates.full:
        on_date = _worded(DescriptionTypeEnum.DAYOFMONTH, day=_shape(dates.values))
    if not weekdays.full:
        # As 7, Sunday ends a range and comes last in a list.
        shape = _shape({value or 7 for value in weekdays.values})
        on_weekday = _worded(DescriptionTypeEnum.DAYOFWEEK, weekday=shape)
        on_weekday = on_weekday.removeprefix(", only on ").removeprefix(", ")
    every = on_weekday if "through" in on_weekday else f"every {on_weekday}"
    if on_date and on_weekday:
        joint = f"but only on {on_weekday}" if fields.both_days else f"and also {every}"
        return f"{on_date}, {joint}"
    return f", {every}" if on_weekday else on_date


def _shape(values: Iterable[int], steps_of: int = 0) -> str:
    """Write values as cron text: `*`, an evenly dividing step, one range, or a list."""
    ordered = sorted(values)
    first, last, count = ordered[0], ordered[-1], len(ordered)
    if steps_of and count > 1 and first == 0 and steps_of % count == 0:
        step = steps_of // count
        if ordered == list(range(0, steps_of, step)):
            return "*" if step == 1 else f"*/{step}"
    if count > 2 and last - first == count - 1:
        return f"{first}-{last}"
    return ",".join(map(str, ordered))


def _runs(hours: list[int]) -> Iterator[str]:
    """Write hours as `01`, or `07-20` where three or more follow one another."""
    start = 0
    for i, hour in enumerate(hours):
        if i + 1 < len(hours) and hours[i + 1] == hour + 1:
            continue
        if i - start >= 2:
            yield f"{hours[start]:02}-{hour:02}"
        else:
            yield from (f"{each:02}" for each in hours[start : i + 1])
        start = i + 1


def _listed(texts: Iterable[str]) -> str:
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last
