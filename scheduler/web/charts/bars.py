"""Numbers side by side as bars."""

from __future__ import annotations

from collections.abc import Sequence

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


def bars(
    title: str,
    labels: Sequence[str],
    values: Sequence[float | None],
    *,
    say: Say = number,
    heads: tuple[str, str] = ("Hour", "Number"),
    kinds: Sequence[str] = (),
) -> Chart:
    """A bar for each label; `kinds` are further classes of the bars, such as `s-failed`."""
    top = ceiling(max((value for value in values if value is not None), default=0))
    width = 100 / max(len(values), 1)
    parts, numbers = axis(top, say)
    for n, (label, value) in enumerate(zip(labels, values, strict=True)):
        height = HEIGHT * max(value or 0, 0) / top
        # A small number is still seen.
        height = max(height, 1.5) if value else 0
        parts.append(
            Markup(
                '<rect class="bar {}" x="{}%" y="{}" width="{}%" height="{}">'
                "<title>{}: {}</title></rect>"
            ).format(
                kinds[n] if kinds else "",
                plain(n * width + width * 0.1),
                plain(TOP + HEIGHT - height),
                plain(width * 0.8),
                plain(height),
                label,
                say(value),
            )
        )
    parts += [*numbers, *below(labels)]
    rows = tuple((label, say(value)) for label, value in zip(labels, values, strict=True))
    return Chart(title, svg(title, TOP + HEIGHT + BOTTOM, parts), heads, rows)
