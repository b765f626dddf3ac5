"""Who did what, when, from where and why; changes of the schedule as differences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web
from yarl import URL

from scheduler.db.activity import Activity
from scheduler.web.keys import DAEMON
from scheduler.web.pages.listing import filters_asked
from scheduler.web.pages.page import page
from scheduler.web.pages.rendering import render
from scheduler.web.pages.runs import cursor_asked
from scheduler.web.words import exact, words

PAGE = 50
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d")
MOST_TEXT = 300
MOST_DIFFERENCES = 40
WHO = {
    "admin": "an operator",
    "cron": "a worker route",
    "command line": "the command line",
    "signal": "a signal (SIGHUP)",
    "file": "the schedule file",
}
ACTIONS = {
    "trigger": "ran",
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled a run of",
    "reload": "reloaded",
    "approve": "approved",
    "reject": "rejected",
    "edit": "edited",
    "publish": "asked to publish",
    "agent_settings": "set",
    "auto_publish": "switched publishing without approval",
    "enroll": "enrolled people in",
    "log_level": "set the log level of",
    "lift_suppression": "lifted the suppression of",
}


async def activity(request: web.Request) -> web.StreamResponse:
    names = ("who", "action", "target")
    asked = dict.fromkeys(names, "") | filters_asked(request, *names)
    before = cursor_asked(request)
    found = await request.app[DAEMON].glance.activity(
        who=asked["who"] or None,
        action=asked["action"] or None,
        target=asked["target"] or None,
        before=before,
        most=PAGE,
    )
    kept = {name: value for name, value in asked.items() if value}
    return await render(
        request,
        "activity/page.html",
        rows=[(row, _details(row), _differences(row.detail)) for row in found.items],
        asked=asked,
        is_filtered=bool(kept),
        people=[("", "anybody"), *WHO.items()],
        who=WHO,
        actions=[("", "anything"), *((name, words(name)) for name in ACTIONS)],
        done=ACTIONS,
        older=str(URL("/activity").with_query({**kept, "before": found.next}))
        if found.next
        else None,
        newest=str(URL("/activity").with_query(kept)) if before else None,
    )


def _details(row: Activity) -> list[tuple[str, str]]:
    """What else is known of it. A run's own page has its parameters."""
    hidden = {"differences", "runId"} | ({"params"} if "runId" in row.detail else set())
    return [
        (name, _text(value))
        for name, value in row.detail.items()
        if name not in hidden and value not in (None, [], {}, "")
    ][:20]


def _differences(detail: Mapping[str, Any]) -> list[tuple[str, str, str | None, str | None]]:
    """Entry, key, before and after, of what a reload changed."""
    found: list[tuple[str, str, str | None, str | None]] = []
    entries = detail.get("differences")
    for entry, keys in entries.items() if isinstance(entries, dict) else ():
        for key, pair in keys.items() if isinstance(keys, dict) else ():
            if isinstance(pair, list) and len(pair) == 2:
                before, after = (None if side is None else _text(side) for side in pair)
                found.append((entry, key, before, after))
    return found[:MOST_DIFFERENCES]


def _text(value: object) -> str:
    match value:
        case list():
            text = ", ".join(map(_text, value))
        case dict():
            text = ", ".join(f"{name}: {_text(item)}" for name, item in value.items())
        case None:
            text = "not set"
        case str() if (moment := _moment(value)) is not None:
            text = exact(moment)
        case bool():
            text = "true" if value else "false"
        case _:
            text = str(value)
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if MOMENT.fullmatch(text) else None
    except ValueError:
        return None


ROUTES = page("/activity", activity, menu="Activity")
