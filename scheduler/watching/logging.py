"""The daemon's log: one event a line, JSON for machines or coloured for a terminal, on stderr.

Whoever logs, libraries and Python itself included: the last that happens to a line is that secrets
and addresses are taken out of it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from scheduler.watching.escapes import escaped
from scheduler.watching.redaction import Redactor

QUIET = ("apscheduler", "aiohttp.access", "asyncio")
"""Libraries whose everyday lines say nothing that ours do not."""
AS_THEY_ARE = frozenset({"level", "timestamp"})

log = structlog.stdlib.get_logger("lamplighter.log")


class Logs:
    """The logging of this process, while it runs."""

    def __init__(self, level: str, redactor: Redactor) -> None:
        self.configured = level
        """The level that the settings say."""
        self.level = level
        self.until: datetime | None = None
        """When another level than that ends by itself."""
        self.redactor = redactor
        self.replica: str | None = None
        """Told on every line for machines, once it has a name."""
        self._back: asyncio.TimerHandle | None = None

    def set_level(self, level: str, for_: timedelta, now: datetime) -> None:
        """Another level for so long; the configured one ends that at once."""
        self._end()
        if level != self.configured:
            self.until = now + for_
            loop = asyncio.get_running_loop()
            self._back = loop.call_later(for_.total_seconds(), self._go_back)
        self._set(level)
        log.info("log_level_set", to=level, until=self.until)

    def end(self) -> None:
        """The configured level, now."""
        self._end()
        self._set(self.configured)

    def _go_back(self) -> None:
        self.end()
        log.info("log_level_back", to=self.configured)

    def _end(self) -> None:
        if self._back is not None:
            self._back.cancel()
        self._back = self.until = None

    def _set(self, level: str) -> None:
        self.level = level
        logging.getLogger().setLevel(level.upper())


def configure_logging(
    *, level: str, console: bool, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> Logs:
    """Set structlog and the standard library's logging up; call it once, before the first line."""
    logs = Logs(level, Redactor(secrets))
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                *_rendering(logs, console, stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return logs


def log_what_nobody_caught() -> None:
    """Exceptions that end the process or a thread, or that nobody can catch, and warnings."""

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("uncaught_exception", exc_info=(kind, error, trace))

    def in_thread(told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None and told.exc_type is not SystemExit:
            name = told.thread.name if told.thread else None
            error = (told.exc_type, told.exc_value, told.exc_traceback)
            log.critical("uncaught_exception", thread=name, exc_info=error)

    def unraisable(told: sys.UnraisableHookArgs) -> None:
        if told.exc_value is not None:
            error = (told.exc_type, told.exc_value, told.exc_traceback)
            log.error("unraisable_exception", where=repr(told.object), exc_info=error)

    sys.excepthook = uncaught
    threading.excepthook = in_thread
    sys.unraisablehook = unraisable
    logging.captureWarnings(True)


def _rendering(logs: Logs, console: bool, stream: TextIO) -> list[Processor]:
    redact = _redaction(logs.redactor)
    if console:
        return [
            redact,
            _escape,
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]

    def name_replica(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        if logs.replica is not None:
            event["replica"] = logs.replica
        return event

    return [name_replica, redact, structlog.processors.JSONRenderer()]


def _redaction(redactor: Redactor) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        kept = {name: event.pop(name) for name in AS_THEY_ARE if name in event}
        return {**redactor.fields(event), **kept}

    return redact


def _escape(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Nothing but a traceback has several lines, and those are told from the lines of the log."""
    trace = event.pop("exception", None)
    shown: EventDict = {
        escaped(name): escaped(value) if isinstance(value, str) else value
        for name, value in event.items()
    }
    if isinstance(trace, str):
        shown["exception"] = "\n".join(f"  | {escaped(line)}" for line in trace.split("\n"))
    return shown
