"""Who is left at each step, as bars with what was lost in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from scheduler.web.charts.chart import Chart, plain, shortened, svg
from scheduler.web.words import number, percent

ROW = 54
"""Pixels of a step."""


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    count: int
    note: str = ""
    """Such as how long people took to it."""


def funnel(title: str, steps: Sequence[Step]) -> Chart:
    """Bars are shares of the first step; each step says what came over from the one before."""
    first = steps[0].count if steps else 0
    parts: list[Markup] = []
    rows: list[tuple[str, ...]] = []
    before: int | None = None
    for n, step in enumerate(steps):
        share = step.count / first if first else 0.0
        lost = before - step.count if before is not None else None
        kept = step.count / before if before else None
        y = n * ROW
        told = f"{number(step.count)} · {percent(share)}"
        beside = f"{number(lost)} lost" if lost else ""
        parts.append(
            Markup(
                '<text class="strong" x="0" y="{y1}">{name}</text>'
                '<text class="strong" x="100%" y="{y1}" text-anchor="end">{told}</text>'
                '<rect class="track" x="0" y="{y2}" width="100%" height="12" rx="3"/>'
                '<rect class="bar" x="0" y="{y2}" width="{width}%" height="12" rx="3">'
                "<title>{name}: {told}</title></rect>"
                '<text x="0" y="{y3}">{note}</text>'
                '<text x="100%" y="{y3}" text-anchor="end">{beside}</text>'
            ).format(
                y1=y + 13,
                y2=y + 18,
                y3=y + 41,
                name=shortened(step.name),
                told=told,
                width=plain(min(share, 1) * 100),
                note=step.note,
                beside=beside,
            )
        )
        rows.append(
            (
                step.name,
                number(step.count),
                percent(share),
                percent(kept),
                number(lost),
                step.note or "–",
            )
        )
        before = step.count
    heads = ("Step", "People", "Of the first", "Of the step before", "Lost", "Note")
    return Chart(title, svg(title, max(len(steps), 1) * ROW, parts), heads, tuple(rows))
