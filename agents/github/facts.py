"""What is known of a repository, as the measures see it? Rows without the texts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

KNOWN_BOTS = frozenset(
    {
        # Accounts of type User that machines write from; those of type Bot say so themselves.
        *("allcontributors", "bors", "codecov-commenter", "codecov-io", "coveralls"),
        *("dependabot-preview", "googlebot", "greenkeeperio-bot", "k8s-ci-robot", "mergify"),
        *("netlify-bot", "pre-commit-ci", "pyup-bot", "renovate-bot", "rust-highfive"),
        *("rustbot", "semantic-release-bot", "snyk-bot", "stale", "sonarcloud", "web-flow"),
        *("whitesource-bolt", "bors-servo", "facebook-github-bot", "gitter-badger"),
    }
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something. The login of a deleted account, and of nobody GitHub knows, is None."""

    login: str | None
    of_type_bot: bool = False
    """GitHub's own word: the account is an app's."""

    @property
    def key(self) -> str | None:
        """What tells people apart: logins differ by more than case."""
        return None if self.login is None else self.login.lower()

    @property
    def is_bot(self) -> bool:
        """CHAOSS, Bot Activity: by account type, by the suffix of apps, by a list of known ones."""
        key = self.key or ""
        return self.of_type_bot or key.endswith("[bot]") or key in KNOWN_BOTS

    def is_other_than(self, author: Actor) -> bool:
        """Whether this is certainly somebody else; of two who are unknown that is not certain."""
        return self.key != author.key


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the default branch."""

    sha: str
    author: Actor
    authored_at: datetime
    committed_at: datetime
    additions: int | None = None
    deletions: int | None = None
    files: tuple[str, ...] | None = None
    """None where nobody asked: lists of commits come without lines and files."""
    pull: int | None = None
    """The pull request that it came with."""


@dataclass(frozen=True, slots=True)
class Item:
    """What issues and pull requests have in common."""

    number: int
    author: Actor
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    """The last time; GitHub forgets it when an item is opened again."""
    labels: tuple[str, ...] = ()

    def is_open_at(self, moment: datetime) -> bool:
        return self.created_at < moment and (self.closed_at is None or self.closed_at >= moment)


@dataclass(frozen=True, slots=True)
class Issue(Item):
    state_reason: str | None = None
    """`completed`, `not_planned`, `duplicate`, `reopened`."""


@dataclass(frozen=True, slots=True)
class Pull(Item):
    draft: bool = False
    ready_at: datetime | None = None
    """When it was last taken out of draft; None if it never was one."""
    merged_at: datetime | None = None
    base: str | None = None
    """The branch that it is for."""
    additions: int | None = None
    deletions: int | None = None
    files: tuple[str, ...] | None = None

    @property
    def ready_since(self) -> datetime | None:
        """Since when it asks for a review: taken out of draft, else opened. None while a draft."""
        if self.draft and self.merged_at is None:
            return None
        ready = self.ready_at
        if ready is None or ready < self.created_at:
            return self.created_at
        # Taken in and out of draft after the merge: that says nothing of when it was ready.
        return self.created_at if self.merged_at is not None and ready > self.merged_at else ready


@dataclass(frozen=True, slots=True)
class Review:
    pull: int
    author: Actor
    submitted_at: datetime


@dataclass(frozen=True, slots=True)
class Comment:
    number: int
    """Of the issue or pull request."""
    author: Actor
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Release:
    tag: str
    published_at: datetime
    prerelease: bool = False


@dataclass(frozen=True, slots=True)
class Milestone:
    number: int
    title: str
    due_on: datetime | None = None
    closed_at: datetime | None = None
    open_issues: int = 0
    closed_issues: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """What happened in a repository, as far as it was read. Drafts of releases are no releases."""

    commits: tuple[Commit, ...] = ()
    pulls: tuple[Pull, ...] = ()
    issues: tuple[Issue, ...] = ()
    reviews: tuple[Review, ...] = ()
    comments: tuple[Comment, ...] = ()
    releases: tuple[Release, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    default_branch: str | None = None
    known_since: datetime | None = None
    """Nothing is known of what was over before; None: everything is known."""
    complete: bool = True
    """Whether the last sync came to its end."""
    cut: Mapping[str, datetime] = field(default_factory=dict)
    """Of which kinds there were more rows than are read, and since when they are all here."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` until just before `end`."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime | None) -> bool:
        return moment is not None and self.start <= moment < self.end

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def weeks(self) -> float:
        return self.length / timedelta(weeks=1)

    @property
    def before(self) -> Period:
        """The equal period before it."""
        return Period(self.start - self.length, self.start)
