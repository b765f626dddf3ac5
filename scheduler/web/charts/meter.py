"""How much of the whole, as a small bar."""

from __future__ import annotations

from markupsafe import Markup, escape

from scheduler.web.charts.chart import plain
from scheduler.web.words import percent

HEIGHT = 8


def meter(title: str, share: float | None) -> Markup:
    """`share` from 0 to 1; None is an empty bar, of which nothing is known."""
    told = escape(f"{title}: {percent(share) if share is not None else 'not known'}")
    width = plain(min(max(share or 0.0, 0.0), 1.0) * 100)
    return Markup(
        '<svg class="meter" role="img" aria-label="{0}" width="100%" height="{1}">'
        "<title>{0}</title>"
        '<rect class="track" width="100%" height="{1}" rx="4"/>'
        '<rect class="bar" width="{2}%" height="{1}" rx="4"/></svg>'
    ).format(told, HEIGHT, width)
