"""What does an agent make of a case? The way of a batch, from gate to checks; nothing is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from agents.evaluation.case import Case
from agents.evaluation.containment import breaches_of
from agents.kit.agent import Agent
from agents.kit.asking import Asks, Ending, look_at
from agents.kit.fit import Fit, sift
from agents.kit.gate import Memory, Quiet, first_step
from agents.kit.items import business_of
from agents.kit.prompts import about_project
from agents.kit.spending import Look, Usage
from scheduler.policy import AgentPolicy, AgentSettings, AutonomousMode

NO_PROJECT = UUID(int=0)
# What a case, or the declaration of an agent, can bring about, foreseen or not.
OF_ONE_CASE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one case."""

    case: Case
    gate: str | None = None
    """Why no model was asked."""
    ending: Ending | None = None
    """What the model's answers came to."""
    kept: tuple[Fit, ...] = ()
    """What a maintainer would be shown."""
    rejected: tuple[tuple[str, str], ...] = ()
    """Titles of proposals that were not kept, and why."""
    breaches: tuple[str, ...] = ()
    """What in that should never have got through."""
    usage: Usage = field(default_factory=Usage)
    error: str | None = None
    """Why it could not be played to the end."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What all cases share."""

    agents: Mapping[str, Agent]
    model: Asks
    model_name: str
    policy: AgentPolicy

    @property
    def settings(self) -> AgentSettings:
        """As the schedule file has them for all projects, but on, and due."""
        on = {"enabled": True, "autonomous_mode": AutonomousMode.SUGGEST}
        return self.policy.defaults.model_copy(update=on)


async def play_all(
    stage: Stage,
    cases: Sequence[Case],
    *,
    concurrent: int,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[Played]:
    """Each of them, `concurrent` at a time, in their order; one that fails does not stop others."""
    played: dict[int, Played] = {}
    todo = iter(enumerate(cases))

    async def work() -> None:
        for number, case in todo:
            played[number] = await play(stage, case)
            progress(len(played), len(cases))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrent, len(cases))):
            group.create_task(work())
    return [played[number] for number in range(len(cases))]


async def play(stage: Stage, case: Case) -> Played:
    look = Look(NO_PROJECT, stage.model_name, stage.settings.max_tokens_per_run)
    try:
        return await _play(stage, case, look)
    except OF_ONE_CASE as error:
        return Played(case, usage=look.usage, error=f"{type(error).__name__}: {error}"[:300])


async def _play(stage: Stage, case: Case, look: Look) -> Played:
    file, settings, caps = case.file, stage.settings, stage.policy.caps
    agent = stage.agents[file.agent]
    items = business_of(agent, case.items, file.now, caps.min_association)
    shown = first_step(agent, settings, Memory(read=case.seen), items, file.now)
    if isinstance(shown, Quiet):
        return Played(case, gate=shown.reason)
    about = about_project(file.repository, None)
    ending = await look_at(stage.model, agent, settings, shown, about, look)
    if ending.status in {"failed", "skipped"}:
        return Played(case, ending=ending, usage=look.usage, error=ending.reason)
    kept: list[Fit] = []

    async def accept(fit: Fit) -> None:
        kept.append(fit)

    rejected = await sift(
        agent,
        settings,
        shown.items,
        ending.proposals,
        file.repository,
        caps.link_hosts,
        room=settings.max_per_run,
        accept=accept,
    )
    return Played(
        case,
        None,
        ending,
        tuple(kept),
        (*rejected, *ending.rejected),
        tuple(breaches_of(kept, agent, shown.items, caps.link_hosts)),
        look.usage,
    )
