"""One job: its schedule and parameters, its runs over time, running it by hand, pausing it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from yarl import URL

from scheduler.db.glance import Point
from scheduler.entry import Entry
from scheduler.job import Asking
from scheduler.run import Status, Trigger
from scheduler.web.answers import Refusal
from scheduler.web.arguments import MAX_REASON, params_of
from scheduler.web.bodies import PauseBody, ReasonBody
from scheduler.web.charts.bars import bars
from scheduler.web.charts.chart import Chart
from scheduler.web.deeds import pause_job, resume_job
from scheduler.web.keys import DAEMON
from scheduler.web.launch import Wish, begin
from scheduler.web.named import entry_asked
from scheduler.web.pages.page import Form, change, done, page
from scheduler.web.pages.param_form import DRY_RUN, fields_of, params_sent
from scheduler.web.pages.rendering import render
from scheduler.web.pages.results import main_name
from scheduler.web.pages.runs import history_view
from scheduler.web.views import params_schema
from scheduler.web.words import duration, words

LONGER = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
}
MOST_POINTS = 60


async def job(request: web.Request) -> web.StreamResponse:
    daemon, entry = request.app[DAEMON], entry_asked(request)
    name = entry.name
    scheduled = name in daemon.clock.schedule.entries
    states = await daemon.health.job_states()
    points = await daemon.glance.over_time(name, most=MOST_POINTS)
    return await render(
        request,
        "jobs/page.html",
        entry=entry,
        kind=daemon.jobs[entry.job],
        scheduled=scheduled,
        words_of_schedule=daemon.clock.words(name) if scheduled else None,
        next_fires=daemon.clock.next_fires(name, 3) if scheduled else (),
        pause=daemon.clock.pauses.get(name),
        state=states.get(name),
        params=_params_shown(entry),
        charts=_charts(points),
        **await history_view(request, f"/jobs/{name}", job=name),
    )


async def trigger_form(request: web.Request) -> web.StreamResponse:
    return await _trigger_shown(request, entry_asked(request))


async def trigger(request: web.Request, form: Form) -> web.StreamResponse:
    entry = entry_asked(request)
    daemon = request.app[DAEMON]
    schema = params_schema(entry)
    try:
        reason = _reason(form)
        asking = Asking(daemon.now(), entry.timezone)
        asked = params_of(entry.params, {}, params_sent(schema, form), asking)
        wish = Wish(wait=0, reason=reason, idempotency_key=None, runs_at="/runs/")
        run_id = await begin(request, entry, asked, Trigger.ADMIN, wish)
    except Refusal as refusal:
        if refusal.status == 409 and refusal.run_id is not None:
            said = f"{entry.name} is running already: this is that run."
            return done(request, f"/runs/{refusal.run_id}", said, good=False)
        if refusal.status != 422:
            raise
        return await _trigger_shown(request, entry, form, refusal)
    return done(request, f"/runs/{run_id}", f"{entry.name} was started.")


async def _trigger_shown(
    request: web.Request, entry: Entry, sent: Form | None = None, refusal: Refusal | None = None
) -> web.StreamResponse:
    errors: Mapping[str, str] = (refusal.fields or {}) if refusal else {}
    fields = fields_of(params_schema(entry), sent, errors)
    return await render(
        request,
        "jobs/trigger.html",
        part="jobs/trigger_form.html",
        status=refusal.status if refusal else 200,
        entry=entry,
        kind=request.app[DAEMON].jobs[entry.job],
        fields=[field for field in fields if field.name != DRY_RUN],
        dry_run=next((field for field in fields if field.name == DRY_RUN), None),
        reason=(sent.text("reason") or "") if sent else "",
        refusal=refusal,
        most_reason=MAX_REASON,
    )


async def pause_form(request: web.Request) -> web.StreamResponse:
    return await _pause_shown(request, entry_asked(request))


async def pause(request: web.Request, form: Form) -> web.StreamResponse:
    entry = entry_asked(request)
    try:
        until = _until(form, request.app[DAEMON].now())
        asked = {"reason": _reason(form), "until": until.isoformat() if until else None}
        await pause_job(request, entry, PauseBody.model_validate(asked))
    except Refusal as refusal:
        if refusal.status != 422:
            raise
        return await _pause_shown(request, entry, form, refusal)
    end = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    return done(request, _back(form, entry), f"{entry.name} is paused{end}.")


async def _pause_shown(
    request: web.Request, entry: Entry, sent: Form | None = None, refusal: Refusal | None = None
) -> web.StreamResponse:
    return await render(
        request,
        "jobs/pause.html",
        part="jobs/pause_form.html",
        status=refusal.status if refusal else 200,
        entry=entry,
        lasting=(sent.text("lasting") or "") if sent else "",
        until=(sent.text("until") or "") if sent else "",
        reason=(sent.text("reason") or "") if sent else "",
        refusal=refusal,
        most_reason=MAX_REASON,
    )


async def resume(request: web.Request, form: Form) -> web.StreamResponse:
    entry = entry_asked(request)
    await resume_job(request, entry, ReasonBody(reason=_reason(form)))
    return done(request, _back(form, entry), f"{entry.name} is on the clock again.")


def _back(form: Form, entry: Entry) -> str:
    return f"/jobs/{entry.name}" if form.text("back") == "job" else "/"


def _reason(form: Form) -> str | None:
    reason = form.text("reason")
    if reason is not None and len(reason) > MAX_REASON:
        allowed = f"may have {MAX_REASON} characters"
        raise Refusal(422, f"reason {allowed}", fields={"reason": allowed})
    return reason


def _until(form: Form, now: datetime) -> datetime | None:
    """When a pause ends: after a while, at a time that is given in UTC, or when it is resumed."""
    lasting, text = form.text("lasting"), form.text("until")
    if lasting in LONGER and text is not None:
        wrong = "how long or until when: give one of them"
        raise Refusal(422, wrong, fields={"until": wrong})
    if lasting in LONGER:
        return now + LONGER[lasting]
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        wrong = "must be a time such as 2026-01-31T06:00"
        raise Refusal(422, f"until {wrong}", fields={"until": wrong}) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _params_shown(entry: Entry) -> list[tuple[str, Any, str, bool]]:
    """Name, value, description, and whether the schedule differs from the job's own default."""
    model = type(entry.params)
    schema = model.model_json_schema()["properties"] if model.model_fields else {}
    values = entry.params.model_dump(mode="json", by_alias=True)
    return [
        (
            name,
            _value_shown(values[name]),
            str(field.get("description", "")),
            "default" in field and field["default"] != values[name],
        )
        for name, field in schema.items()
    ]


def _value_shown(value: Any) -> Any:
    """What holds others, as the file may have it."""
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(item, dict | list) for item in inner)
    ):
        return json.dumps(value, ensure_ascii=False) if value else None
    return value


def _charts(points: list[Point]) -> list[Chart]:
    """How long the last runs took, and how much they did."""
    ran = [point for point in points if point.took is not None]
    if len(ran) < 2:
        return []
    labels = [f"{point.scheduled_for:%m-%d %H:%M}" for point in ran]
    kinds = [_kind(point) for point in ran]
    seconds = [point.took.total_seconds() if point.took else None for point in ran]
    charts = [
        bars(
            f"How long the last {len(ran)} runs took",
            labels,
            seconds,
            say=duration,
            heads=("Run for (UTC)", "Took"),
            kinds=kinds,
        )
    ]
    name = main_name([point.numbers for point in ran])
    if name is not None:
        charts.append(
            bars(
                f"How much they did: {words(name)}",
                labels,
                [point.numbers.get(name) for point in ran],
                heads=("Run for (UTC)", words(name).capitalize()),
                kinds=kinds,
            )
        )
    return charts


def _kind(point: Point) -> str:
    bad = point.status in {Status.FAILED, Status.TIMED_OUT, Status.ABANDONED, Status.CANCELLED}
    return "wrong" if bad else ""


def job_link(name: str) -> str:
    return str(URL.build(path=f"/jobs/{name}"))


NAME = "{name:(?!.*/(?:trigger|pause|resume)$).+}"

ROUTES = (
    *page("/jobs/{name:.+}/trigger", trigger_form),
    change("/jobs/{name:.+}/trigger", trigger),
    *page("/jobs/{name:.+}/pause", pause_form),
    change("/jobs/{name:.+}/pause", pause),
    change("/jobs/{name:.+}/resume", resume),
    *page(f"/jobs/{NAME}", job),
)
