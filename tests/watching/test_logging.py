"""Is every line one event of one form, without secrets, whoever logs it?"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.entry import Retry
from scheduler.job import Done, JobContext, Outcome
from scheduler.watching.escapes import escaped
from scheduler.watching.logging import Logs, configure_logging
from scheduler.watching.redaction import Redactor
from tests.support.machine import START, NoParams, entry, machine

SECRET = "kQ7/canary+zZ93=nöt"
ESCAPES = "\x1b[31mred\x1b]0;title\x07\r\nforged line \x9b2J \u202egnp.exe\u2028x"


class Written(io.StringIO):
    """What was logged."""

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().split("\n") if line]


@contextmanager
def logging_to(stream: io.StringIO, **options: Any) -> Iterator[Logs]:
    """The logging of a daemon, undone afterwards: the test runner has its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    kept = structlog.get_config()
    values = {"level": "info", "console": False, "secrets": [SECRET], **options}
    try:
        yield configure_logging(stream=stream, **values)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**kept)


def logger(name: str = "tests") -> structlog.stdlib.BoundLogger:
    made: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return made


def fail(text: str) -> None:
    raise ValueError(text)


def test_a_line_is_one_event_with_level_and_time() -> None:
    with logging_to(out := Written()) as logs:
        logger().info("something_done", rows=3, who="ann@example.org")
        logs.replica = "host-1-abc"
        logger().warning("something_odd")
        logger().debug("not_shown")
    first, second = out.events
    assert {"event": "something_done", "level": "info", "rows": 3}.items() <= first.items()
    assert first["who"] == "…@example.org"
    assert first["timestamp"].endswith("Z")
    assert "replica" not in first
    assert second["replica"] == "host-1-abc"


@pytest.mark.parametrize("console", [False, True])
def test_libraries_warnings_and_tracebacks_have_the_same_form(console: bool) -> None:
    with logging_to(out := Written(), console=console):
        logging.getLogger("somebody.else").warning("to %s with %s", "ann@example.org", SECRET)
        try:
            fail(f"no access with {SECRET}")
        except ValueError:
            logger().exception("it_failed", nested={"deep": [SECRET.encode()]})
            logging.getLogger("somebody.else").exception("theirs failed: %s", SECRET)
    text = out.getvalue()
    assert "canary" not in text
    assert "ann" not in text
    assert text.count("ValueError: no access with ***") == 2
    if not console:
        assert [event["level"] for event in out.events] == ["warning", "error", "error"]
        assert out.events[1]["exception"].startswith("Traceback (most recent call last)")


def test_what_no_task_awaited_and_no_thread_caught_is_a_line_too() -> None:
    program = """
import asyncio, gc, sys, threading, warnings
from scheduler.watching.logging import configure_logging, log_what_nobody_caught

SECRET = "kQ7-canary-zZ93"
configure_logging(level="info", console=False, secrets=[SECRET])
log_what_nobody_caught()

class Torn:
    def __del__(self):
        raise RuntimeError(f"torn {SECRET}")

async def fail():
    raise ValueError(f"lost\\n{SECRET}")

async def main():
    task = asyncio.ensure_future(fail())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()

asyncio.run(main())
thread = threading.Thread(target=lambda: 1 / 0, name="some thread")
thread.start()
thread.join()
warnings.warn(f"old {SECRET}", stacklevel=1)
Torn()
raise SystemError(f"the end {SECRET}")
"""
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "canary" not in ended.stderr + ended.stdout
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    warned = next(event["event"] for event in events if "Warning" in event["event"])
    warned = warned.partition("\n")[0]
    assert [event["event"].partition("\n")[0] for event in events] == [
        "Task exception was never retrieved",
        "uncaught_exception",
        warned,
        "unraisable_exception",
        "uncaught_exception",
    ]
    lost, thread, warning, torn, end = events
    assert "ValueError: lost" in lost["exception"]
    assert (thread["thread"], "ZeroDivisionError" in thread["exception"]) == ("some thread", True)
    assert "UserWarning: old ***" in warning["event"]
    assert "RuntimeError: torn ***" in torn["exception"]
    assert (end["level"], "SystemError: the end ***" in end["exception"]) == ("critical", True)


def test_hostile_text_neither_breaks_a_line_nor_reaches_the_terminal() -> None:
    for console in (False, True):
        with logging_to(out := Written(), console=console):
            logger().info("named", text=ESCAPES, nested={ESCAPES: [ESCAPES]}, b=ESCAPES.encode())
            logging.getLogger("theirs").warning("from elsewhere: %s", ESCAPES)
            try:
                fail(ESCAPES)
            except ValueError:
                logger().exception("it_failed")
        text = out.getvalue()
        assert not any(char in text for char in "\x1b\x07\x9b\r\u202e\u2028"), console
        forged = [line for line in out.lines if line.lstrip(" |").startswith("forged")]
        assert [line for line in forged if not line.startswith("  | ")] == []
        if not console:
            assert len(out.events) == 3
            assert out.events[0]["text"] == ESCAPES, "a machine gets it whole"


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_what_is_escaped_is_one_line_of_visible_characters(text: str) -> None:
    shown = escaped(text)
    assert len(shown.splitlines()) <= 1
    assert all(char >= " " and char != "\x7f" for char in shown)
    assert escaped(shown) == shown


@given(
    st.recursive(
        st.sampled_from(
            [
                SECRET,
                SECRET.encode(),
                quote(SECRET, safe=""),
                b64encode(SECRET.encode()).decode(),
                f"https://u:{quote(SECRET, safe='')}@h/",
                ValueError(SECRET),
                "harmless",
                7,
            ]
        ),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["a", "b", SECRET, "token"]), inner, max_size=4)
            | st.tuples(inner, inner)
        ),
        max_leaves=20,
    ),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_no_secret_gets_through_however_it_is_nested(value: Any, console: bool) -> None:
    with logging_to(out := Written(), console=console):
        logger().info("named", value=value, text=str(value), shown=repr(value))
        logger().info(str(value))
        logging.getLogger("theirs").warning("%r", value)
        try:
            fail(str(value))
        except ValueError:
            logger().exception("it_failed")
    text = out.getvalue()
    for form in ("canary", "zZ93", b64encode(SECRET.encode()).decode()[:-4]):
        assert form not in text


async def test_every_line_of_a_run_tells_the_run(database: str) -> None:
    async def inner() -> None:
        logging.getLogger("some.library").warning("from a task of its own")

    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        ctx.log.info("ours", note=f"with {SECRET} to ann@example.org")
        logging.getLogger("some.library").warning("theirs")
        await asyncio.gather(asyncio.create_task(inner()), asyncio.to_thread(logger().info, "th"))
        return Done({})

    with logging_to(out := Written()) as logs:
        logs.replica = "one"
        async with machine(database, work) as one:
            run = await one.ended(await one.by_hand())
        logger().info("afterwards")
    lines = {line["event"]: line for line in out.events}
    told = {"run": str(run.id), "job": "work", "attempt": 1, "replica": "one"}
    for event in ("attempt_started", "ours", "theirs", "from a task of its own", "th"):
        assert told.items() <= lines[event].items(), event
    assert lines["ours"]["note"] == "with *** to …@example.org"
    assert "run" not in lines["afterwards"]


async def test_what_is_kept_of_a_run_is_redacted_as_what_is_logged(database: str) -> None:
    token = "ghp_" + "a1B2" * 9

    async def work(ctx: JobContext, _params: NoParams) -> Outcome:
        nested = {"password": "x", "b": [SECRET]}
        event = f"tried_{SECRET}"
        ctx.log.info(event, to="ann@example.org", nested=nested)
        if ctx.attempt == 1:
            raise ConnectionError(f"{'x' * 1990} {SECRET} {token}")
        return Done({"errorDetails": [f"{SECRET} for ann@example.org"]})

    no_wait = Retry(attempts=2, backoff=timedelta(0), max_backoff=timedelta(0))
    async with machine(database, work, entries=[entry(retry=no_wait)]) as one:
        one.runner._redactor = Redactor([SECRET])
        run = await one.ended(await one.by_hand())
        [first, _] = await one.store.attempts(run.id)
        kept = await one.store.log_lines(run.id)
    everything = repr((run, first, kept))
    assert "canary" not in everything
    assert "zZ93" not in everything
    assert token not in everything
    assert (first.error_message or "").startswith("xxx")
    assert run.data == {"errorDetails": ["*** for ann@example.org"]}
    tried = next(line for line in kept if line.event == "tried_***")
    assert tried.fields == {
        "to": "…@example.org",
        "nested": {"password": "***", "b": ["***"]},
    }
    assert any("ConnectionError" in str(line.fields.get("traceback")) for line in kept)


async def test_another_level_ends_by_itself() -> None:
    with logging_to(out := Written()) as logs:
        logger().debug("before")
        logs.set_level("debug", timedelta(seconds=0.05), START)
        assert (logs.level, logs.until) == ("debug", START + timedelta(seconds=0.05))
        logger().debug("between")
        while logs.level == "debug":
            await asyncio.sleep(0.01)
        logger().debug("after")
        assert [logs.level, logs.until] == ["info", None]
        logs.set_level("error", timedelta(hours=1), START)
        logs.set_level("warning", timedelta(hours=2), START)
        assert logs.until == START + timedelta(hours=2)
        logs.set_level("info", timedelta(hours=1), START)
        assert [logs.level, logs.until] == ["info", None]
        logs.end()
    assert [line["event"] for line in out.events] == [
        "log_level_set",
        "between",
        "log_level_back",
        "log_level_set",
    ]
