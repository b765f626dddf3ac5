"""How does a page start a run, and say what came of it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never
from uuid import UUID

from aiohttp import web
from pydantic import JsonValue

from scheduler.db.runs import Run
from scheduler.entry import Entry
from scheduler.job import Asking
from scheduler.run import Status, Trigger
from scheduler.web.arguments import Asked, params_of
from scheduler.web.keys import DAEMON
from scheduler.web.launch import Wish, begin
from scheduler.web.named import entry_called


@dataclass(frozen=True, slots=True)
class Ended:
    """What a page says of a run that it has started."""

    run_id: UUID
    said: str
    good: bool
    is_over: bool = True


async def start(
    request: web.Request, name: str, given: dict[str, JsonValue], wait: float, reason: str | None
) -> Ended:
    """Run the job `name` with these parameters beside the schedule's. Raises `Refusal`."""
    daemon = request.app[DAEMON]
    entry = entry_called(daemon, name)
    asked = params_of(entry.params, {}, given, Asking(daemon.now(), entry.timezone))
    return await start_asked(request, entry, asked, wait, reason)


async def start_asked(
    request: web.Request, entry: Entry, asked: Asked, wait: float, reason: str | None
) -> Ended:
    """Wait for its end for so many seconds. Raises `Refusal`."""
    wish = Wish(wait=wait, reason=reason, idempotency_key=None, runs_at="/runs/")
    run_id = await begin(request, entry, asked, Trigger.ADMIN, wish)
    run = await request.app[DAEMON].runner.wait(run_id, wait)
    if run is None:
        return Ended(run_id, f"{entry.name} has run, and is no longer on record.", good=True)
    return _told(run)


def _told(run: Run) -> Ended:
    match run.status:
        case Status.SUCCEEDED:
            return Ended(run.id, f"{run.job} is done.", good=True)
        case Status.SKIPPED:
            why = (run.data or {}).get("reason") or "there was nothing to do"
            return Ended(run.id, f"{run.job} did nothing: {why}.", good=False)
        case Status.QUEUED | Status.RUNNING | Status.RETRYING:
            why = f": {run.error_message}" if run.error_message else ""
            state = "is tried again soon" if run.status is Status.RETRYING else "is at work"
            return Ended(run.id, f"{run.job} {state}{why}.", good=not why, is_over=False)
        case Status.FAILED | Status.TIMED_OUT | Status.CANCELLED | Status.ABANDONED | Status.MISSED:
            status = "failed" if run.status is Status.FAILED else f"was {_words(run.status)}"
            why = run.error_message or "no reason is on record"
            return Ended(run.id, f"{run.job} {status}: {why}.", good=False)
        case _:
            assert_never(run.status)


def _words(status: Status) -> str:
    return "stopped, out of time" if status is Status.TIMED_OUT else str(status)
