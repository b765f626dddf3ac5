"""Of what are people told, how often, and of what not: `alerts` in `config.yaml`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase


class Kind(StrEnum):
    """What an alert is about."""

    FAILED = "failed"
    """A run failed for good."""
    REPEATED = "repeated"
    """So many runs in a row failed."""
    RECOVERED = "recovered"
    """What people were told of is over."""
    OVERDUE = "overdue"
    """No success for longer than the period and the grace."""
    ABANDONED = "abandoned"
    """A run whose process died, and that is not attempted again."""
    MISSED = "missed"
    """Fires fell into a time when nothing ran."""
    DATABASE = "database"
    """The database is away."""
    CONDITION = "condition"
    """Something that a job reported stands in the way: a quota, a cost cap."""
    SCHEDULE = "schedule"
    """The schedule file was refused; the old one stays in force."""
    CHANNEL = "channel"
    """A channel of alerts takes no messages."""


@dataclass(frozen=True, slots=True)
class Silence:
    """What is not told; every part that is given must fit."""

    job: str | None = None
    """A name, or a pattern with `*`."""
    kinds: frozenset[Kind] = frozenset()
    """All of them if empty."""
    until: datetime | None = None
    """For as long as it stands in the file, if not given."""

    def holds(self, kind: Kind, job: str | None, now: datetime) -> bool:
        if self.until is not None and now >= self.until:
            return False
        if self.job is not None and (job is None or not fnmatchcase(job, self.job)):
            return False
        return not self.kinds or kind in self.kinds


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """The section `alerts`, read and checked."""

    off: frozenset[Kind] = frozenset()
    """Kinds that nobody is told of."""
    repeated_failures: int = 3
    """How many runs in a row have to fail for `repeated`."""
    overdue_grace: timedelta = timedelta(minutes=15)
    """How late a success may be."""
    database_grace: timedelta = timedelta(minutes=1)
    """How long the database may be away."""
    group_for: timedelta = timedelta(seconds=30)
    """What comes within this time of the first becomes one message."""
    most_per_hour: int = 10
    """Messages; what is over waits, and is summed up in the next one."""
    remind_every: timedelta | None = timedelta(hours=24)
    """How often people hear again of what goes on; None for never."""
    silences: Sequence[Silence] = ()

    def tells(self, kind: Kind, job: str | None, now: datetime) -> bool:
        """Whether anybody is to hear of it now."""
        return kind not in self.off and not any(
            silence.holds(kind, job, now) for silence in self.silences
        )
