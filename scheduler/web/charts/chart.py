"""What is a chart made of, and how do numbers find their place in it? Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from markupsafe import Markup, escape

from scheduler.web.words import number

Say: TypeAlias = Callable[[float | None], str]
"""How a number of the chart reads."""

HEIGHT = 150
"""Pixels of the plot, without what stands above and below."""
TOP = 16
BOTTOM = 18
TICKS = 2


@dataclass(frozen=True, slots=True)
class Chart:
    """For `ui.chart`."""

    title: str
    picture: Markup
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """The numbers of the picture, as texts."""
    legend: tuple[str, ...] = ()
    """The names of its series, where there are several."""


def svg(title: str, height: float, parts: Iterable[Markup], kind: str = "") -> Markup:
    """A picture as wide as its place; `title` is what it is called for who cannot see it."""
    name = escape(title)
    return Markup(
        '<svg class="{}" role="img" aria-label="{}" width="100%" height="{}">'
        "<title>{}</title>{}</svg>"
    ).format(kind, name, plain(height), name, Markup("").join(parts))


def plain(value: float) -> str:
    """A coordinate in few characters."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))


def shortened(name: str, most: int = 40) -> str:
    """A name beside a bar; the whole of it is in the table."""
    return name if len(name) <= most else name[: most - 1] + "…"


def ceiling(most: float) -> float:
    """A round number at or above `most`, for the top of an axis."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= most)


def axis(top: float, say: Say = number) -> tuple[list[Markup], list[Markup]]:
    """Lines across, to stand behind what is drawn, and their numbers, to stand before it."""
    behind, before = [], []
    for n in range(TICKS + 1):
        y = TOP + HEIGHT - HEIGHT * n / TICKS
        behind.append(
            Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(plain(y))
        )
        if n:
            before.append(
                Markup('<text class="axis" x="0" y="{}">{}</text>').format(
                    plain(y - 3), say(round(top * n / TICKS, 9))
                )
            )
    return behind, before


def below(labels: Sequence[str]) -> list[Markup]:
    """The first, the middle and the last label under the plot."""
    if not labels:
        return []
    y = TOP + HEIGHT + 13
    places = [(0, "start", labels[0])]
    if len(labels) > 2:
        places.append((50, "middle", labels[len(labels) // 2]))
    if len(labels) > 1:
        places.append((100, "end", labels[-1]))
    return [
        Markup('<text x="{}%" y="{}" text-anchor="{}">{}</text>').format(x, y, anchor, label)
        for x, anchor, label in places
    ]
