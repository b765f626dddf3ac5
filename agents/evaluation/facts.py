"""Which facts may a case give of an item? The same that the last sync would have left. Pure.

What follows from others (how old, stale, overdue) is not given but computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from agents.kit.agent import Source
from agents.kit.items import STALE

Count = Annotated[int, Field(ge=0)]


class Facts(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=False
    )

    def complete(self, age: timedelta, today: date) -> dict[str, JsonValue]:
        """All of them, as an item that changed `age` ago has them."""
        return {**self.model_dump(mode="json", by_alias=True), **self.computed(age, today)}

    def computed(self, _age: timedelta, _today: date) -> dict[str, JsonValue]:
        return {}


class _Opened(Facts):
    """What pull requests and issues have in common."""

    labels: list[str] = []
    milestone: str | None = None
    opened_days_ago: Count | None = None
    """If not given: as long ago as it changed."""
    by_bot: bool = False

    state: str

    def computed(self, age: timedelta, _today: date) -> dict[str, JsonValue]:
        since = age.days if self.opened_days_ago is None else self.opened_days_ago
        return {"openedDaysAgo": since, "stale": self.state == "open" and age >= STALE}


class PullFacts(_Opened):
    state: Literal["open", "closed", "merged"] = "open"
    draft: bool = False
    base: str = "main"
    additions: Count | None = None
    deletions: Count | None = None
    changed_files: Count | None = None
    """If not given: as many as `files`."""
    files: list[str] | None = None
    reviews_by_others: Count = 0

    def computed(self, age: timedelta, today: date) -> dict[str, JsonValue]:
        changed = self.changed_files
        if changed is None and self.files is not None:
            changed = len(self.files)
        return {**super().computed(age, today), "changedFiles": changed}


class IssueFacts(_Opened):
    state: Literal["open", "closed"] = "open"
    state_reason: Literal["completed", "not_planned", "reopened", "duplicate"] | None = None
    comments: Count = 0
    reactions: Count = 0


class CommitFacts(Facts):
    author_name: str | None = None
    """As the commit has it, where GitHub knows no login."""
    additions: Count | None = None
    deletions: Count | None = None
    files: list[str] | None = None
    pull: Count | None = None
    """The number of the pull request that brought it."""
    by_bot: bool = False

    def computed(self, age: timedelta, _today: date) -> dict[str, JsonValue]:
        return {"daysAgo": age.days}


class ReleaseFacts(Facts):
    draft: bool = False
    prerelease: bool = False

    def computed(self, age: timedelta, _today: date) -> dict[str, JsonValue]:
        return {"daysAgo": age.days}


class MilestoneFacts(Facts):
    state: Literal["open", "closed"] = "open"
    due_on: date | None = None
    open_issues: Count = 0
    closed_issues: Count = 0

    def computed(self, _age: timedelta, today: date) -> dict[str, JsonValue]:
        return {
            "allDone": self.open_issues == 0 and self.closed_issues > 0,
            "overdue": self.state == "open" and self.due_on is not None and self.due_on < today,
        }


class FileFacts(Facts):
    bytes: Count | None = None
    """If not given: of the text."""


FACTS: Mapping[Source, type[Facts]] = {
    Source.PULLS: PullFacts,
    Source.ISSUES: IssueFacts,
    Source.COMMITS: CommitFacts,
    Source.RELEASES: ReleaseFacts,
    Source.MILESTONES: MilestoneFacts,
    Source.FILES: FileFacts,
}
