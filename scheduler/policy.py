"""What may the agents do, how often, and at what cost: `agents` in `config.yaml`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from scheduler.params import Params

MODEL_NAME = r"^[^\s\x00-\x1f]{1,200}$"
LOGIN = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,99}(\[bot\])?$")]
SLUG = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
HOST = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class AutonomousMode(StrEnum):
    """How far an agent goes by itself."""

    DISABLED = "disabled"
    SUGGEST = "suggest"
    AUTO_APPROVE = "auto_approve"
    AUTO_PUBLISH = "auto_publish"


class Association(StrEnum):
    """What GitHub says somebody is to a repository, from nobody to its owner."""

    NONE = "NONE"
    FIRST_TIMER = "FIRST_TIMER"
    FIRST_TIME_CONTRIBUTOR = "FIRST_TIME_CONTRIBUTOR"
    CONTRIBUTOR = "CONTRIBUTOR"
    COLLABORATOR = "COLLABORATOR"
    MEMBER = "MEMBER"
    OWNER = "OWNER"


class AgentSettings(Params):
    """How one agent works on one project."""

    enabled: bool = True
    """Whether it works at all."""
    autonomous_mode: AutonomousMode = AutonomousMode.SUGGEST
    """`suggest` waits for approval, `auto_approve` for somebody to publish, `auto_publish` for
    neither, within the bounds of `auto_publish`; `disabled` is off."""
    frequency_hours: Annotated[int, Field(ge=1, le=168)] = 24
    """It looks again so many hours after its last look."""
    min_confidence_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Below it, in any score, it keeps quiet."""
    max_per_run: Annotated[int, Field(ge=1, le=20)] = 3
    """Suggestions of one look, the best first."""
    cooldown_hours: Annotated[int, Field(ge=0, le=8760)] = 168
    """For so long nothing similar is suggested, and nothing on the same matter."""
    model: Annotated[str | None, Field(pattern=MODEL_NAME)] = None
    """Instead of `OPENAI_MODEL`."""
    max_tokens_per_run: Annotated[int, Field(ge=1_000, le=2_000_000)] = 50_000
    """Tokens, in and out, that one look may cost."""


class AutoPublish(Params):
    """What `auto_publish` may send without anybody's approval: nothing, until it is listed."""

    enabled: bool = False
    """The switch that stops it all."""
    kinds: frozenset[SLUG] = frozenset()
    """Kinds of suggestions, such as `pr_review`."""
    authors: frozenset[LOGIN] = frozenset()
    """GitHub logins: all that a suggestion rests on must be theirs."""
    daily_cap: Annotated[int, Field(ge=0, le=100)] = 3
    """Of one project, in a day (UTC)."""


class Price(Params):
    """US dollars for a million tokens."""

    input: Annotated[float, Field(ge=0, le=10_000)]
    """What the model reads."""
    output: Annotated[float, Field(ge=0, le=10_000)]
    """What it writes."""


class AgentCaps(Params):
    """What bounds all agents together."""

    daily_cost_cap_usd: Annotated[float, Field(ge=0, le=100_000)] = 5
    """Of all projects, in a day (UTC)."""
    project_daily_cost_cap_usd: Annotated[float, Field(ge=0, le=100_000)] = 2
    """Of each project, in a day (UTC)."""
    run_cost_cap_usd: Annotated[float, Field(ge=0, le=100_000)] = 2
    """Of one batch."""
    max_concurrent_calls: Annotated[int, Field(ge=1, le=64)] = 8
    """Requests to the model at a time, of one batch."""
    min_association: Association = Association.NONE
    """Texts of those who are less to a repository are not shown to a model."""
    link_hosts: frozenset[HOST] = frozenset({"github.com"})
    """Links and images in suggestions may go there, and nowhere else."""


NO_PRICE = Price(input=15, output=75)
"""For a model without a price, so that the caps hold for it too: what the dearest ask."""


@dataclass(frozen=True, slots=True)
class AgentPolicy:
    """The section `agents`, read and checked."""

    defaults: AgentSettings = field(default_factory=AgentSettings)
    caps: AgentCaps = field(default_factory=AgentCaps)
    auto_publish: AutoPublish = field(default_factory=AutoPublish)
    prices: Mapping[str, Price] = field(default_factory=dict)
    """By model."""

    def price_of(self, model: str) -> Price:
        return self.prices.get(model, NO_PRICE)
