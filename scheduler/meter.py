"""How often were services outside asked from this process, how did that end, and what did it cost?

Counted where the requests leave. Nothing here is written down: it begins anew with the process.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

MOST_MODELS = 20
"""Names of models that are told apart: settings of projects may hold any."""
OTHER = "other"


class Service(StrEnum):
    GITHUB = "github"
    MODEL = "model"


class Ending(StrEnum):
    """How a request ended."""

    OK = "ok"
    REFUSED = "refused"
    """By an answer of 400 to 499."""
    LIMITED = "limited"
    """By a limit of requests."""
    FAILED = "failed"
    """By an error of the other side's own."""
    UNANSWERED = "unanswered"


@dataclass(slots=True)
class Usage:
    """Of one model by one agent."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass(slots=True)
class Meter:
    """What was asked of others since the process began."""

    requests: Counter[tuple[Service, Ending]] = field(default_factory=Counter)
    usage: dict[tuple[str, str], Usage] = field(default_factory=dict)
    """By model and agent."""

    def ended(self, service: Service, status: int | None, *, limited: bool = False) -> None:
        """A request has ended with that status; None where no answer came."""
        self.requests[service, ending_of(status, limited=limited)] += 1

    def used(
        self, model: str, agent: str | None, tokens_in: int, tokens_out: int, cost_usd: Decimal
    ) -> None:
        models = {known for known, _ in self.usage}
        if model not in models and len(models) >= MOST_MODELS:
            model = OTHER
        usage = self.usage.setdefault((model, agent or OTHER), Usage())
        usage.tokens_in += tokens_in
        usage.tokens_out += tokens_out
        usage.cost_usd += cost_usd


def ending_of(status: int | None, *, limited: bool = False) -> Ending:
    if limited or status == 429:
        return Ending.LIMITED
    if status is None or status < 100:
        return Ending.UNANSWERED
    if status < 400:
        return Ending.OK
    return Ending.REFUSED if status < 500 else Ending.FAILED
