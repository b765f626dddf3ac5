"""The pages for people. One file each; this is how another one is added.

`scheduler/web/pages/widgets.py`, named for what is shown, with its routes like those of the API:

    async def widgets(request: web.Request) -> web.StreamResponse:
        found = await request.app[DAEMON].widgets.recent(most=50)
        return await render(request, "widgets/page.html", part="widgets/live.html", widgets=found)

    async def polish(request: web.Request, form: Form) -> web.StreamResponse:
        ...  # through the same function as the API; raises `Refusal`
        return done(request, "/widgets", "Polished.")

    ROUTES = (
        *page("/widgets", widgets, menu="Widgets"),
        change("/widgets/polish", polish),
    )

Then one line in `all_pages` below, and the first part of its paths in `HEADS`. `page` answers only
who has a session; `change` also holds the form's CSRF token and origin before it calls the handler,
and `done` leads back to a page that says what happened. A `Refusal` raised anywhere becomes a page
with its sentence.

The template stands in `scheduler/web/templates/widgets/page.html`:

    {% extends "layout.html" %}
    {% import "ui.html" as ui with context %}
    {% block title %}Widgets{% endblock %}
    {% block main %}
    <h1>Widgets</h1>
    <div id="live" hx-get="/widgets" hx-trigger="every 5s" hx-swap="innerHTML">
      {% include "widgets/live.html" %}
    </div>
    {% endblock %}

With `part`, htmx gets only that template. Whatever can have the focus in it needs an `id` that
stays the same, then a refresh does not take the focus away; forms stand outside of what is
refreshed. No style attributes and no inline scripts: the policy of the pages forbids both. Forms
come from `ui.form` (or `ui.action` for a single button), which carries the token; times from
`ui.when`. What has a picture uses `scheduler.web.charts` and `ui.chart`.
"""

from __future__ import annotations

from typing import Final

from scheduler.web.route import Route

HEADS: Final = frozenset(
    {
        *("", "jobs", "runs", "suggestions", "agents", "projects", "analytics", "newsletter"),
        *("activity", "schedule", "logout"),
    }
)
"""First parts of the paths of pages: what stands below them takes a session, whatever it is."""
LOGIN: Final = "login"


def all_pages() -> tuple[Route, ...]:
    """Their routes, in the order of the navigation; imported when the first page is asked for."""
    from scheduler.web.pages import (
        activity,
        agents,
        analytics,
        cohorts,
        funnels,
        jobs,
        login,
        newsletter,
        overview,
        project,
        projects,
        runs,
        segments,
        sequences,
        suggestion,
        suggestions,
        suppressions,
    )

    return (
        *overview.ROUTES,
        *jobs.ROUTES,
        *runs.ROUTES,
        *suggestions.ROUTES,
        *suggestion.ROUTES,
        *agents.ROUTES,
        *projects.ROUTES,
        *project.ROUTES,
        *analytics.ROUTES,
        *funnels.ROUTES,
        *cohorts.ROUTES,
        *segments.ROUTES,
        *newsletter.ROUTES,
        *sequences.ROUTES,
        *suppressions.ROUTES,
        *activity.ROUTES,
        *login.ROUTES,
    )
