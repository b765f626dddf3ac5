"""Is there anything worth a maintainer's time? The gate, whose usual answer is no. Pure.

Its first step costs nothing: is the agent on, is it due, has it anything that it has not read, and
anything of that which it has not just spoken about. Only then a model is asked to score what there
is, and any score that is too low ends it too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from agents.kit.agent import Agent, Item
from scheduler.policy import AgentSettings, AutonomousMode

EARLY = timedelta(minutes=15)
"""A batch that begins a little earlier than the last is due nevertheless."""
CONTEXT = 2
"""At most one in so many items that a model is shown has been read before: for context."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of an agent's work on a project."""

    looked_for: datetime | None = None
    """The `scheduled_for` of the batch in which it last asked a model."""
    read: Mapping[str, str] = field(default_factory=dict)
    """References that it has read, with the version of each."""
    cooling: Collection[str] = ()
    """References on which something was suggested within the cooldown."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing is to be done, and why."""

    reason: str
    whatever_there_is: bool = False
    """No data could change it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """These are to be looked at."""

    items: tuple[Item, ...]
    """What a model is shown, the latest first."""
    unseen: frozenset[str]
    """References of those that the agent has not read in this version."""


class Score(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    score: Annotated[float, Field(ge=0, le=1)]
    evidence: Annotated[str, Field(max_length=600)]
    """One sentence."""


class Verdict(BaseModel):
    """What a model makes of the data, before it may propose anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    relevance: Score
    actionability: Score
    freshness: Score
    value: Score
    refs: Annotated[list[str], Field(max_length=40)]
    """What a suggestion would rest on."""


@dataclass(frozen=True, slots=True)
class Scores:
    relevance: float
    actionability: float
    freshness: float
    value: float

    def lowest(self) -> tuple[str, float]:
        return min(
            (
                ("relevance", self.relevance),
                ("actionability", self.actionability),
                ("freshness", self.freshness),
                ("value", self.value),
            ),
            key=lambda one: one[1],
        )

    def as_json(self) -> dict[str, JsonValue]:
        return {
            "relevance": self.relevance,
            "actionability": self.actionability,
            "freshness": self.freshness,
            "value": self.value,
        }


def is_due(settings: AgentSettings, looked_for: datetime | None, scheduled_for: datetime) -> bool:
    if looked_for is None:
        return True
    return scheduled_for - looked_for >= timedelta(hours=settings.frequency_hours) - EARLY


def first_step(
    agent: Agent,
    settings: AgentSettings,
    memory: Memory,
    items: Sequence[Item],
    scheduled_for: datetime,
    *,
    force: bool = False,
) -> Shown | Quiet:
    """Decide without a model. `items` are what concerns the agent, the latest first; `force` looks
    even where it is not due yet.
    """
    if not is_on(settings):
        return Quiet("it is off for this project", whatever_there_is=True)
    if not force and not is_due(settings, memory.looked_for, scheduled_for):
        return Quiet(
            f"not due: it looks every {settings.frequency_hours} h", whatever_there_is=True
        )
    if not items:
        return Quiet("there is nothing of its kind")
    unseen = [item for item in items if memory.read.get(item.ref) != item.version]
    if not unseen:
        return Quiet("nothing is new since it last looked")
    fresh = [item for item in unseen if item.ref not in memory.cooling]
    if not fresh:
        return Quiet(f"all that is new was spoken about within {settings.cooldown_hours} h")
    fresh = fresh[: agent.most_items]
    new = {item.ref for item in unseen}
    known = [item for item in items if item.ref not in new]
    room = min(agent.most_items - len(fresh), agent.most_items // CONTEXT)
    chosen = [*fresh, *known[:room]]
    return Shown(
        tuple(sorted(chosen, key=lambda item: (item.at, item.ref), reverse=True)),
        frozenset(item.ref for item in fresh),
    )


def is_on(settings: AgentSettings) -> bool:
    return settings.enabled and settings.autonomous_mode is not AutonomousMode.DISABLED


def freshness(refs: Collection[str], unseen: Collection[str]) -> float:
    """The share of what is cited that was not read before; of nothing, none."""
    cited = set(refs)
    return len(cited & set(unseen)) / len(cited) if cited else 0.0


def second_step(
    verdict: Verdict, shown: Shown, settings: AgentSettings
) -> tuple[Scores, str | None]:
    """The scores that count, and why to keep quiet, if so.

    Of freshness the smaller counts: what the model says, or the share of what it cites that is new.
    What it cites and was not shown makes nothing fresh.
    """
    scores = Scores(
        verdict.relevance.score,
        verdict.actionability.score,
        min(verdict.freshness.score, freshness(verdict.refs, shown.unseen)),
        verdict.value.score,
    )
    name, score = scores.lowest()
    if score >= settings.min_confidence_score:
        return scores, None
    said = getattr(verdict, name).evidence
    return scores, f"{name} {score:.2f} is below {settings.min_confidence_score:g}: {said}"[:600]
