"""The next 24 hours as a line: what fires when, and what fires at the same minute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from markupsafe import Markup

from scheduler.web.charts.chart import Chart, plain, svg
from scheduler.web.words import plural

HOURS = 24
LINE = 66
"""Pixels from the top to the line."""
STEP = 9
"""Pixels of each fire in a column."""
MOST_STEPS = 5
MOST_NAMED = 8
MANY = 150
"""Columns; with more minutes than that, ten of them share one."""


def day(
    title: str, now: datetime, fires: Mapping[str, Sequence[datetime]], *, zone: str = "UTC"
) -> Chart:
    """`fires` by name, from `now` on, in the zone that the hours are written in."""
    minutes: dict[datetime, list[str]] = {}
    for name, moments in fires.items():
        for moment in moments:
            minutes.setdefault(moment.replace(second=0, microsecond=0), []).append(name)
    columns: dict[datetime, list[tuple[datetime, list[str]]]] = {}
    is_coarse = len(minutes) > MANY
    for minute in sorted(minutes):
        shared = minute - timedelta(minutes=minute.minute % 10) if is_coarse else minute
        columns.setdefault(shared, []).append((minute, minutes[minute]))
    parts = [*_hours(now)]
    rows = []
    for moment, at in columns.items():
        together = max(len(names) for _, names in at)
        names = [name for _, names in at for name in names]
        told = f"{moment:%H:%M} {_listed(names)}"
        if is_coarse:
            told = f"{moment:%H:%M} {plural(len(names), 'fire')}, {together} in one minute"
        x = plain(min(max((moment - now) / timedelta(hours=HOURS), 0), 1) * 100)
        height = min(len(names), MOST_STEPS) * STEP
        parts.append(
            Markup(
                '<rect class="{}" x="{}%" y="{}" width="5" height="{}" rx="1">'
                "<title>{}</title></rect>"
            ).format("fire many" if together > 1 else "fire", x, LINE - height, height - 1, told)
        )
        if together > 1:
            parts.append(
                Markup('<text class="count" x="{}%" y="{}">{}</text>').format(
                    x, LINE - height - 3, together
                )
            )
        rows.append((f"{moment:%a %H:%M}", plural(together, "job"), _listed(sorted({*names}))))
    return Chart(
        title,
        svg(title, LINE + 22, parts, "day"),
        (f"Time ({zone})", "In the same minute", "Jobs"),
        tuple(rows),
    )


def _hours(now: datetime) -> Iterable[Markup]:
    yield Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(LINE)
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while hour < now + timedelta(hours=HOURS):
        x = (hour - now) / timedelta(hours=HOURS) * 100
        major = hour.hour % 6 == 0
        yield Markup('<line class="grid" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/>').format(
            plain(x), LINE - (8 if major else 0), LINE + 4
        )
        if hour.hour % 3 == 0 and 3 < x < 97:
            yield Markup('<text class="{}" x="{}%" y="{}" text-anchor="middle">{}</text>').format(
                "hour" if major else "hour minor", plain(x), LINE + 17, f"{hour:%H:%M}"
            )
        hour += timedelta(hours=1)


def _listed(names: Sequence[str]) -> str:
    if len(names) <= MOST_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_NAMED])} and {len(names) - MOST_NAMED} more"
