"""Is a run that is cut off, repeated, or not alone, as good as one clean run?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from scheduler.errors import LeaseLostError
from tests.support.jobs import Product
from tests.support.sequences import A_DAY, A_MINUTE, A_MOMENT, AN_HOUR, SEEN, Letters


async def grown(letters: Letters) -> None:
    """Something of everything, and time for all of it to be due."""
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
    for name in ("anna", "berta", "carla"):
        await letters.subscriber(name, SEEN + A_MOMENT, interests=["news"])
    letters.now += A_MINUTE


async def test_killed_at_every_commit_and_run_again(shop: Product, shop_twin: Product) -> None:
    clean, letters = Letters(shop_twin), Letters(shop)
    for one in (clean, letters):
        await grown(one)
    for fire in (SEEN + A_MINUTE, SEEN + A_DAY, SEEN + 2 * A_DAY):
        clean.now = letters.now = fire
        await clean.run()
        killed = 0
        while True:
            try:
                await letters.run(commits_left=killed, scheduled_for=fire)
            except LeaseLostError:
                killed += 1
                # Each time it gets one commit further than the last, from where that left off.
                continue
            break
        assert killed >= 8
        assert await letters.fingerprint() == await clean.fingerprint()
    assert len(await letters.messages()) == 3 * 2 + 3 * 2


async def test_on_the_tables_of_the_product_it_is_the_same(
    shop: Product, shop_wild: Product
) -> None:
    wild, ours = Letters(shop_wild), Letters(shop)
    for one in (wild, ours):
        await grown(one)
        await one.run()
        await one.later(A_DAY)
    assert await wild.fingerprint() == await ours.fingerprint()
    assert len(await wild.messages()) == 3 * 4


async def test_killed_at_any_commit_of_a_first_run(letters: Letters) -> None:
    for n in range(6):
        await letters.subscriber(f"old-{n}", interests=["news"])
    await letters.sequence("tags", "tag_added", {"tag": "news"})
    await letters.sequence("welcome")
    for commits in range(30):
        try:
            await letters.run(commits_left=commits)
        except LeaseLostError:
            letters.now += A_MINUTE
            continue
        break
    await letters.later(A_DAY)
    assert await letters.messages() == []
    assert await letters.enrolments() == []


async def test_two_runs_at_once_write_once(letters: Letters) -> None:
    await letters.sequence("welcome", steps=({}, {"delay_value": 1, "delay_unit": "hours"}))
    await letters.sequence("other", steps=({},))
    await letters.run()
    for n in range(300):
        await letters.subscriber(f"reader-{n}", SEEN + A_MOMENT)
    letters.now += A_MINUTE
    both = await asyncio.gather(letters.run(max_per_day=1), letters.run(max_per_day=1))
    assert sum(data["enrolled"] for data in both) == 600
    await letters.run(max_per_day=1)
    messages = await letters.messages()
    assert len(messages) == 300
    assert len({row["to_email"] for row in messages}) == 300


@dataclass
class Place:
    """Where somebody stands in a sequence."""

    enrolled: bool = False
    done: int = 0
    due: datetime | None = None
    mailed: datetime | None = None


def go_on(
    name: str,
    places: dict[str, Place],
    sequences: dict[str, list[tuple[str, timedelta]]],
    fire: datetime,
    expected: set[tuple[str, str, datetime]],
) -> bool:
    """Do one step that is due; whether there was one."""
    for slug, place in places.items():
        steps = sequences[slug]
        if place.due is None or place.due > fire:
            continue
        if steps[place.done][0] == "email":
            if place.mailed == fire:
                continue
            expected.add((name, f"{slug[1:]}.{place.done + 1}", fire))
            place.mailed = fire
        place.done += 1
        place.due = fire + steps[place.done][1] if place.done < len(steps) else None
        return True
    return False


async def test_as_a_slow_and_simple_reader_would_have_it(letters: Letters) -> None:
    """Random sequences and people, against a loop over one person after the other."""
    random = Random(11)
    units = {"minutes": A_MINUTE, "hours": AN_HOUR, "days": A_DAY}
    sequences: dict[str, list[tuple[str, timedelta]]] = {}
    for n in range(6):
        steps: list[tuple[str, timedelta]] = []
        rows: list[dict[str, Any]] = []
        for order in range(1, random.randint(2, 5)):
            unit, value = random.choice(list(units)), random.randint(0, 3)
            action = random.choice(["email", "email", "tag"])
            steps.append((action, units[unit] * value))
            rows.append(
                {
                    "delay_value": value,
                    "delay_unit": unit,
                    "action_type": action,
                    "subject": f"{n}.{order}",
                    "action_config": {"tag": f"{n}.{order}"} if action == "tag" else {},
                }
            )
        sequences[f"s{n}"] = steps
        await letters.sequence(f"s{n}", steps=rows)
    await letters.run()
    people = {f"p{n}": SEEN + random.random() * 5 * A_DAY + A_MOMENT for n in range(40)}
    for name, at in people.items():
        await letters.subscriber(name, at)
    fires = [SEEN + A_DAY * hours / 24 for hours in sorted(random.sample(range(1, 300), 40))]

    expected: set[tuple[str, str, datetime]] = set()
    for name, joined in people.items():
        places = {slug: Place() for slug in sequences}
        for fire in fires:
            if fire < joined:
                continue
            for slug, steps in sequences.items():
                if not places[slug].enrolled:
                    places[slug] = Place(enrolled=True, due=fire + steps[0][1])
            while go_on(name, places, sequences, fire, expected):
                pass
    for fire in fires:
        letters.now = fire
        await letters.run(max_per_day=100)
    got = {
        (row["to_email"].partition("@")[0], row["subject"], row["guarded_at"])
        for row in await letters.messages()
    }
    assert len(got) > 200
    assert got == expected
