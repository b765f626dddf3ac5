"""Whatever happens on both sides in whatever order, cut-off syncs included: do both end in step?

Held against a plain model: two sets of people, and who has ever left or was deleted there.
"""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from scheduler.errors import LeaseLostError
from tests.jobs.newsletter.conftest import There
from tests.support.jobs import NOW
from tests.support.newsletters import EPOCH, Newsletter

STEPS = 60
KNOWN = "SELECT email FROM lamplighter.newsletter_contacts WHERE remote_status = 'active'"


class History:
    """What a seeded chance does to both sides, and what must come of it."""

    def __init__(self, here: Newsletter, there: There, seed: int) -> None:
        self.here = here
        self.there = there
        self.chance = random.Random(seed)
        self.names: dict[str, str] = {}
        """Who is active here, by address."""
        self.left: set[str] = set()
        self.deleted: set[str] = set()
        self.days = 0
        self.number = 0

    def address(self) -> str:
        self.number += 1
        return f"p{self.number}@example.com"

    async def step(self) -> None:
        people = self.there.server.people
        active = sorted(self.names)
        subscribed = sorted(e for e, p in people.items() if p.status == self.there.subscribed)
        known = {row["email"] for row in await self.here.shop.pool.fetch(KNOWN)}
        what = self.chance.choice(
            [
                "joins",
                "joins",
                "joins",
                "leaves",
                "is renamed",
                "is removed",
                "comes there",
                "leaves there",
                "is deleted there",
                "both",
                "sync",
                "sync",
                "is cut",
            ]
        )
        match what:
            case "joins" | "both":
                email = self.address()
                self.names[email] = email[:3]
                await self.here.add(email, first_name=email[:3], subscribed_at=EPOCH)
                if what == "both":
                    self.there.server.has(email, self.there.subscribed)
            case "leaves" if active:
                await self.leaves(self.chance.choice(active))
            case "is renamed" if active:
                email = self.chance.choice(active)
                self.names[email] = f"N{self.chance.random()}"[:9]
                await self.here.shop.pool.execute(
                    "UPDATE newsletter_subscribers SET first_name = $2 WHERE email = $1",
                    email,
                    self.names[email],
                )
            case "is removed" if set(active) & known:
                email = self.chance.choice(sorted(set(active) & known))
                await self.leaves(email)
                await self.here.shop.pool.execute(
                    "DELETE FROM newsletter_subscribers WHERE email = $1"
                    " AND id IN (SELECT subscriber_id FROM lamplighter.newsletter_contacts)",
                    email,
                )
            case "comes there":
                self.there.server.has(self.address(), self.there.subscribed)
            case "leaves there" if subscribed:
                email = self.chance.choice(subscribed)
                self.there.server.becomes(email, self.there.left)
                self.names.pop(email, None)
                self.left.add(email)
            case "is deleted there" if set(subscribed) & known & set(active):
                email = self.chance.choice(sorted(set(subscribed) & known & set(active)))
                del people[email]
                self.names.pop(email)
                self.deleted.add(email)
            case "sync":
                await self.sync()
            case "is cut":
                await self.sync(self.chance.randrange(8))
            case _:
                """Nobody to whom it could happen."""

    async def leaves(self, email: str) -> None:
        self.names.pop(email)
        self.left.add(email)
        await self.here.leave(email, self.chance.choice(["unsubscribed", "bounced", "complained"]))

    async def sync(self, commits_left: int | None = None, *, full: bool = False) -> None:
        self.days += 1
        before = {e for e, p in self.there.server.people.items() if p.status == self.there.left}
        try:
            await self.here.sync(
                self.there.services,
                NOW + timedelta(days=self.days),
                commits_left=commits_left,
                full=full,
            )
        except LeaseLostError:
            assert commits_left is not None
        for email in before:
            assert self.there.server.people[email].status == self.there.left, email

    async def end(self) -> None:
        # MailerLite shows who is new there, without us, only to who reads everybody.
        await self.sync(full=True)
        await self.sync()
        people = self.there.server.people
        for email, name in self.names.items():
            assert people[email].status == self.there.subscribed, email
            assert people[email].fields[self.there.first_name] == name
        for email in self.left & people.keys():
            assert people[email].status == self.there.left, email
        assert not self.deleted & people.keys()
        statuses = await self.here.statuses()
        assert {e for e, status in statuses.items() if status == "active"} == (
            self.names.keys() | (self.deleted & statuses.keys() - self.left)
        )
        self.there.server.forget_calls()
        before = await self.here.versions()
        await self.here.sync(self.there.services, NOW + timedelta(days=self.days))
        assert self.there.server.writes() == []
        assert await self.here.versions() == before


@pytest.mark.parametrize("seed", range(6))
async def test_both_sides_end_in_step(here: Newsletter, there: There, seed: int) -> None:
    history = History(here, there, seed)
    for _ in range(STEPS):
        await history.step()
    await history.end()
