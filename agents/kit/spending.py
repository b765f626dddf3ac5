"""What has the model cost, and what may it still cost? Asked before each request, told after it.

A request's dearest possible cost is reserved before it leaves, and replaced by what it was. So the
caps hold for all requests that are under way at a time, whichever process makes them; and where one
is killed between, too much is counted, never too little.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, Decimal
from uuid import UUID

from agents.kit.errors import CapReachedError
from scheduler.condition import clear_condition, end_condition, set_condition
from scheduler.job import Connection, JobContext
from scheduler.policy import Price
from scheduler.sql import load_sql

sql = load_sql(__file__)

ALL = UUID(int=0)
"""All projects together."""
CONDITION = "agents"
MODEL = "model"
"""The condition that it does not answer at all."""
MILLIONTH = Decimal("0.000001")
LEAST_ANSWER = 256
"""Tokens: for less room than that, nothing is asked."""


@dataclass(slots=True)
class Usage:
    """Every request counts, whatever came of it."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)
    estimated: bool = False
    """The endpoint has not told all of it."""


@dataclass(slots=True)
class Look:
    """One agent's look at one project: what is asked for it, and what that has cost so far."""

    project_id: UUID
    model: str
    max_tokens: int
    """In and out, of all requests together."""
    agent: str | None = None
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Reservation:
    look: Look
    day: date
    tokens_in: int
    tokens_out: int
    cost: Decimal


def most_tokens(text: str) -> int:
    """How many tokens a text can well have: few texts have more than one for two characters.

    Outside of ASCII a byte may be one.
    """
    return (weight(text) + 1) // 2


def weight(text: str) -> int:
    """The same in halves of a token."""
    plain = len(text.encode("ascii", "ignore"))
    outside = len(text.encode("utf-8", "surrogatepass")) - plain
    return plain + 2 * outside


def likely_tokens(text: str) -> int:
    """For what an endpoint does not tell."""
    plain = len(text.encode("ascii", "ignore"))
    return (plain + 2) // 3 + len(text) - plain


def cost_of(price: Price, tokens_in: int, tokens_out: int) -> Decimal:
    dollars = tokens_in * Decimal(str(price.input)) + tokens_out * Decimal(str(price.output))
    return (dollars / 1_000_000).quantize(MILLIONTH, rounding=ROUND_CEILING)


def dollars(amount: float | Decimal) -> str:
    """`$5`, `$0.25`, `$0.000125`."""
    exact = Decimal(str(amount)).quantize(MILLIONTH).normalize()
    return f"${exact:f}" if exact == exact.to_integral() else f"${max(exact, MILLIONTH):f}"


class Spending:
    """The caps of one run."""

    def __init__(self, ctx: JobContext) -> None:
        self._ctx = ctx
        self._caps = ctx.policy.caps
        self._of_run = Decimal(0)
        self._said = False

    async def begin(self) -> None:
        """Take back yesterday's condition, and one of a cap that was changed since."""
        now = self._ctx.now().astimezone(UTC)
        midnight = datetime.combine(now.date(), time(), UTC)
        async with self._ctx.db.transaction() as connection:
            await end_condition(connection, CONDITION, unless=self._reason(), before=midnight)
            if self._ctx.services.model is None:
                await clear_condition(connection, MODEL)

    def room(self, look: Look, tokens_in: int, wanted: int) -> int:
        """How long the answer may be, in tokens. Raises `CapReachedError` where that is no use."""
        used = look.usage.tokens_in + look.usage.tokens_out
        left = look.max_tokens - used - tokens_in
        if left < min(wanted, LEAST_ANSWER):
            raise CapReachedError(
                "max_tokens_per_run",
                f"the cap of {look.max_tokens} tokens a look (max_tokens_per_run) is reached: "
                f"{used} are used, and the next request may have {tokens_in} before its answer",
            )
        return min(wanted, left)

    async def reserve(self, look: Look, tokens_in: int, tokens_out: int) -> Reservation:
        """Raises `CapReachedError`; then nothing is reserved."""
        cost = cost_of(self._ctx.policy.price_of(look.model), tokens_in, tokens_out)
        if self._of_run + cost > Decimal(str(self._caps.run_cost_cap_usd)):
            raise self._reached("run_cost_cap_usd", "a batch", self._of_run, cost)
        held = Reservation(
            look, self._ctx.now().astimezone(UTC).date(), tokens_in, tokens_out, cost
        )
        self._of_run += cost  # before anything is waited for
        try:
            async with self._ctx.db.transaction() as connection:
                # Always in this order: two that wait for each other's row cannot be.
                await self._take(connection, held, ALL, "daily_cost_cap_usd")
                await self._take(connection, held, look.project_id, "project_daily_cost_cap_usd")
        except CapReachedError:
            self._of_run -= cost
            raise
        return held

    async def say_reached(self, error: CapReachedError) -> None:
        """In health, of the cap that holds for all."""
        if error.cap != "daily_cost_cap_usd" or self._said:
            return
        self._said = True
        async with self._ctx.db.transaction() as connection:
            await set_condition(connection, CONDITION, self._reason(), self._ctx.now())

    async def settle(
        self, held: Reservation, tokens_in: int, tokens_out: int, *, estimated: bool = False
    ) -> Decimal:
        """What the request has cost, in the place of what it could have."""
        look = held.look
        cost = cost_of(self._ctx.policy.price_of(look.model), tokens_in, tokens_out)
        look.usage.calls += 1
        look.usage.tokens_in += tokens_in
        look.usage.tokens_out += tokens_out
        look.usage.cost_usd += cost
        look.usage.estimated |= estimated
        self._of_run += cost - held.cost
        async with self._ctx.db.transaction() as connection:
            for project_id in (ALL, look.project_id):
                await sql.settle(
                    connection,
                    day=held.day,
                    project_id=project_id,
                    tokens_in=tokens_in - held.tokens_in,
                    tokens_out=tokens_out - held.tokens_out,
                    cost=cost - held.cost,
                )
        return cost

    async def say_whether_it_answers(self, why_not: str | None) -> None:
        """Agents that cannot ask keep quiet, and nobody would notice."""
        async with self._ctx.db.transaction() as connection:
            if why_not is None:
                await clear_condition(connection, MODEL)
            else:
                await set_condition(connection, MODEL, why_not, self._ctx.now())

    async def _take(
        self, connection: Connection, held: Reservation, project_id: UUID, cap: str
    ) -> None:
        amount = Decimal(str(getattr(self._caps, cap)))
        taken = await sql.reserve(
            connection,
            day=held.day,
            project_id=project_id,
            tokens_in=held.tokens_in,
            tokens_out=held.tokens_out,
            cost=held.cost,
            cap=amount,
        )
        if taken is None:
            spent = await sql.spent(connection, day=held.day, project_id=project_id)
            whose = "a day" if project_id == ALL else "a day and project"
            raise self._reached(cap, whose, spent or Decimal(0), held.cost)

    def _reached(self, cap: str, whose: str, spent: Decimal, cost: Decimal) -> CapReachedError:
        return CapReachedError(
            cap,
            f"the cost cap of {dollars(getattr(self._caps, cap))} {whose} (agents.{cap} in "
            f"config.yaml) is reached: {dollars(spent)} spent or under way, and the next request "
            f"may cost {dollars(cost)}",
        )

    def _reason(self) -> str:
        return (
            f"the daily cost cap of {dollars(self._caps.daily_cost_cap_usd)} is reached until "
            "00:00 UTC"
        )
