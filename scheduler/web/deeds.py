"""What people do to the daemon: one function each, for the API and the pages alike."""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web
from pydantic import JsonValue

from scheduler.db.runs import Run
from scheduler.entry import Entry
from scheduler.web.answers import Refusal
from scheduler.web.bodies import LogLevelBody, PauseBody, ReasonBody
from scheduler.web.keys import DAEMON, Daemon, ReloadView
from scheduler.web.record import Caller
from scheduler.web.words import exact

MAX_PAUSE = timedelta(days=3660)


async def pause_job(request: web.Request, entry: Entry, body: PauseBody) -> None:
    """From now on no fire of the clock runs it, in any daemon; by hand it still runs."""
    daemon, caller = request.app[DAEMON], Caller.of(request)
    _check_scheduled(daemon, entry)
    now = daemon.now()
    if body.until is not None and not now < body.until <= now + MAX_PAUSE:
        allowed = f"later than now ({exact(now)}), by {MAX_PAUSE.days} days at most"
        raise Refusal(422, f"until must be {allowed}", fields={"until": allowed})
    await daemon.entries.pause(
        entry.name, clock=now, until=body.until, who=caller.name, reason=body.reason
    )
    await daemon.clock.refresh()
    detail: dict[str, JsonValue] = {"until": body.until.isoformat() if body.until else None}
    await caller.record("pause", entry.name, reason=body.reason, detail=detail)


async def resume_job(request: web.Request, entry: Entry, body: ReasonBody) -> None:
    """A job that is not paused stays as it is."""
    daemon, caller = request.app[DAEMON], Caller.of(request)
    _check_scheduled(daemon, entry)
    if await daemon.entries.resume(entry.name, daemon.now()):
        await daemon.clock.refresh()
        await caller.record("resume", entry.name, reason=body.reason)


async def cancel_run(request: web.Request, run: Run, reason: str | None) -> None:
    """It has ended by that, or is still ending. Raises a 409 where it had ended before."""
    daemon, caller = request.app[DAEMON], Caller.of(request)
    message = f"cancelled by {caller.name}" + (f": {reason}" if reason else "")
    if await daemon.runner.cancel(run.id, message) is None:
        now = await daemon.runner.store.get(run.id)
        ended = f"the run has ended already: {now.status if now else 'it is gone'}"
        raise Refusal(409, ended, run_id=run.id)
    await caller.record("cancel", run.job, reason=reason, detail={"runId": str(run.id)})


async def reload_schedule(request: web.Request, reason: str | None) -> ReloadView:
    """Put the schedule file in force; where it has errors, the schedule in force stays."""
    result = await request.app[DAEMON].reload()
    if not result.errors:
        await Caller.of(request).record(
            "reload", "schedule", reason=reason, detail=result.as_json()
        )
    return result


async def set_log_level(request: web.Request, body: LogLevelBody) -> None:
    """Of this process alone: others log as they did."""
    logs, now = request.app[DAEMON].logs, request.app[DAEMON].now()
    logs.set_level(body.level, body.for_, now)
    until = logs.until.isoformat() if logs.until else None
    detail: dict[str, JsonValue] = {"level": str(body.level), "until": until}
    await Caller.of(request).record("log_level", logs.replica, reason=body.reason, detail=detail)


def _check_scheduled(daemon: Daemon, entry: Entry) -> None:
    if entry.name not in daemon.clock.schedule.entries:
        raise Refusal(409, f"{entry.name} is not in the schedule, so no clock runs it")
