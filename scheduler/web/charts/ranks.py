"""Things by their size: a bar lying beside each name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from scheduler.web.charts.chart import Chart, plain, shortened, svg
from scheduler.web.words import number

ROW = 36
"""Pixels of a thing."""


@dataclass(frozen=True, slots=True)
class Rank:
    name: str
    size: float | None
    """None where it is not known."""
    note: str = ""


def ranks(title: str, things: Sequence[Rank], heads: tuple[str, str, str]) -> Chart:
    """In the order given; the longest bar is the largest thing."""
    top = max((thing.size or 0 for thing in things), default=0) or 1
    parts = []
    for n, thing in enumerate(things):
        y = n * ROW
        share = max(thing.size or 0, 0) / top
        parts.append(
            Markup(
                '<text class="strong" x="0" y="{y1}">{name}</text>'
                '<text class="strong" x="100%" y="{y1}" text-anchor="end">{told}</text>'
                '<rect class="track" x="0" y="{y2}" width="100%" height="8" rx="3"/>'
                '<rect class="bar" x="0" y="{y2}" width="{width}%" height="8" rx="3">'
                "<title>{whole}: {told}</title></rect>"
            ).format(
                y1=y + 13,
                y2=y + 18,
                name=shortened(thing.name),
                whole=thing.name,
                told=number(thing.size),
                # A small one is still seen.
                width=plain(max(share * 100, 0.4) if thing.size else 0),
            )
        )
    rows = tuple((thing.name, number(thing.size), thing.note or "–") for thing in things)
    return Chart(title, svg(title, max(len(things), 1) * ROW, parts), heads, rows)
