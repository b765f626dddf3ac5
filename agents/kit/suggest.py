"""Which proposals of a model are kept as suggestions, and which are not, and why.

Whatever a model proposes rests on what it was shown, has not been said before, and is not what
somebody has rejected; the best few of it are kept, in the words that would be published.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import JsonValue

from agents.kit import autonomy
from agents.kit.agent import Agent, Item, Proposal
from agents.kit.fit import MOST_TITLE, Fit, UnfitError, sift
from agents.kit.hostile import plain_title
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


@dataclass(frozen=True, slots=True)
class Kept:
    suggestions: tuple[UUID, ...]
    """The best first."""
    rejected: tuple[tuple[str, str], ...]
    """Titles of what was not kept, and why."""


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
    room = settings.max_per_run - await sql.count_of_unit(connection, unit=unit, agent=slug)
    kept: list[UUID] = []

    async def accept(fit: Fit) -> None:
        await check_new(connection, ctx.now(), project, unit, settings, fit)
        kept.append(await _store(ctx, connection, slug, project, unit, settings, scores, fit))

    rejected = await sift(
        agent,
        settings,
        items,
        proposals,
        repository,
        ctx.policy.caps.link_hosts,
        room=room,
        accept=accept,
    )
    return Kept(tuple(kept), rejected)


async def cooling_refs(
    connection: Connection, project: UUID, agent: str, since: datetime
) -> set[str]:
    """What that agent has suggested something about since then, whatever became of it."""
    rows = sql.cooling_refs(connection, project=project, agent=agent, since=since)
    return {row["ref"] async for row in rows}


def words_of(text: str) -> str:
    """A text's words for comparing: in lower case, without marks, apart by one space."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in plain).split())


async def check_new(
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
