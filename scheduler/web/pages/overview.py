"""The overview: did the night go well, and what comes next?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from aiohttp import web
from markupsafe import Markup
from yarl import URL

from scheduler.db.entries import Pause
from scheduler.db.glance import JobRow, Lateness
from scheduler.entry import Entry
from scheduler.errors import DatabaseAwayError
from scheduler.watching.health import JobState, State
from scheduler.web.charts.day import day
from scheduler.web.charts.strip import strip
from scheduler.web.deeds import reload_schedule
from scheduler.web.keys import DAEMON, Daemon
from scheduler.web.named import all_names, entry_called
from scheduler.web.pages.page import Form, change, done, page
from scheduler.web.pages.rendering import render
from scheduler.web.pages.results import main_count
from scheduler.web.pages.upcoming import ALMANAC
from scheduler.web.words import plural

MOST_JOBS = 40
"""Of a page."""
SHOWN = ("", "attention", "paused")


@dataclass(frozen=True, slots=True)
class Line:
    """A job's row."""

    entry: Entry
    summary: str
    words: str | None
    """Its schedule in words, None where it has none."""
    next_fires: Sequence[datetime]
    pause: Pause | None
    state: JobState | None
    row: JobRow | None
    """None where the database does not say."""
    count: str | None
    strip: Markup

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def badge(self) -> tuple[str, str] | None:
        """Kind and word for what is not as usual."""
        if self.words is not None and not self.entry.enabled:
            return "plain", "off"
        if self.pause is not None:
            return "paused", "paused"
        if self.state is not None and self.state.state is not State.OK:
            return str(self.state.state), str(self.state.state)
        return None


async def overview(request: web.Request) -> web.StreamResponse:
    daemon = request.app[DAEMON]
    view = _view_asked(request)
    now = daemon.now()
    report = await daemon.health.report()
    upcoming = await request.app[ALMANAC].upcoming(daemon.clock, now)
    states, lateness, answered = await _read(daemon)
    names = [name for name in all_names(daemon) if _is_shown(name, view, daemon, states or {})]
    number = min(view["page"], max((len(names) - 1) // MOST_JOBS + 1, 1))
    some = names[(number - 1) * MOST_JOBS : number * MOST_JOBS]
    lines = await _lines(daemon, some, states)
    coming = [(moment, name) for name, fires in upcoming.fires.items() for moment in fires[:1]]
    coming += [(moment, n) for n in upcoming.often for moment in daemon.clock.next_fires(n, 1)]
    zone = daemon.clock.schedule.timezone
    local = {
        name: [moment.astimezone(zone) for moment in fires]
        for name, fires in upcoming.fires.items()
    }
    return await render(
        request,
        "overview/page.html",
        part="overview/live.html",
        report=report,
        lines=lines,
        lateness=lateness,
        answered=answered,
        reloaded=daemon.last_reload(),
        next_fire=min(coming, default=None),
        day=day(f"The next 24 hours ({zone.key})", now.astimezone(zone), local, zone=zone.key),
        often=[(name, daemon.clock.words(name)) for name in upcoming.often],
        view=view,
        here_again=str(URL("/").with_query({k: v for k, v in view.items() if v})),
        pages=(len(names) - 1) // MOST_JOBS + 1,
        number=number,
        found=len(names),
        jobs=sum(1 for _ in all_names(daemon)),
        page_link=lambda n: str(URL("/").with_query({**view, "page": n})),
    )


async def reload(request: web.Request, form: Form) -> web.StreamResponse:
    result = await reload_schedule(request, form.text("reason"))
    if result.errors:
        problems = "; ".join(
            f"line {problem.line}, {problem.key}: {problem.message}"
            for problem in result.errors[:5]
        )
        count = plural(len(result.errors), "error")
        said = f"The schedule file has {count}, so the schedule in force stays: {problems}"
        return done(request, "/", said, good=False)
    changes = [
        f"{len(names)} {word}"
        for word, names in (
            ("changed", result.changed),
            ("added", result.added),
            ("removed", result.removed),
        )
        if names
    ]
    return done(request, "/", f"Reloaded: {', '.join(changes) or 'nothing has changed'}.")


def _view_asked(request: web.Request) -> dict[str, Any]:
    """What is shown; anything odd in the query is as if it were not there."""
    page_asked = request.query.get("page", "1")
    show = request.query.get("show", "")
    return {
        "q": request.query.get("q", "").strip()[:100],
        "show": show if show in SHOWN else "",
        "page": int(page_asked)
        if page_asked.isascii() and page_asked.isdigit() and len(page_asked) < 6
        else 1,
    }


async def _read(
    daemon: Daemon,
) -> tuple[Mapping[str, JobState] | None, Lateness | None, float | None]:
    """States, lateness, and how long the database took; nothing where it is away."""
    try:
        states = await daemon.health.job_states()
        began = monotonic()
        lateness = await daemon.glance.lateness()
        return states, lateness, monotonic() - began
    except DatabaseAwayError:
        return None, None, None


def _is_shown(
    name: str, view: Mapping[str, Any], daemon: Daemon, states: Mapping[str, JobState]
) -> bool:
    if view["q"].lower() not in name:
        return False
    if view["show"] == "paused":
        return name in daemon.clock.pauses
    if view["show"] == "attention":
        return name in states and states[name].reason is not None
    return True


async def _lines(
    daemon: Daemon, names: Sequence[str], states: Mapping[str, JobState] | None
) -> list[Line]:
    rows: Mapping[str, JobRow] = {}
    if states is not None:
        with suppress(DatabaseAwayError):
            rows = await daemon.glance.rows(names)
    return [_line(daemon, name, (states or {}).get(name), rows.get(name)) for name in names]


def _line(daemon: Daemon, name: str, state: JobState | None, row: JobRow | None) -> Line:
    entry = entry_called(daemon, name)
    scheduled = name in daemon.clock.schedule.entries
    last = row.last if row else None
    return Line(
        entry=entry,
        summary=daemon.jobs[entry.job].summary.replace("`", ""),
        words=daemon.clock.words(name) if scheduled else None,
        next_fires=daemon.clock.next_fires(name, 3) if scheduled else (),
        pause=daemon.clock.pauses.get(name),
        state=state,
        row=row,
        count=main_count(last.numbers) if last else None,
        strip=strip("Last runs", row.statuses if row else ()),
    )


ROUTES = (
    *page("/", overview, menu="Overview"),
    change("/schedule/reload", reload),
)
