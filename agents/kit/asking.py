"""How is a model asked about what an agent is shown, and what is made of its answers?

The one way of a batch, a dry run and an evaluation: scores, and only then proposals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agents.kit.agent import Agent, Proposal
from agents.kit.answer import Output
from agents.kit.errors import (
    CapReachedError,
    ModelError,
    RefusedAnswerError,
    UnreachableModelError,
)
from agents.kit.gate import Scores, Shown, Verdict, freshness, second_step
from agents.kit.hostile import plain_title
from agents.kit.llm import Question
from agents.kit.prompts import Proposals, propose_question, score_question, system_of
from agents.kit.spending import Look
from scheduler.policy import AgentSettings

NOTHING_NEW = "it rests on nothing that is new"
MOST_SCORES = 4_000
"""Tokens of an answer with scores; models that reason spend most of them on that."""
MOST_PROPOSALS = 8_000


class Asks(Protocol):
    """What takes a question to a model."""

    async def ask(self, question: Question, output: type[Output], look: Look) -> Output:
        """Raises `ModelError`."""
        ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How one agent's look ended."""

    status: Literal["skipped", "silent", "suggested", "failed"]
    reason: str | None = None
    scores: Scores | None = None
    proposals: Sequence[Proposal] = ()
    """Those that rest on something new; nothing else of them is checked yet."""
    rejected: Sequence[tuple[str, str]] = ()
    """Titles of the others, and why."""
    has_read: bool = True
    """Whether what it was shown is no longer new to it."""
    cap: str | None = None
    """The cap that let it ask nothing, or nothing more."""
    unreachable: bool = False
    """The model did not answer."""


def first_question(agent: Agent, settings: AgentSettings, shown: Shown, about: str) -> Question:
    """Whether there is anything to say. `about` is the project in our words."""
    return Question("score", system_of(agent), score_question(settings, shown, about), MOST_SCORES)


def second_question(
    agent: Agent, settings: AgentSettings, shown: Shown, scores: Scores, about: str
) -> Question:
    """What to say."""
    asked = propose_question(agent, settings, shown, scores, about)
    return Question("propose", system_of(agent), asked, MOST_PROPOSALS)


async def look_at(
    model: Asks, agent: Agent, settings: AgentSettings, shown: Shown, about: str, look: Look
) -> Ending:
    """Ask for scores, and for proposals where those are high enough.

    What goes wrong with the model is an ending too; what was used is in `look.usage`.
    """
    try:
        return await _ask(model, agent, settings, shown, about, look)
    except CapReachedError as error:
        # Not its fault: what is new stays new, and is looked at when there is room again.
        return Ending("skipped", str(error), has_read=False, cap=error.cap)
    except RefusedAnswerError as error:
        return Ending("silent", str(error))
    except ModelError as error:
        unreachable = isinstance(error, UnreachableModelError)
        return Ending("failed", str(error), has_read=False, unreachable=unreachable)


async def _ask(
    model: Asks, agent: Agent, settings: AgentSettings, shown: Shown, about: str, look: Look
) -> Ending:
    verdict = await model.ask(first_question(agent, settings, shown, about), Verdict, look)
    scores, why = second_step(verdict, shown, settings)
    if why is not None:
        return Ending("silent", why, scores)
    # mypy knows no type that is only there at run time.
    output: type[Proposals[Proposal]] = Proposals[agent.proposal]  # type: ignore[name-defined]
    answer = await model.ask(second_question(agent, settings, shown, scores, about), output, look)
    if not answer.suggestions:
        return Ending("silent", "it had nothing to propose after all", scores)
    new = [one for one in answer.suggestions if freshness(one.evidence, shown.unseen) > 0]
    old = [one for one in answer.suggestions if one not in new]
    return Ending(
        "suggested", None, scores, new, [(plain_title(one.title), NOTHING_NEW) for one in old]
    )
