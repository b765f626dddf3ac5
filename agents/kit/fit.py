"""Which proposals of a model are fit to be suggested, in which words, and what would they do? Pure.

Whatever a model proposes rests on what it was shown, is of its agent's kinds and sure enough, and
is still something once it is safe to publish.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from agents.kit.agent import Action, Agent, Item, Kind, Proposal, Source
from agents.kit.hostile import for_people, plain_title
from scheduler.policy import AgentSettings, AutonomousMode

LEAST_TITLE, MOST_TITLE = 5, 200
LEAST_BODY, MOST_BODY = 20, 20_000
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}", re.ASCII)


class UnfitError(Exception):
    """A proposal is not kept; the text says why."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A proposal that may be kept, in the words that would be published."""

    kind: str
    title: str
    body: str
    evidence: Sequence[Item]
    action: Mapping[str, JsonValue]
    confidence: float

    @property
    def key(self) -> str:
        """What it rests on."""
        return "\n".join(sorted(item.ref for item in self.evidence))

    @property
    def hash(self) -> str:
        """What it rests on, in which state."""
        pairs = sorted((item.ref, item.version) for item in self.evidence)
        return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()

    @property
    def pairs(self) -> list[dict[str, str]]:
        return [{"ref": item.ref, "version": item.version} for item in self.evidence]

    def as_json(self) -> dict[str, JsonValue]:
        return {
            "kind": self.kind,
            "title": self.title,
            "body": self.body,
            "evidence": [item.ref for item in self.evidence],
            "confidence": self.confidence,
            "action": dict(self.action),
        }


async def sift(
    agent: Agent,
    settings: AgentSettings,
    items: Sequence[Item],
    proposals: Sequence[Proposal],
    repository: str,
    hosts: frozenset[str],
    *,
    room: int,
    accept: Callable[[Fit], Awaitable[None]],
) -> tuple[tuple[str, str], ...]:
    """Hand those that are fit to `accept`, the best first and at most `room`.

    `accept` may raise `UnfitError` too. The answer is the titles of what was not taken, and why.
    """
    shown = {item.ref: item for item in items}
    accepted = 0
    rejected: list[tuple[str, str]] = []
    for proposal in sorted(proposals, key=lambda proposal: -proposal.confidence):
        try:
            if settings.autonomous_mode is AutonomousMode.DISABLED:
                raise UnfitError("the agent is disabled")
            fit = _fit(proposal, agent, settings, shown, repository, hosts)
            if accepted >= room:
                raise UnfitError(f"max_per_run is {settings.max_per_run}, and others are better")
            await accept(fit)
        except UnfitError as why:
            rejected.append((plain_title(proposal.title)[:MOST_TITLE], str(why)))
        else:
            accepted += 1
    return tuple(rejected)


def _fit(
    proposal: Proposal,
    agent: Agent,
    settings: AgentSettings,
    shown: Mapping[str, Item],
    repository: str,
    hosts: frozenset[str],
) -> Fit:
    """Raises `UnfitError`."""
    kind = agent.kinds.get(proposal.kind)
    if kind is None:
        raise UnfitError(f"{proposal.kind[:50]!r} is not a kind of this agent's")
    if proposal.confidence < settings.min_confidence_score:
        raise UnfitError(
            f"its confidence {proposal.confidence:.2f} is below {settings.min_confidence_score:g}"
        )
    evidence = []
    for ref in dict.fromkeys(proposal.evidence):
        if ref not in shown:
            raise UnfitError(f"its evidence {ref[:100]!r} is not among what was shown")
        evidence.append(shown[ref])
    title = plain_title(proposal.title)[:MOST_TITLE].strip()
    if len(title) < LEAST_TITLE:
        raise UnfitError("nothing is left of its title")
    body = for_people(proposal.body, hosts, repository).strip()
    if not LEAST_BODY <= len(body) <= MOST_BODY:
        raise UnfitError(f"its text has {len(body)} characters once it is safe to publish")
    action = action_of(kind, evidence, repository)
    return Fit(proposal.kind, title, body, evidence, action, proposal.confidence)


def action_of(kind: Kind, evidence: Sequence[Item], repository: str) -> Mapping[str, JsonValue]:
    """What publishing does, all but the words. Raises `UnfitError`."""
    target = None
    if kind.target is not None:
        target = next((item for item in evidence if item.source is kind.target), None)
        if target is None:
            raise UnfitError(f"it names no {kind.target} that it is about")
    action: dict[str, JsonValue] = {"type": str(kind.action), "repository": repository}
    match kind.action:
        case Action.REVIEW:
            action["number"] = _number(target, evidence, {Source.PULLS})
        case Action.COMMENT:
            action["number"] = _number(target, evidence, {Source.PULLS, Source.ISSUES})
        case Action.DRAFT_RELEASE:
            action["tag"] = _tag(target, evidence)
        case Action.TODO:
            about = {Source.PULLS: "pull", Source.ISSUES: "issue"}
            if target is not None and target.source in about:
                action[about[target.source]] = _number(target, evidence, set(about))
        case Action.ISSUE:
            pass
    return action


def _number(target: Item | None, evidence: Sequence[Item], sources: Collection[Source]) -> int:
    about = target or next((item for item in evidence if item.source in sources), None)
    if about is None or about.source not in sources or not about.key.isdecimal():
        raise UnfitError(f"it names no {' or '.join(sorted(sources))} that it is about")
    return int(about.key)


def _tag(target: Item | None, evidence: Sequence[Item]) -> str:
    """Of the release that it is about, or what the milestone is called."""
    sources = {Source.RELEASES, Source.MILESTONES}
    about = target or next((item for item in evidence if item.source in sources), None)
    if about is None or about.source not in sources:
        raise UnfitError("it names no release or milestone that it is about")
    name = about.key if about.source is Source.RELEASES else "-".join(about.title.split())
    if not TAG.fullmatch(name):
        raise UnfitError(f"{name[:100]!r} cannot be the tag of a release")
    return name
