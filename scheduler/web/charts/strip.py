"""The last runs at a glance: a small strip with a cell for each, coloured by its status."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup, escape

from scheduler.web.words import words

CELL = 4
"""Pixels of a cell with its gap; the style sheet's dashes make the cells."""
HEIGHT = 16


def strip(title: str, statuses: Sequence[str], *, places: int = 60) -> Markup:
    """`statuses`, oldest first, stand at the right end of `places` cells.

    Neighbours of one status are one line, so that hundreds of strips fit on a page.
    """
    shown = statuses[-places:]
    x = (places - len(shown)) * CELL
    paths: dict[str, list[str]] = {}
    free = Markup('<path class="track" d="M0 {}h{}"/>').format(HEIGHT // 2, x) if x else ""
    for status, run in groupby(shown):
        length = len(list(run)) * CELL
        paths.setdefault(status, []).append(f"M{x} {HEIGHT // 2}h{length}")
        x += length
    lines = free + Markup("").join(
        Markup('<path class="s-{}" d="{}"/>').format(status, "".join(parts))
        for status, parts in paths.items()
    )
    counts = Counter(shown)
    told = ", ".join(f"{count} {words(status)}" for status, count in counts.most_common())
    name = escape(f"{title}: {told}" if told else f"{title}: none yet")
    return Markup(
        '<svg class="strip" role="img" aria-label="{0}" width="{1}" height="{2}" '
        'viewBox="0 0 {1} {2}">'
        "<title>{0}</title>{3}</svg>"
    ).format(name, places * CELL, HEIGHT, lines)
