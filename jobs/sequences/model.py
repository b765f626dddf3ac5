"""What is a sequence, as a run knows it? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import JsonValue

from jobs.sequences.configs import Call, Trigger

MOST_STEPS = 200
"""Of one sequence: as many messages as nobody wants."""
MOST_OCTETS = 512 * 1024
"""Of one message's templates. Mail programs cut far smaller ones."""
UNITS = {
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
    "weeks": timedelta(weeks=1),
}

Action: TypeAlias = Literal["email", "tag", "segment", "webhook", "wait_until", "broken"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What somebody has to mend, and where."""

    sequence: str
    """The slug."""
    path: str
    message: str

    def detail(self) -> JsonValue:
        return {"sequence": self.sequence, "path": self.path, "message": self.message}


@dataclass(frozen=True, slots=True)
class Step:
    id: UUID
    order: int
    action: Action
    """`broken`: whoever comes to it waits until it is mended."""
    delay: timedelta = timedelta(0)
    """From the step before."""
    octets: int = 0
    tag: str | None = None
    segment_id: UUID | None = None
    until: datetime | None = None
    field: str | None = None
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class SequenceOfSteps:
    """An active sequence, as it was read at the beginning of the run."""

    id: UUID
    slug: str
    trigger: Trigger
    """`Manual` where its config is broken: nobody is enrolled until it is mended."""
    segment: Segment | None
    """The one whose joins it waits for."""
    steps: Sequence[Step]
    """By order; at least one."""
    active_since: datetime
    looked_at: datetime | None

    @property
    def start(self) -> int:
        """`current_step` of somebody who has done nothing yet."""
        return min(0, self.steps[0].order - 1)


@dataclass(frozen=True, slots=True)
class Segment:
    id: UUID
    is_dynamic: bool


@dataclass(slots=True)
class Definitions:
    """All active sequences, and what is wrong with them."""

    sequences: list[SequenceOfSteps] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def named(self, slug: str) -> SequenceOfSteps | None:
        return next((sequence for sequence in self.sequences if sequence.slug == slug), None)
