"""Numbers over time as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from scheduler.web.charts.chart import (
    BOTTOM,
    HEIGHT,
    TOP,
    Chart,
    Say,
    axis,
    below,
    ceiling,
    plain,
    svg,
)
from scheduler.web.words import number

WIDE = 1000
"""Units across; the plot is stretched to the width of its place."""
MOST_SERIES = 4


def lines(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    say: Say = number,
    head: str = "Day",
) -> Chart:
    """`labels` name the points in order; each of up to four series has a number or None for it."""
    if len(series) > MOST_SERIES:
        raise ValueError(f"{len(series)} series; a chart has {MOST_SERIES} at most")
    numbers = [value for values in series.values() for value in values if value is not None]
    top = ceiling(max(numbers, default=0))
    plots = [
        Markup('<path class="plot series-{}" d="{}"/>').format(n, _path(values, top))
        for n, values in enumerate(series.values())
    ]
    stretched = Markup(
        '<svg x="0" y="{}" width="100%" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        "{}</svg>"
    ).format(TOP, HEIGHT, WIDE, HEIGHT, Markup("").join(plots))
    rows = tuple(
        (label, *(say(values[n]) for values in series.values())) for n, label in enumerate(labels)
    )
    names = tuple(series)
    behind, before = axis(top, say)
    parts = [*behind, stretched, *_points(rows, names), *before, *below(labels)]
    return Chart(title, svg(title, TOP + HEIGHT + BOTTOM, parts), (head, *names), rows, names)


def _path(values: Sequence[float | None], top: float) -> str:
    """A gap where there is no number; a number alone between gaps is a short dash."""
    step = WIDE / max(len(values) - 1, 1)
    commands = []
    for n, value in enumerate(values):
        if value is None:
            continue
        x, y = n * step, HEIGHT - HEIGHT * max(value, 0) / top
        begins = n == 0 or values[n - 1] is None
        alone = begins and (n == len(values) - 1 or values[n + 1] is None)
        commands.append(f"{'M' if begins else 'L'}{plain(x)} {plain(y)}{'h6' if alone else ''}")
    return "".join(commands)


def _points(rows: Sequence[Sequence[str]], names: Sequence[str]) -> list[Markup]:
    """What the mouse finds: over each point a stripe with its numbers."""
    if len(rows) < 2:
        return []
    stripes = [
        Markup('<rect x="{}" width="1" height="1"><title>{}</title></rect>').format(
            n,
            f"{row[0]}: "
            + ", ".join(f"{text} {name}" for name, text in zip(names, row[1:], strict=True)),
        )
        for n, row in enumerate(rows)
    ]
    return [
        Markup(
            '<svg class="points" y="{}" width="100%" height="{}" viewBox="0 0 {} 1" '
            'preserveAspectRatio="none">{}</svg>'
        ).format(TOP, HEIGHT, len(rows), Markup("").join(stripes))
    ]
