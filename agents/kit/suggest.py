"""Which proposals of a model are kept as suggestions, and which are not, and why.

Whatever a model proposes rests on what it was shown, has not been said before, and is not what
somebody has rejected; the best few of it are kept, in the words that would be published.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from agents.kit import autonomy
from agents.kit.agent import Action, Agent, Item, Kind, Proposal, Source
from agents.kit.hostile import for_people, plain_title
from agents.kit.words import LEAST_BODY, LEAST_TITLE, MOST_BODY, MOST_TITLE, words_of
from scheduler.job import Connection, JobContext
from scheduler.policy import AgentSettings, AutonomousMode
from scheduler.sql import load_sql

sql = load_sql(__file__)

SAME_WORDS = 0.95
"""So alike, title and text together, are two texts that differ in a number or a name: a form
letter, whatever it is about."""
SAME_MATTER = 0.4
"""So alike are two wordings of one finding that share evidence. Measured on pairs that people wrote
anew: 0.35 to 0.62 for the same, up to 0.36 for another finding on the same file. What is below for
the same is caught where kind and evidence are the same."""
MOST_COMPARED = 1_000
"""Suggestions of a project that are recent or open, the latest first; what was rejected on the same
evidence is looked up apart, however many there are."""
EXPIRES = timedelta(days=30)
"""What nobody has looked at in a month is old news, and what it rests on has moved on."""
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Kept:
    suggestions: tuple[UUID, ...]
    """The best first."""
    rejected: tuple[tuple[str, str], ...]
    """Titles of what was not kept, and why."""


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


async def keep(
    ctx: JobContext,
    connection: Connection,
    slug: str,
    agent: Agent,
    *,
    project: UUID,
    unit: UUID,
    settings: AgentSettings,
    items: Sequence[Item],
    scores: Mapping[str, JsonValue],
    proposals: Sequence[Proposal],
    repository: str,
) -> Kept:
    """Check the proposals of one look and keep the best, in the caller's transaction.

    `items` are what the model was shown, `repository` is owner/name as the project has it. What the
    unit has kept before counts against `max_per_run`, so that the same look again adds nothing.
    """
    # One at a time for a project: two agents may have found the same.
    await sql.lock_project(connection, project=str(project))
    shown = {item.ref: item for item in items}
    room = settings.max_per_run - await sql.count_of_unit(connection, unit=unit, agent=slug)
    kept: list[UUID] = []
    rejected: list[tuple[str, str]] = []
    for proposal in sorted(proposals, key=lambda proposal: -proposal.confidence):
        try:
            if settings.autonomous_mode is AutonomousMode.DISABLED:
                raise UnfitError("the agent is disabled")
            fit = _fit(proposal, agent, settings, shown, repository, ctx.policy.caps.link_hosts)
            if len(kept) >= room:
                raise UnfitError(f"max_per_run is {settings.max_per_run}, and others are better")
            await _check_new(connection, ctx.now(), project, unit, settings, fit)
        except UnfitError as why:
            rejected.append((plain_title(proposal.title)[:MOST_TITLE], str(why)))
        else:
            kept.append(await _store(ctx, connection, slug, project, unit, settings, scores, fit))
    return Kept(tuple(kept), tuple(rejected))


async def cooling_refs(
    connection: Connection, project: UUID, agent: str, since: datetime
) -> set[str]:
    """What that agent has suggested something about since then, whatever became of it."""
    rows = sql.cooling_refs(connection, project=project, agent=agent, since=since)
    return {row["ref"] async for row in rows}


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


async def _check_new(
    connection: Connection,
    now: datetime,
    project: UUID,
    unit: UUID,
    settings: AgentSettings,
    fit: Fit,
) -> None:
    """Raises `UnfitError` where the same was said before."""
    before = await sql.said_before(
        connection,
        project=project,
        unit=unit,
        since=now - timedelta(hours=settings.cooldown_hours),
        kind=fit.kind,
        title=words_of(fit.title),
        body=words_of(fit.body),
        refs=[item.ref for item in fit.evidence],
        pairs=fit.pairs,
        evidence_key=fit.key,
        evidence_hash=fit.hash,
        same_words=SAME_WORDS,
        same_matter=SAME_MATTER,
        most=MOST_COMPARED,
    )
    if before is not None:
        said = f"{before['agent']} said so on {before['created_at']:%Y-%m-%d}"
        if before["status"] == "rejected":
            said += ", which was rejected, and what it rests on has not changed"
        raise UnfitError(f"{said}: {before['title']!r}")


async def _store(
    ctx: JobContext,
    connection: Connection,
    slug: str,
    project: UUID,
    unit: UUID,
    settings: AgentSettings,
    scores: Mapping[str, JsonValue],
    fit: Fit,
) -> UUID:
    now = ctx.now()
    approved_by = held = None
    match settings.autonomous_mode:
        case AutonomousMode.AUTO_APPROVE:
            approved_by = "auto_approve"
        case AutonomousMode.AUTO_PUBLISH:
            held = await autonomy.why_held(
                connection,
                ctx.policy.auto_publish,
                project=project,
                kind=fit.kind,
                authors={item.author for item in fit.evidence},
                now=now,
            )
            approved_by = autonomy.BY if held is None else None
        case AutonomousMode.SUGGEST | AutonomousMode.DISABLED:
            pass
    suggestion: UUID = await sql.add(
        connection,
        project=project,
        agent=slug,
        kind=fit.kind,
        title=fit.title,
        body=fit.body,
        evidence=[_evidence(item) for item in fit.evidence],
        evidence_key=fit.key,
        evidence_hash=fit.hash,
        scores=dict(scores),
        confidence=fit.confidence,
        action=dict(fit.action),
        title_words=words_of(fit.title),
        body_words=words_of(fit.body),
        unit=unit,
        now=now,
        expires_at=now + EXPIRES,
        approved_by=approved_by,
        held=held,
    )
    return suggestion


def _evidence(item: Item) -> dict[str, Any]:
    """As people are shown it. The titles are strangers' words too."""
    return {
        "ref": item.ref,
        "version": item.version,
        "title": plain_title(item.title)[:MOST_TITLE],
        "url": item.url if item.url.startswith(("https://", "http://")) else None,
        "author": item.author,
        "association": item.association,
    }
