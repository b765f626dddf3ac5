"""What is an agent: what it reads, what of it concerns it, its prompt, what it may suggest. Pure.

An agent is one file under `agents/`. Its name is its slug, and its module-level `agent` the
declaration; nothing else has to be touched:

    class Review(Proposal):
        kind: Literal["pr_review", "code_improvement"]

    agent = Agent(
        task="...", reads={Source.PULLS}, concerns=..., prompt="...",
        proposal=Review, kinds={"pr_review": Kind("...", (Action.REVIEW,))},
    )
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from agents.kit.references import reference


class Source(StrEnum):
    """A kind of data that agents read, as the last sync left it; the prefix of its references."""

    PULLS = "pull"
    ISSUES = "issue"
    COMMITS = "commit"
    RELEASES = "release"
    MILESTONES = "milestone"
    FILES = "file"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a repository. `title`, `text` and `facts` are words of strangers."""

    source: Source
    key: str
    """Its number, tag, sha or path."""
    version: str
    """Another one where it has changed since."""
    title: str
    text: str
    url: str
    at: datetime
    """When it last changed."""
    author: str | None = None
    association: str | None = None
    """What GitHub says its author is to the repository: OWNER, MEMBER, ..., NONE."""
    facts: Mapping[str, JsonValue] = field(default_factory=dict)
    """What else is known: state, labels, files, lines, dates."""

    @property
    def ref(self) -> str:
        """How suggestions point to it: `pull:12`."""
        return reference(self.source, self.key)


class Action(StrEnum):
    """What publishing does. It never approves, requests changes, merges or pushes."""

    REVIEW = "review"
    """A review of a pull request that only comments."""
    COMMENT = "comment"
    """A comment on an issue or pull request."""
    ISSUE = "issue"
    """A new issue."""
    DRAFT_RELEASE = "draft_release"
    """A release that nobody sees until somebody publishes it."""
    TODO = "todo"
    """A row in the product's `todos`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of suggestion."""

    title: str
    """What people call it: "Review of a pull request"."""
    action: Action
    target: Source | None = None
    """What of the evidence the action is done to, the first of that source: a suggestion without
    one is not kept."""


class Proposal(BaseModel):
    """What a model may propose; an agent's own narrows `kind`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    title: Annotated[str, Field(min_length=5, max_length=200)]
    body: Annotated[str, Field(min_length=20, max_length=8000)]
    evidence: Annotated[list[str], Field(min_length=1, max_length=20)]
    """References of the input, exactly as they stand there."""
    confidence: Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent's declaration."""

    task: str
    """What it looks at and what it makes, in a sentence."""
    reads: frozenset[Source]
    concerns: Callable[[Item, datetime], bool]
    """Whether an item is its business at that moment."""
    prompt: str
    """What is worth saying, and what is not."""
    proposal: type[Proposal]
    kinds: Mapping[str, Kind]
    look_back: timedelta = timedelta(days=30)
    """Older items are not its business, unless they are open."""
    most_items: int = 30
    """Shown at a time, the latest first."""
