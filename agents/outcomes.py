"""What has become of what each agent suggested, and what did that cost?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from agents.kit import autonomy
from scheduler.job import Connection
from scheduler.sql import load_sql

sql = load_sql(__file__)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Of one agent, over some days; samples do not count."""

    looks: int = 0
    """At a project's repository that asked the model, or failed to."""
    skipped: int = 0
    """Looks that cost nothing."""
    silent: int = 0
    """Looks with nothing to say."""
    failed: int = 0
    suggested: int = 0
    pending: int = 0
    accepted: int = 0
    """By people, whatever became of it then."""
    rejected: int = 0
    ignored: int = 0
    """Nobody has decided in time."""
    automatic: int = 0
    """Approved by the agent's mode."""
    published: int = 0
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)

    @property
    def acceptance_rate(self) -> float | None:
        """Of what people have decided about, or let pass."""
        decided = self.accepted + self.rejected + self.ignored
        return self.accepted / decided if decided else None

    @property
    def cost_per_accepted(self) -> Decimal | None:
        return self.cost_usd / self.accepted if self.accepted else None


async def outcomes(
    connection: Connection, agents: Mapping[str, object], since: datetime
) -> dict[str, Outcomes]:
    """Of the agents that there are, and of those that there were."""
    found: dict[str, dict[str, Any]] = {agent: {} for agent in agents}
    names = {field.name for field in fields(Outcomes)}
    for rows in (
        sql.of_suggestions(connection, since=since, modes=["auto_approve", autonomy.BY]),
        sql.of_looks(connection, since=since),
    ):
        async for row in rows:
            values = {name: value for name, value in dict(row).items() if name in names}
            found.setdefault(row["agent"], {}).update(values)
    return {agent: Outcomes(**values) for agent, values in found.items()}
