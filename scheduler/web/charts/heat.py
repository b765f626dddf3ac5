"""Shares in rows and columns, such as cohorts by period: a table whose cells are coloured.

A table, not a drawing: the numbers are there to be read, by everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from markupsafe import Markup

from scheduler.web.charts.chart import Say
from scheduler.web.words import percent

SHADES = 10


class Gap(StrEnum):
    """Why there is no number where one could be."""

    UNKNOWN = "unknown"
    RUNNING = "running"


Value: TypeAlias = float | Gap | None
"""None where there is nothing to be known."""
DRAWN = {
    None: Markup("<td></td>"),
    Gap.UNKNOWN: Markup('<td class="heat-unknown" title="Not known">?</td>'),
    Gap.RUNNING: Markup('<td class="heat-running" title="Not over yet">…</td>'),
}


@dataclass(frozen=True, slots=True)
class Heat:
    """For the page: `{{ made.table }}`."""

    title: str
    table: Markup


def heat(
    title: str,
    heads: Sequence[str],
    rows: Sequence[tuple[str, Sequence[Value]]],
    *,
    say: Say = percent,
    most: float | None = None,
    before: Sequence[str] = (),
) -> Heat:
    """`heads` begin with the corner's; `rows` have their name and numbers.

    `before`, one for each row, is a text between both, such as the cohort's size. `most` is the
    strongest shade's number.
    """
    numbers = [value for _, values in rows for value in values if isinstance(value, int | float)]
    top = most or max(numbers, default=0) or 1
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(text) for text in heads)
    lines = []
    for n, (name, values) in enumerate(rows):
        cells = [Markup('<th scope="row">{}</th>').format(name)]
        if before:
            cells.append(Markup("<td>{}</td>").format(before[n]))
        cells.extend(
            DRAWN[value]
            if value is None or isinstance(value, Gap)
            else Markup('<td class="heat-{}">{}</td>').format(_shade(value, top), say(value))
            for value in values
        )
        lines.append(Markup("<tr>{}</tr>").format(Markup("").join(cells)))
    return Heat(
        title,
        Markup(
            '<div class="scroll" tabindex="0" role="region" aria-label="{0}"><table class="heat">'
            "<caption>{0}</caption><thead><tr>{1}</tr></thead><tbody>{2}</tbody></table></div>"
        ).format(title, head, Markup("").join(lines)),
    )


def _shade(value: float, top: float) -> int:
    return min(max(int(value / top * (SHADES - 1) + 0.5), 0), SHADES - 1)
