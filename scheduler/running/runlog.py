"""The log of one attempt: goes to the daemon's log, and is kept with the run, bounded.

What is kept is redacted as what is logged: it outlives the log, is in every backup, and is read by
more people. Of addresses the domain stays; whose it was, the product's own tables know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

from scheduler.db.pools import to_json
from scheduler.db.runs import Claimed, LogLine
from scheduler.job import Logger
from scheduler.watching.redaction import Redactor

MAX_LINES = 1_000
"""Kept of one attempt; the daemon's own log has the rest."""
MAX_FIELDS = 8_192
"""Characters of JSON kept of one line's fields."""
MAX_EVENT = 200
LAST_LINES = 20
"""Kept at hand for whoever is told how the attempt ended."""


class RunLog:
    """A `Logger` whose lines wait here until the runner writes them to the record."""

    def __init__(
        self,
        claimed: Claimed,
        logger: Logger,
        now: Callable[[], datetime],
        redactor: Redactor,
    ) -> None:
        self._claimed = claimed
        self._logger = logger
        self._redactor = redactor
        self._now = now
        self._lines: list[LogLine] = []
        self._last: deque[LogLine] = deque(maxlen=LAST_LINES)
        self._count = 0

    def debug(self, event: str, **fields: object) -> None:
        # Debug lines are for whoever watches the daemon's log, not for the record.
        self._logger.debug(event, **fields)

    def info(self, event: str, **fields: object) -> None:
        self._logger.info(event, **fields)
        self._keep("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._logger.warning(event, **fields)
        self._keep("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._logger.error(event, **fields)
        self._keep("error", event, fields)

    @property
    def last_lines(self) -> Sequence[LogLine]:
        return tuple(self._last)

    def take(self) -> list[LogLine]:
        """The lines since the last call."""
        lines, self._lines = self._lines, []
        return lines

    def put_back(self, lines: list[LogLine]) -> None:
        """Lines that could not be written."""
        self._lines = lines + self._lines

    def _keep(self, level: str, event: str, fields: dict[str, object]) -> None:
        line = self._line(level, event, fields)
        self._last.append(line)
        self._count += 1
        if self._count < MAX_LINES:
            self._lines.append(line)
        elif self._count == MAX_LINES:
            self._lines.append(self._line("warning", "log_truncated", {"kept_lines": MAX_LINES}))

    def _line(self, level: str, event: str, fields: dict[str, object]) -> LogLine:
        shown = self._redactor.fields(fields)
        text = to_json(shown)
        if len(text) > MAX_FIELDS:
            shown = {"truncated": text[:MAX_FIELDS]}
        return LogLine(
            run_id=self._claimed.run_id,
            attempt=self._claimed.attempt,
            at=self._now(),
            level=level,
            event=self._redactor.text(event).replace("\x00", "")[:MAX_EVENT],
            fields=shown,
        )
