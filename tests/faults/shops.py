"""A small shop for each job, in which it has a little of everything that it does."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from agents.approvals import By, approve
from scheduler.policy import AgentPolicy, AutoPublish
from scheduler.services import Mail
from tests.faults.outside import (
    MakeOutside,
    github,
    github_and_model,
    mail,
    nothing,
    only_model,
    provider,
)
from tests.jobs import cohort_shop, funnel_data, rollup_data
from tests.jobs.segment_readers import ACTIVE, Readers
from tests.support import agent_shop
from tests.support.agent_shop import FREE, AgentShop
from tests.support.agents import REPOSITORY, Bench
from tests.support.jobs import MIDNIGHT, NOW, Product
from tests.support.mail import Post
from tests.support.newsletter_providers import FakeBrevo, FakeMailchimp, FakeMailerLite
from tests.support.newsletters import Newsletter
from tests.support.sequences import A_MINUTE, A_MOMENT, Letters

BY_ITSELF: Mapping[str, Any] = {"kinds": {"report"}, "authors": {"octocat"}}
A_DAY = timedelta(days=1)
AN_HOUR = timedelta(hours=1)

Seed: TypeAlias = Callable[[Product], Awaitable[Mapping[str, Any] | None]]


@dataclass(frozen=True)
class Shop:
    """What a job finds; `seed` may answer with parameters of the run."""

    name: str
    job: str
    seed: Seed
    outside: MakeOutside = nothing
    at: datetime = MIDNIGHT
    """What the run is for."""
    now: datetime = NOW
    params: Mapping[str, Any] = field(default_factory=dict)
    agents: AgentPolicy = FREE


async def spenders(shop: Product) -> None:
    await shop.plans(free=10, maker=100, pro=1000, unlimited=-1)
    for tier in ("free", "maker", "pro", "unlimited"):
        await shop.user(subscription_tier=tier, credits_remaining=3)
    await shop.user(credits_remaining=40)
    await shop.user(credits_reset_at=MIDNIGHT, credits_remaining=1)


async def subscribers(shop: Product) -> None:
    await shop.plans(free=10, pro=1000)
    for status in ("canceled", "past_due"):
        for tier in ("pro", "free"):
            await shop.user(
                subscription_tier=tier,
                subscription_status=status,
                subscription_id=f"sub_{tier}",
                subscription_ends_at=MIDNIGHT - 9 * A_DAY,
                credits_remaining=400,
            )


async def visitors(shop: Product, since: timedelta = 2 * A_DAY) -> None:
    chance = random.Random(1)
    first = MIDNIGHT - since
    people = rollup_data.random_people(chance, 6, first, MIDNIGHT)
    await rollup_data.add(shop, "people", people)
    events = rollup_data.random_events(chance, 40, people, first, MIDNIGHT)
    await rollup_data.add_events(shop, *events)
    for table in ("history", "invoices"):
        rows = getattr(rollup_data, f"random_{table}")(chance, 10, people, first, MIDNIGHT)
        await rollup_data.add(shop, table, rows)


async def last_hours(shop: Product) -> None:
    await visitors(shop, 3 * AN_HOUR)
    await rollup_data.queries(shop).set_watermark(
        shop.pool, job="aggregate-hourly", key="", at=MIDNIGHT - 3 * AN_HOUR
    )


async def old_things(shop: Product) -> None:
    for days in (10, 40, 50):
        await shop.sql.add_webhook(shop.pool, processed=True, created_at=MIDNIGHT - days * A_DAY)
    await shop.events(*(MIDNIGHT - days * A_DAY for days in (10, 95, 96, 97)))
    await shop.roll_up(*((MIDNIGHT - days * A_DAY).date() for days in (95, 96)))
    await shop.runs("reset-credits", "succeeded", [MIDNIGHT - n * A_DAY for n in range(90, 146)])


async def walkers(shop: Product) -> None:
    people = [UUID(int=n) for n in range(1, 5)]
    at = MIDNIGHT - 5 * A_DAY
    await funnel_data.add_events(
        shop,
        [
            funnel_data.Event(step, at + n * AN_HOUR, person)
            for person in people
            for n, step in enumerate(("visit", "sign-up", "buy")[: person.int])
        ],
    )
    for slug, steps in {"all": ("visit", "sign-up", "buy"), "short": ("visit", "buy")}.items():
        await funnel_data.add_funnel(shop, slug, funnel_data.steps_of(*steps))
    await funnel_data.add_funnel(shop, "broken", "no steps")


async def joiners(shop: Product) -> None:
    made = cohort_shop.Shop(shop)
    cohort_shop.randomly(made, random.Random(2), MIDNIGHT - 40 * A_DAY, 40, 8)
    await made.lay()
    await made.cohort("kept")
    await made.cohort("paid", "revenue", "month")
    await made.cohort("broken", filters={"nobody": {"$knows": 1}})


async def readers(shop: Product) -> None:
    made = Readers(shop)
    await made.segment("active", ACTIVE)
    await made.segment("openers", {"emails_opened": {"$gte": 2}})
    await made.segment("broken", {"nobody": {"$knows": 1}})
    for number in range(1, 5):
        await made.reader(number, emails_opened=number)
    await shop.run(_job("update-segments"), now=NOW - A_DAY)
    await made.status(1, "unsubscribed")
    await made.reader(5, emails_opened=5)


async def sequences(shop: Product) -> None:
    letters = Letters(shop)
    await letters.sql.add_segment(letters.pool, slug="beta", is_dynamic=False)
    await letters.subscriber("old", interests=["news"])
    await letters.sequence(
        "welcome",
        steps=(
            {},
            {"action_type": "tag", "action_config": {"tag": "welcomed"}},
            {"action_type": "segment", "action_config": {"segment": "beta"}},
            {"delay_value": 1, "delay_unit": "hours"},
        ),
    )
    await letters.sequence("tags", "tag_added", {"tag": "news"}, steps=({}, {}))
    await letters.run()
    for name in ("anna", "berta"):
        await letters.subscriber(name, NOW + A_MOMENT, interests=["news"])


async def addressees(shop: Product) -> None:
    here = Newsletter(shop)
    await here.add("both@example.com", first_name="Bo")
    await here.add("leaver@example.com")
    for name in ("anna", "berta", "invalid"):
        await here.add(f"{name}@example.com", first_name=name.capitalize())
    await here.add("gone@example.com", "unsubscribed")


async def letters(shop: Product) -> None:
    post = Post(shop, Mail(folder=Path("unused")))
    # Lamplighter came long before.
    await shop.pool.execute("UPDATE lamplighter.watermarks SET at = $1", NOW - 30 * A_DAY)
    await post.crowd(2)
    await post.message("order@example.com", subject="Your order")
    await post.message("late@example.com", subject="Later", scheduled_at=NOW + A_DAY)
    reader = await post.reader("old@example.com")
    await post.step_message(reader, "old@example.com", created_at=NOW - 3 * A_DAY)
    left = await post.reader("left@example.com", status="unsubscribed")
    await post.step_message(left, "left@example.com")
    # As often as it takes.
    await shop.pool.execute("UPDATE email_queue SET max_attempts = 50")


async def old_letters(shop: Product) -> None:
    post = Post(shop, Mail(folder=Path("unused")))
    old = MIDNIGHT - 200 * A_DAY
    for status in ("sent", "cancelled", "pending"):
        await post.message(f"{status}@example.com", created_at=old, status=status)
    for at in (old, MIDNIGHT):
        await shop.pool.execute(
            "INSERT INTO email_events (id, event_type, occurred_at)"
            " VALUES (gen_random_uuid(), 'sent', $1)",
            at,
        )
        await shop.pool.execute(
            "INSERT INTO email_logs (id, to_email, subject, status, created_at)"
            " VALUES (gen_random_uuid(), 'a@example.com', 's', 'sent', $1)",
            at,
        )


async def one_repository(shop: Product) -> None:
    """Not fetched yet; two agents look at it."""
    made = AgentShop(shop)
    project = await made.project(fetched=False)
    for agent in ("marketer", "seo_writer", "designer"):
        await made.set_agent(project, agent, autonomous_mode="disabled")


async def that_repository(shop: Product) -> Mapping[str, Any]:
    """Fetched, with something of each kind."""
    made = AgentShop(shop)
    project = await made.project()
    await made.everything(project)
    for agent in ("developer", "researcher"):
        await made.set_agent(project, agent, autonomous_mode="disabled")
    return {"project_id": str(project)}


async def shown_repository(shop: Product) -> None:
    """Fetched, with something of each kind, for all agents."""
    made = AgentShop(shop)
    await made.everything(await made.project())


async def failed_looks(shop: Product) -> None:
    """A round that was left at work an hour ago."""
    made = AgentShop(shop)
    project = await made.project()
    await made.pull(project)
    dead = uuid4()
    at = agent_shop.ago(hours=1)
    await _ended_run(shop, dead, at)
    await agent_shop.sql.add_unit(shop.pool, project=project, run=dead, at=at)


async def _ended_run(shop: Product, run: UUID, at: datetime) -> None:
    await agent_shop.sql.add_run(shop.pool, id=run, status="timed_out", at=at, now=at)
    await shop.pool.execute("UPDATE lamplighter.runs SET finished_at = $2 WHERE id = $1", run, at)


async def old_suggestions(shop: Product) -> None:
    project = await AgentShop(shop).project(REPOSITORY)
    bench = Bench(shop, project, now=MIDNIGHT - 60 * A_DAY)
    await bench.one("Nobody wanted this one", "pull:1")
    bench.now = MIDNIGHT - 8 * A_DAY
    await bench.one("This one is about to expire", "pull:2")
    bench.now = MIDNIGHT - A_DAY
    await bench.one("This one is still open", "pull:3")
    for days in (1, 40):
        unit = uuid4()
        at = MIDNIGHT - days * A_DAY
        await _ended_run(shop, unit, at)
        await agent_shop.sql.add_unit(shop.pool, project=project, run=unit, at=at)
        await shop.pool.execute("UPDATE lamplighter.agent_units SET status = 'succeeded'")


async def approved(shop: Product) -> Mapping[str, Any]:
    """One that a person has let through."""
    bench = Bench(shop, await AgentShop(shop).project(REPOSITORY))
    made = await bench.one("How it is installed on Windows", "issue:7", kind="answer")
    await bench.call(approve, made, By("admin", "10.0.0.7"))
    return {"suggestion": str(made)}


async def let_through(shop: Product) -> None:
    """Two that nobody had to let through."""
    bench = Bench(shop, await AgentShop(shop).project(REPOSITORY))
    bench.auto(**BY_ITSELF)
    await bench.one("The parser has no tests", "issue:7", cooldown_hours=0)
    await bench.one("What the proxy wants stands nowhere", "issue:22", cooldown_hours=0)


def _job(name: str) -> Any:
    from scheduler.app import all_jobs

    return all_jobs()[name].job


SIX = MIDNIGHT + timedelta(hours=6)

SHOPS: tuple[Shop, ...] = (
    Shop("reset-credits", "reset-credits", spenders),
    Shop("check-expirations", "check-expirations", subscribers, params={"past_due_grace_days": 7}),
    Shop("aggregate-analytics", "aggregate-analytics", visitors),
    Shop("aggregate-hourly", "aggregate-hourly", last_hours),
    Shop("cleanup", "cleanup", old_things),
    Shop("compute-funnels", "compute-funnels", walkers, params={"track_progress": True}),
    Shop("refresh-cohorts", "refresh-cohorts", joiners),
    Shop("update-segments", "update-segments", readers),
    Shop("process-sequences", "process-sequences", sequences, now=NOW + A_MINUTE),
    *(
        Shop(
            f"sync-newsletter ({kind.__name__[4:]})", "sync-newsletter", addressees, provider(kind)
        )
        for kind in (FakeMailerLite, FakeMailchimp, FakeBrevo)
    ),
    Shop(
        "process-email-queue",
        "process-email-queue",
        letters,
        mail,
        params={"per_second": 10_000, "per_domain": 10_000},
    ),
    Shop("cleanup-email-logs", "cleanup-email-logs", old_letters),
    Shop("orchestration/github-sync", "orchestration/github-sync", one_repository, github),
    Shop("orchestration/analyze-github", "orchestration/analyze-github", that_repository),
    Shop("orchestration/batch", "orchestration/batch", one_repository, github_and_model, SIX, SIX),
    Shop("orchestration/project", "orchestration/project", that_repository, only_model, SIX, SIX),
    Shop(
        "orchestration/retry-failed",
        "orchestration/retry-failed",
        failed_looks,
        only_model,
        SIX,
        SIX,
    ),
    Shop("orchestration/cleanup", "orchestration/cleanup", old_suggestions),
    Shop("orchestration/publish", "orchestration/publish", approved, github),
    Shop(
        "orchestration/publish (by itself)",
        "orchestration/publish",
        let_through,
        github,
        agents=AgentPolicy(auto_publish=AutoPublish(enabled=True, **BY_ITSELF)),
    ),
)
