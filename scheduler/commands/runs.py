"""`run`, `trigger`, `pause`, `resume`, `history`: runs, here or in the running daemon."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from scheduler.commands.client import Answer, call, in_words
from scheduler.commands.output import json_option, moment_in_words, print_json, print_table
from scheduler.commands.schedule import Moment
from scheduler.run import Status, Trigger
from scheduler.settings import load_settings

if TYPE_CHECKING:
    from scheduler.db.runs import Run

SUCCEEDED, FAILED, USAGE, BUSY = 0, 1, 2, 3
"""The exit codes of `run` and `trigger`."""

param_option = click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the job; may be given several times.",
)


def _given(params: tuple[str, ...]) -> dict[str, object]:
    """Raises `click.UsageError` for what is not NAME=VALUE."""
    given: dict[str, object] = {}
    for text in params:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--param {text!r} is not NAME=VALUE")
        if name in given:
            raise click.UsageError(f"--param {name} is given twice")
        try:
            given[name] = json.loads(value)
        except ValueError:
            given[name] = value
    return given


@click.command()
@click.argument("job")
@param_option
@click.option("--reason", help="Kept with the run.")
@json_option
def run(job: str, params: tuple[str, ...], reason: str | None, as_json: bool) -> None:
    """Run JOB once in this process, recorded as any other run.

    Exit status: 0 it succeeded, 1 it failed, 2 wrong usage, 3 it is already running.
    """
    run_here(job, _given(params), reason, as_json=as_json)


def run_here(job: str, given: Mapping[str, object], reason: str | None, *, as_json: bool) -> None:
    """Run it, print what it did, and exit as the run ended."""
    settings = load_settings()
    from scheduler.watching.logging import configure_logging

    configure_logging(
        level="warning" if settings.log_level == "info" else settings.log_level,
        console=True,
        secrets=settings.secret_values,
    )
    from scheduler.commands.one_run import BusyError, UnknownJobError, run_once
    from scheduler.params import ParamsError

    try:
        ended = asyncio.run(run_once(settings, job, given, reason))
    except (ParamsError, UnknownJobError) as error:
        raise click.UsageError(str(error)) from None
    except BusyError as busy:
        _answer(as_json, {"success": False, "error": str(busy), "runId": str(busy.run_id)})
        sys.exit(BUSY)
    _answer(as_json, _worker_answer(ended))
    sys.exit(SUCCEEDED if ended.status in {"succeeded", "skipped"} else FAILED)


@click.command()
@click.argument("job")
@param_option
@click.option("--no-wait", is_flag=True, help="Return as soon as the run has begun.")
@json_option
def trigger(job: str, params: tuple[str, ...], no_wait: bool, as_json: bool) -> None:
    """Run JOB in the running daemon.

    Exit status: 0 it succeeded, 1 it failed, 2 wrong usage, 3 it is already running.
    """
    given = _given(params)
    query = {"wait": "0"} if no_wait else {"wait": "86400"}
    answer = call(
        load_settings(), "POST", f"/api/v1/workers/{quote(job)}", json=given or None, query=query
    )
    _answer(as_json, answer.body)
    known = {404: USAGE, 409: BUSY, 422: USAGE}
    sys.exit(known.get(answer.status, FAILED if answer.status >= 400 else 0))


@click.command()
@click.argument("job")
@click.option("--reason", required=True, help="Shown to everyone while it is paused.")
@click.option("--until", type=Moment(), help="Resume by itself at this time.")
@json_option
def pause(job: str, reason: str, until: datetime | None, as_json: bool) -> None:
    """Take JOB off the clock, in every daemon.

    It can still be run by hand.
    """
    body: dict[str, Any] = {"reason": reason}
    if until is not None:
        body["until"] = until.isoformat()
    answer = _change(job, "pause", body)
    _say(
        as_json, answer, f"{job} is paused" + (f" until {moment_in_words(until)}" if until else "")
    )


@click.command()
@click.argument("job")
@json_option
def resume(job: str, as_json: bool) -> None:
    """Put JOB back on the clock."""
    _say(as_json, _change(job, "resume", {}), f"{job} is on the clock")


def _change(job: str, change: str, body: dict[str, Any]) -> Answer:
    path = f"/api/v1/jobs/{quote(job, safe='')}/{change}"
    return call(load_settings(), "POST", path, admin=True, json=body)


@click.command()
@click.argument("job", required=False)
@click.option(
    "--status", type=click.Choice([str(one) for one in Status]), help="Only runs of this status."
)
@click.option(
    "--trigger",
    "triggered",
    type=click.Choice([str(one) for one in Trigger]),
    help="Only runs that this made.",
)
@click.option(
    "-n", "count", type=click.IntRange(1, 200), default=20, show_default=True, help="How many."
)
@json_option
def history(
    job: str | None, status: str | None, triggered: str | None, count: int, as_json: bool
) -> None:
    """Show what ran, newest first.

    What did not run has a row as well, with the reason.
    """
    query = {"limit": str(count)}
    filters = {"job": job, "status": status, "trigger": triggered}
    query |= {name: value for name, value in filters.items() if value is not None}
    answer = call(load_settings(), "GET", "/api/v1/runs", admin=True, query=query).ok()
    if as_json:
        print_json(answer)
        return
    if not answer["items"]:
        if job is not None:
            # An entry that is no longer there may have runs; one that never was is a slip.
            path = f"/api/v1/jobs/{quote(job, safe='')}"
            _found(call(load_settings(), "GET", path, admin=True))
        click.echo("no such run" if any(filters.values()) else "nothing has run yet")
        return
    print_table(
        ("scheduled for", "job", "trigger", "status", "attempt", "took", "result"),
        [
            (
                datetime.fromisoformat(item["scheduledFor"]),
                item["job"],
                item["trigger"],
                item["status"],
                f"{item['attempt']}/{item['maxAttempts']}" if item["attempt"] else None,
                _took(item["durationMs"]),
                _result(item),
            )
            for item in answer["items"]
        ],
    )


def _took(milliseconds: float | None) -> str | None:
    if milliseconds is None:
        return None
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _result(item: dict[str, Any]) -> str | None:
    if item["error"]:
        return str(item["error"]["message"])
    data = item["data"] or {}
    if "reason" in data:
        count = data.get("count", 1)
        return f"{data['reason']}" + (f" ({count} fires)" if count > 1 else "")
    plain = [
        f"{key} {str(value).lower() if isinstance(value, bool) else value}"
        for key, value in data.items()
        if isinstance(value, int)
    ]
    return ", ".join(plain) or None


def _worker_answer(ended: Run) -> dict[str, Any]:
    if ended.status in {"succeeded", "skipped"}:
        return {"success": True, "data": ended.data or {}, "runId": str(ended.id)}
    return {
        "success": False,
        "error": ended.error_message or f"the run is {ended.status}",
        "runId": str(ended.id),
    }


def _answer(as_json: bool, body: dict[str, Any]) -> None:
    """A worker route's answer, as it is or for people."""
    if as_json:
        print_json(body)
    elif body.get("success"):
        data = body.get("data") or {}
        print_table(("result", ""), list(_lines(data)))
        click.echo(f"run {body.get('runId')}")
    else:
        click.echo(f"lamplighter: {in_words(body)}", err=True)


def _lines(data: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, object]]:
    """One of each number, however deep it stands: `issues.opened`."""
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from _lines(value, f"{within}{key}.")
        else:
            yield within + key, json.dumps(value) if isinstance(value, dict | list) else value


def _found(answer: Answer) -> dict[str, Any]:
    """The body. Raises `click.UsageError` where there is no such job."""
    if answer.status == 404:
        raise click.UsageError(in_words(answer.body))
    return answer.ok()


def _say(as_json: bool, answer: Answer, words: str) -> None:
    body = _found(answer)
    if as_json:
        print_json(body)
    else:
        click.echo(words)


COMMANDS = (run, trigger, pause, resume, history)
