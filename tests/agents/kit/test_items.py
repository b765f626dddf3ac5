"""What agents read of a project, and what makes it new."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from agents.kit.agent import Agent, Item, Proposal, Source
from agents.kit.items import MOST_TEXT, read_items
from scheduler.policy import Association
from tests.support.agent_shop import NOW, SHA, AgentShop, ago


def agent(*sources: Source, days: int = 30) -> Agent:
    return Agent(
        task="Look.",
        reads=frozenset(sources),
        concerns=lambda item, now: True,
        prompt="Say little.",
        proposal=Proposal,
        kinds={},
        look_back=timedelta(days=days),
    )


async def read(
    agent_shop: AgentShop,
    project: UUID,
    *sources: Source,
    now_after: timedelta = timedelta(0),
    trusted: Association = Association.NONE,
) -> dict[str, Item]:
    async with agent_shop.product.pool.acquire() as connection:
        items = await read_items(
            connection, project, agent(*(sources or tuple(Source))), NOW + now_after, trusted
        )
    assert [one.at for one in items] == sorted((one.at for one in items), reverse=True)
    return {one.ref: one for one in items}


async def test_something_of_each_kind(agent_shop: AgentShop) -> None:
    project, other = await agent_shop.project(), await agent_shop.project("octocat/other")
    await agent_shop.everything(project)
    await agent_shop.pull(other, 99)
    items = await read(agent_shop, project)
    assert set(items) == {
        "pull:11",
        "issue:21",
        "issue:22",
        f"commit:{SHA}",
        "release:v1.0.0",
        "milestone:31",
        "file:README.md",
    }
    pull = items["pull:11"]
    assert (pull.title, pull.author, pull.association) == ("Change number 11", "ada", "CONTRIBUTOR")
    assert pull.facts["files"] == ["src/app.py"]
    assert pull.facts["stale"] is False
    assert items[f"commit:{SHA}"].text == "It flickered."
    assert items["milestone:31"].facts["allDone"] is True


async def test_only_the_sources_that_are_asked_for(agent_shop: AgentShop) -> None:
    project = await agent_shop.project()
    await agent_shop.everything(project)
    assert set(await read(agent_shop, project, Source.FILES)) == {"file:README.md"}


async def test_what_is_old_is_left_out_unless_it_is_open(agent_shop: AgentShop) -> None:
    project = await agent_shop.project()
    long_ago = {"created_at": ago(days=90), "updated_at": ago(days=31)}
    await agent_shop.pull(project, 1, **long_ago)
    await agent_shop.pull(project, 2, state="closed", **long_ago)
    await agent_shop.pull(project, 3, state="closed", **{**long_ago, "updated_at": ago(days=30)})
    await agent_shop.issue(project, 4, state="closed", **long_ago)
    await agent_shop.commit(project, "a" * 40, at=ago(days=31))
    await agent_shop.release(project, "v0.1", at=ago(days=31))
    await agent_shop.pull(project, 5, created_at=NOW + timedelta(seconds=1))
    assert set(await read(agent_shop, project)) == {"pull:1", "pull:3"}


@pytest.mark.parametrize(
    ("change", "is_new"),
    [
        ({"updated_at": ago(minutes=1)}, False),
        ({"title": "Another title"}, True),
        ({"body": "Other words"}, True),
        ({"head_sha": "9" * 40}, True),
        ({"state": "closed"}, True),
    ],
)
async def test_what_makes_a_pull_request_another_one(
    agent_shop: AgentShop, change: dict[str, Any], is_new: bool
) -> None:
    project = await agent_shop.project()
    await agent_shop.pull(project)
    before = (await read(agent_shop, project))["pull:1"].version
    await agent_shop.pull(project, **change)
    after = (await read(agent_shop, project))["pull:1"].version
    assert (before != after) is is_new


async def test_getting_stale_makes_an_item_new_once(agent_shop: AgentShop) -> None:
    project = await agent_shop.project()
    await agent_shop.pull(project, updated_at=NOW)
    versions = [
        (await read(agent_shop, project, now_after=timedelta(days=days)))["pull:1"].version
        for days in (0, 59, 60, 61, 200)
    ]
    assert versions[0] == versions[1] != versions[2]
    assert versions[2] == versions[3] == versions[4]


async def test_a_long_text_is_cut(agent_shop: AgentShop) -> None:
    project = await agent_shop.project()
    await agent_shop.issue(project, body="x" * 20_000)
    assert len((await read(agent_shop, project))["issue:1"].text) == MOST_TEXT


@pytest.mark.parametrize(
    ("trusted", "left"),
    [
        (Association.NONE, {"issue:1", "issue:2", "issue:3", "issue:4"}),
        (Association.CONTRIBUTOR, {"issue:2", "issue:3"}),
        (Association.MEMBER, {"issue:3"}),
        (Association.OWNER, set()),
    ],
)
async def test_texts_of_those_who_are_less_are_not_shown(
    agent_shop: AgentShop, trusted: Association, left: set[str]
) -> None:
    project = await agent_shop.project()
    await agent_shop.issue(project, 1, association="NONE")
    await agent_shop.issue(project, 2, association="CONTRIBUTOR")
    await agent_shop.issue(project, 3, association="MEMBER")
    await agent_shop.issue(project, 4, association="MANNEQUIN")
    await agent_shop.file(project)
    items = await read(agent_shop, project, Source.ISSUES, Source.FILES, trusted=trusted)
    assert set(items) == left | {"file:README.md"}


async def test_a_comment_of_our_own_makes_an_issue_no_other_one(agent_shop: AgentShop) -> None:
    project = await agent_shop.project()
    await agent_shop.issue(project, comments=1)
    before = (await read(agent_shop, project))["issue:1"]
    await agent_shop.comment(project, 1, "<!-- lamplighter:5f1d -->\n\nWhat an agent has said.")
    await agent_shop.issue(project, comments=2)
    after = (await read(agent_shop, project))["issue:1"]
    assert after.version == before.version
    assert after.facts["comments"] == 1
    await agent_shop.comment(project, 2, "Somebody else's")
    await agent_shop.issue(project, comments=3)
    assert (await read(agent_shop, project))["issue:1"].version != before.version
