"""Does a broken or hostile definition stop nobody, and say where it is broken?"""

from __future__ import annotations

import asyncio
import json

import pytest

from jobs.analytics.funnel_steps import BrokenFunnelError, parse_steps
from jobs.compute_funnels import job
from tests.jobs.funnel_data import (
    A_DAY,
    AN_HOUR,
    BEGIN,
    UNTOUCHED,
    Event,
    add_events,
    add_funnel,
    funnels,
    progress,
    sql,
    steps_of,
)
from tests.support.jobs import MIDNIGHT, NOW, Log, Product

BROKEN: list[tuple[object, int | None, str]] = [
    ("text", 30, "steps: must be a list"),
    ({"event": "a"}, 30, "steps: must be a list"),
    (None, 30, "steps: must be a list"),
    ([], 30, "steps: must have at least 2 items"),
    (steps_of("a"), 30, "steps: must have at least 2 items"),
    (steps_of(*"a" * 21), 30, "steps: must have at most 20 items"),
    ([{"event": "a"}, {"name": "b"}], 30, "steps[1].event: is required"),
    ([{"event": "a"}, "b"], 30, "steps[1]: must be an object"),
    (steps_of("a", "b", {"event": 5}), 30, "steps[2].event: must be text, in quotes"),
    (steps_of("a", {"event": None}), 30, "steps[1].event: must be text, in quotes"),
    (steps_of("a", ""), 30, "steps[1].event: must have at least 1 character"),
    (steps_of("a" * 101, "b"), 30, "steps[0].event: must have at most 100 characters"),
    (steps_of("x" * 10_000, "b"), 30, "steps[0].event: must have at most 100 characters"),
    (
        steps_of("a", {"event": "b", "name": "n" * 10_000}),
        30,
        "steps[1].name: must have at most 255 characters",
    ),
    (
        steps_of("a", {"event": "b", "count": 3}),
        30,
        "steps[1].count: is not known; a step has event, name and where",
    ),
    (
        steps_of("a", {"event": "b", "where": ["x"]}),
        30,
        "steps[1].where: must be an object",
    ),
    (
        steps_of("a", {"event": "b", "where": {"x": [[[[[[[[[[[]]]]]]]]]]]}}),
        30,
        "steps[1].where: nested too deeply; 10 levels at most",
    ),
    (steps_of("a", {"event": "b", "where": {"x": "y" * 70_000}}), 30, "steps: longer than 65536"),
    (steps_of("a", "b"), 0, "window_days: is 0, allowed are 1 to 3650"),
    (steps_of("a", "b"), -7, "window_days: is -7, allowed are 1 to 3650"),
    (steps_of("a", "b"), 2_147_483_647, "window_days: is 2147483647, allowed are 1 to 3650"),
]


async def test_a_broken_definition_says_where_and_stops_nobody(shop: Product) -> None:
    await add_events(shop, [Event("a", BEGIN, session="s"), Event("b", MIDNIGHT, session="s")])
    for n, (steps, window, _) in enumerate(BROKEN):
        await add_funnel(shop, f"broken-{n:02}", steps, window)
    await add_funnel(shop, "a-sound-one", steps_of("a", "b"))
    await add_funnel(shop, "z-sound-one", steps_of("a", "b"))
    log = Log()
    data = await shop.run(job, log=log)
    assert data["computed"] == 2
    assert log.events() == ["funnel_failed"] * len(BROKEN)
    rows = await funnels(shop)
    for n, (_, _, message) in enumerate(BROKEN):
        slug = f"broken-{n:02}"
        assert message in data["funnels"][slug]["error"]
        assert len(data["funnels"][slug]["error"]) < 300
        assert rows[slug] == {"slug": slug, **UNTOUCHED}
    for slug in ("a-sound-one", "z-sound-one"):
        assert data["funnels"][slug]["completed"] == rows[slug]["total_completed"] == 1


async def test_a_funnel_that_breaks_keeps_its_numbers(shop: Product) -> None:
    await add_events(shop, [Event("a", BEGIN, session="s"), Event("b", MIDNIGHT, session="s")])
    await add_funnel(shop, "f", steps_of("a", "b"))
    await shop.run(job, track_progress=True)
    before, kept = await funnels(shop), await progress(shop)
    await sql.change_steps(shop.pool, slug="f", steps='[{"event": "a"}, {}]')
    data = await shop.run(job, track_progress=True, now=NOW + A_DAY)
    assert data["funnels"] == {"f": {"error": "steps[1].event: is required"}}
    assert (await funnels(shop), await progress(shop)) == (before, kept)


def test_what_no_jsonb_column_holds_is_refused_as_well() -> None:
    with pytest.raises(BrokenFunnelError, match=r"^steps\[0\]\.event: .*NUL character"):
        parse_steps(json.dumps(steps_of("a\0", "b")))
    with pytest.raises(BrokenFunnelError, match=r"^steps: nested too deeply"):
        parse_steps("[" * 60_000)


async def test_what_the_database_cannot_read_is_that_funnels_error(shop: Product) -> None:
    deep = '{"a":' * 3_000 + "1" + "}" * 3_000
    steps = f'[{{"event": "a"}}, {{"event": "b", "where": {deep}}}]'
    await sql.add_funnel(shop.pool, slug="deep", steps=steps, window_days=30, status=None)
    await add_funnel(shop, "sound", steps_of("a", "b"))
    data = await shop.run(job)
    assert data["funnels"]["deep"].keys() == {"error"}
    assert "nested too deeply" in data["funnels"]["deep"]["error"]
    assert data["computed"] == 1


async def test_a_number_that_nobody_can_read_is_that_funnels_error(shop: Product) -> None:
    steps = f'[{{"event": "a"}}, {{"event": "b", "where": {{"n": {"9" * 5_000}}}}}]'
    await sql.add_funnel(shop.pool, slug="long", steps=steps, window_days=30, status=None)
    data = await shop.run(job)
    assert data["funnels"]["long"]["error"].startswith("steps: holds a number with too many digits")


async def test_numbers_stay_as_exact_as_they_are_stored(shop: Product) -> None:
    await add_events(shop, [Event("a", BEGIN, session="s", metadata={"n": 10**30 + 1})])
    for slug, n in (("same", "1" + "0" * 29 + "1"), ("other", "1e30"), ("huge", "1e400")):
        steps = f'[{{"event": "a", "where": {{"n": {n}}}}}, {{"event": "b"}}]'
        await sql.add_funnel(shop.pool, slug=slug, steps=steps, window_days=1, status="published")
    data = (await shop.run(job))["funnels"]
    assert {slug: data[slug]["entered"] for slug in data} == {"same": 1, "other": 0, "huge": 0}


HOSTILE = [
    "'; DROP TABLE analytics_events; --",
    '"quoted" \\ back',
    "{{ 7 * 7 }} {events} {walk}",
    ":steps $1 %s",
    "x\u202e\U0001f600\n\t",
    "'" * 100,
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_texts_are_texts(shop: Product, text: str) -> None:
    sly = {"event": text, "name": text * 2, "where": {text: text}}
    await add_funnel(shop, text, [sly, {"event": "b"}])
    data = {text: text}
    await add_events(
        shop,
        [
            Event(text, BEGIN, session=text, properties=data),
            Event("b", MIDNIGHT, session=text),
            Event(text, BEGIN, session="other"),
        ],
    )
    answer = await shop.run(job, slugs=[text], track_progress=True)
    assert answer["funnels"][text]["completed"] == answer["funnels"][text]["entered"] == 1
    assert (await funnels(shop))[text]["step_metrics"][0]["name"] == text * 2
    assert [row["session_id"] for row in await progress(shop)] == [text]


async def test_only_published_funnels_and_only_those_that_are_named(shop: Product) -> None:
    statuses: dict[str, str | None] = {"on": "published", "null": None, "draft": "draft"}
    for slug, status in statuses.items():
        await add_funnel(shop, slug, steps_of("a", "b"), status=status)
    assert set((await shop.run(job))["funnels"]) == {"on", "null"}
    data = await shop.run(job, slugs=["null", "draft", "nowhere"], now=NOW + AN_HOUR)
    error = {"error": "there is no published funnel of this slug"}
    assert data["computed"] == 1
    assert data["funnels"]["draft"] == data["funnels"]["nowhere"] == error
    computed_at = {slug: row["last_computed_at"] for slug, row in (await funnels(shop)).items()}
    assert computed_at == {"on": NOW, "null": NOW + AN_HOUR, "draft": None}


async def test_a_definition_that_changes_meanwhile_is_left_for_the_next_run(shop: Product) -> None:
    key = await add_funnel(shop, "f", steps_of("a", "b"))
    # Another run holds the funnel's progress, so that this one stands still in the middle.
    async with (
        shop.pool.acquire() as other,
        asyncio.TaskGroup() as group,
        other.transaction(),
    ):
        await sql.hold_progress(other, id=key)
        task = group.create_task(shop.run(job, track_progress=True))
        while not (await sql.waiting(shop.pool) or task.done()):
            await asyncio.sleep(0.01)
        await sql.change_steps(shop.pool, slug="f", steps=json.dumps(steps_of("a", "c")))
    data = task.result()
    assert "was changed while it was computed" in data["funnels"]["f"]["error"]
    assert (await funnels(shop))["f"]["last_computed_at"] is None
    assert (await shop.run(job))["computed"] == 1
