"""Is what a model proposes kept only where it is sound, new, and among the best?"""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest

from agents.kit.agent import Action, Kind, Source
from agents.kit.fit import UnfitError, action_of
from agents.kit.suggest import EXPIRES, cooling_refs, words_of
from scheduler.policy import AgentPolicy, AutonomousMode, AutoPublish
from tests.support.agents import NOW, REPOSITORY, Bench, item, proposal

HOURS = timedelta(hours=1)
WINDOWS = (
    "Two issues (#31, #40) ask how to install on Windows. The README only shows `npm install` under"
    " Linux. A short section with the installer's name would answer both."
)
WINDOWS_AGAIN = (
    "Issues #31 and #40 both ask about installing on Windows, and the README covers Linux only."
    " Add a section on Windows with the installer to use."
)
PROXY = (
    "Issue #52 asks where to set the proxy. The README lists no environment variables; a table"
    " with HTTP_PROXY and NO_PROXY would answer it."
)


async def test_a_proposal_becomes_a_suggestion_with_all_that_people_need(bench: Bench) -> None:
    unit = uuid4()
    kept = await bench.keep(
        proposal("The parser has no tests", "pull:12", "file:README.md", kind="pr_review"),
        items=[item("pull:12", "v7", title="Parse\x00 CSV"), item("file:README.md")],
        unit=unit,
    )
    assert kept.rejected == ()
    row = await bench.row(kept.suggestions[0])
    assert (row["project_id"], row["agent"], row["kind"]) == (bench.project, "tester", "pr_review")
    assert (row["status"], row["confidence"], row["unit_id"]) == ("pending", 0.8, unit)
    assert row["action"] == {"type": "review", "repository": REPOSITORY, "number": 12}
    assert row["evidence"][0]["ref"] == "pull:12"
    assert row["evidence"][0]["version"] == "v7"
    assert row["evidence"][0]["author"] == "octocat"
    assert row["evidence"][0]["association"] == "OWNER"
    assert "\x00" not in row["evidence"][0]["title"]
    assert row["evidence_key"] == "file:README.md\npull:12"
    assert row["scores"]["relevance"]["score"] == 0.9
    assert (row["created_at"], row["expires_at"]) == (NOW, NOW + EXPIRES)
    assert (row["approved_hash"], row["decided_by"], row["is_sample"]) == (None, None, False)
    assert await bench.events(row["id"]) == [("created", "tester", None)]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (proposal("Evidence of its own", "pull:12", "pull:99"), "'pull:99' is not among"),
        (proposal("Evidence of its own", "https://evil.example"), "is not among what was shown"),
        (proposal("A kind of its own", "pull:12", kind="merge"), "'merge' is not a kind"),
        (proposal("Not about a pull request", "issue:7", kind="pr_review"), "names no pull"),
        (proposal("Not about an issue", "pull:12", kind="answer"), "names no issue"),
        (proposal("Not about a release", "pull:12", kind="release_notes"), "no release or mile"),
        (proposal("Not quite sure", "pull:12", confidence=0.49), "0.49 is below 0.5"),
    ],
)
async def test_what_is_not_sound_is_rejected_whole_and_the_rest_is_kept(
    bench: Bench, wrong: object, why: str
) -> None:
    sound = proposal("The parser has no tests", "pull:12")
    kept = await bench.keep(
        wrong,  # type: ignore[arg-type]
        sound,
        items=[item("pull:12"), item("issue:7")],
    )
    assert len(kept.suggestions) == 1
    [(title, reason)] = kept.rejected
    assert why in reason
    assert title == wrong.title  # type: ignore[attr-defined]
    assert [row["title"] for row in await bench.rows()] == ["The parser has no tests"]


async def test_the_best_are_kept_and_a_unit_that_is_run_again_adds_nothing(bench: Bench) -> None:
    proposals = [
        proposal(f"{word} needs work", f"issue:{n}", confidence=confidence)
        for n, (word, confidence) in enumerate(
            [("Caching", 0.6), ("Billing", 0.9), ("Search", 0.7), ("Export", 0.8)], 1
        )
    ]
    unit = uuid4()
    kept = await bench.keep(*proposals, unit=unit, max_per_run=2)
    titles = [(await bench.row(one))["title"] for one in kept.suggestions]
    assert titles == ["Billing needs work", "Export needs work"]
    assert [title for title, _ in kept.rejected] == ["Search needs work", "Caching needs work"]
    assert all("max_per_run is 2" in why for _, why in kept.rejected)
    again = await bench.keep(*proposals, unit=unit, max_per_run=2, cooldown_hours=0)
    assert again.suggestions == ()
    assert len(await bench.rows()) == 2
    more = await bench.keep(*proposals, unit=unit, max_per_run=3, cooldown_hours=0)
    assert [(await bench.row(one))["title"] for one in more.suggestions] == ["Search needs work"]
    other = await bench.keep(
        proposal("Unrelated to all of them", "pull:3"), unit=unit, agent="other", max_per_run=1
    )
    assert len(other.suggestions) == 1


@pytest.mark.parametrize(
    ("title", "body", "evidence", "kind", "same"),
    [
        # In other words, with evidence in common.
        (
            *("Document Windows installation in the README", WINDOWS_AGAIN),
            *(("file:README.md", "issue:40"), "report", True),
        ),
        # In other words, on the same evidence, as the same kind.
        ("Say more", PROXY, ("issue:31", "file:README.md"), "report", True),
        # Something else, on some of the same evidence, or as another kind.
        (
            *("README does not say how to set the proxy", PROXY),
            *(("file:README.md", "issue:52"), "report", False),
        ),
        ("Where the proxy is set", PROXY, ("file:README.md", "issue:31"), "chore", False),
        # The very same words, of something else.
        (
            *("README does not say how to install on Windows!", WINDOWS.upper()),
            *(("file:docs/start.md",), "report", True),
        ),
    ],
)
async def test_the_same_is_not_suggested_again(
    bench: Bench, title: str, body: str, evidence: tuple[str, ...], kind: str, *, same: bool
) -> None:
    first = proposal(
        "README does not say how to install on Windows",
        *("file:README.md", "issue:31"),
        body=WINDOWS,
    )
    await bench.keep(first)
    bench.now += HOURS
    # Another agent's are no less the same.
    kept = await bench.keep(proposal(title, *evidence, body=body, kind=kind), agent="other")
    assert bool(kept.suggestions) is not same
    if same:
        [(_, why)] = kept.rejected
        assert why.startswith("tester said so on 2026-01-31: 'README does not")


async def test_in_another_project_it_is_new(bench: Bench) -> None:
    await bench.one()
    bench.project = uuid4()
    await bench.one()


@pytest.mark.parametrize("status", ["rejected", "expired", "published"])
async def test_within_the_cooldown_in_any_status_and_not_past_it(bench: Bench, status: str) -> None:
    await bench.one("The parser has no tests", "pull:12", cooldown_hours=10)
    await bench.product.pool.execute("UPDATE lamplighter.suggestions SET status = $1", status)
    changed = [item("pull:12", "2")]
    again = proposal("The parser has no tests", "pull:12")
    bench.now = NOW + 10 * HOURS - timedelta(seconds=1)
    assert (await bench.keep(again, items=changed, cooldown_hours=10)).suggestions == ()
    bench.now = NOW + 10 * HOURS
    assert len((await bench.keep(again, items=changed, cooldown_hours=10)).suggestions) == 1


@pytest.mark.parametrize("status", ["pending", "approved", "publish_failed"])
async def test_what_is_still_open_is_not_suggested_again_however_old(
    bench: Bench, status: str
) -> None:
    await bench.one()
    await bench.product.pool.execute("UPDATE lamplighter.suggestions SET status = $1", status)
    bench.now = NOW + timedelta(days=25)
    kept = await bench.keep(
        proposal("The parser has no tests", "pull:12"), items=[item("pull:12", "2")]
    )
    assert kept.suggestions == ()


async def test_a_rejected_one_stays_rejected_until_its_evidence_changes(bench: Bench) -> None:
    old = [item("pull:12", "1"), item("issue:7", "1"), item("issue:8", "1")]
    await bench.keep(proposal("The parser has no tests", "pull:12", "issue:7"), items=old)
    await bench.product.pool.execute("UPDATE lamplighter.suggestions SET status = 'rejected'")
    bench.now = NOW + timedelta(days=3650)

    async def again(title: str, *evidence: str, version: str = "1", kind: str = "report") -> str:
        there = [item("pull:12", version), *old[1:]]
        kept = await bench.keep(proposal(title, *evidence, kind=kind), items=there)
        return "" if kept.suggestions else kept.rejected[0][1]

    why = await again("The parser has no tests", "issue:7", "pull:12")
    assert why.startswith("tester said so on 2026-01-31, which was rejected, and what it rests on")
    assert await again("The parser has no tests!", "pull:12", kind="pr_review")
    assert await again("Another way to say it", "pull:12", "issue:7")
    # Something else about it was never rejected.
    assert not await again("Rename the module to csv_reader", "pull:12", kind="chore")
    assert not await again("The parser has no tests", "pull:12", "issue:8")
    await bench.product.pool.execute("UPDATE lamplighter.suggestions SET status = 'rejected'")
    assert await again("The parser has no tests", "pull:12", "issue:8")
    bench.now += timedelta(days=365)
    assert not await again("The parser has no tests", "pull:12", "issue:7", version="2")


async def test_a_month_of_the_same_proposals_is_one_suggestion(bench: Bench) -> None:
    dice = random.Random(6)
    ways = ["{} has no tests", "Add tests for {}", "Test {}", "{}: nothing tests it"]
    for look in range(120):
        bench.now = NOW + look * 6 * HOURS
        title = dice.choice(ways).format("the CSV parser")
        await bench.keep(proposal(title, "pull:12", kind="pr_review"), cooldown_hours=0)
        if look == 3:
            await bench.product.pool.execute(
                "UPDATE lamplighter.suggestions SET status = 'rejected'"
            )
    assert len(await bench.rows()) == 1


async def test_what_is_cooling(bench: Bench) -> None:
    await bench.one("The parser has no tests", "pull:12", "file:README.md")
    bench.now = NOW + 2 * HOURS
    await bench.one("Billing needs work", "issue:7")
    await bench.keep(proposal("Search needs work", "issue:9"), agent="other")
    await bench.product.pool.execute("UPDATE lamplighter.suggestions SET status = 'expired'")
    async with bench.context().db.transaction() as connection:

        async def cooling(hours: int) -> set[str]:
            return await cooling_refs(connection, bench.project, "tester", NOW + hours * HOURS)

        assert await cooling(-1) == {"pull:12", "file:README.md", "issue:7"}
        assert await cooling(0) == {"issue:7"}
        assert await cooling(2) == set()


async def test_two_agents_at_once_say_it_once(bench: Bench) -> None:
    kept = await asyncio.gather(
        *(
            bench.keep(proposal("The parser has no tests", "pull:12"), agent=agent)
            for agent in ("tester", "other") * 3
        )
    )
    assert sum(len(one.suggestions) for one in kept) == len(await bench.rows()) == 1


async def test_of_a_sample_repository_it_is_a_sample(bench: Bench) -> None:
    await bench.product.pool.execute(
        "INSERT INTO lamplighter.github_repositories (project_id, full_name, is_sample)"
        " VALUES ($1, $2, true)",
        *(bench.project, REPOSITORY),
    )
    assert (await bench.row(await bench.one()))["is_sample"] is True


async def test_a_disabled_agent_keeps_nothing(bench: Bench) -> None:
    kept = await bench.keep(
        proposal("The parser has no tests", "pull:12"), autonomous_mode=AutonomousMode.DISABLED
    )
    assert kept.suggestions == ()
    assert kept.rejected == (("The parser has no tests", "the agent is disabled"),)


async def test_auto_approve_approves_what_was_kept(bench: Bench) -> None:
    row = await bench.row(await bench.one(autonomous_mode=AutonomousMode.AUTO_APPROVE))
    assert (row["status"], row["decided_by"]) == ("approved", "auto_approve")
    assert row["approved_hash"] == row["shown_hash"]
    assert row["approved_at"] == row["decided_at"] == NOW
    events = [event[:2] for event in await bench.events(row["id"])]
    assert events == [("created", "tester"), ("approved", "auto_approve")]


async def test_auto_publish_approves_what_is_listed(bench: Bench) -> None:
    bench.auto(kinds={"report"}, authors={"OctoCat"})
    row = await bench.row(await bench.one())
    assert (row["status"], row["decided_by"]) == ("approved", "auto_publish")
    assert row["approved_hash"] == row["shown_hash"]


@pytest.mark.parametrize(
    ("values", "author", "why"),
    [
        ({"enabled": False}, "octocat", "auto_publish is not enabled in the schedule file"),
        ({"kinds": {"pr_review"}}, "octocat", "does not list the kind report"),
        ({}, "mallory", "does not list the author mallory"),
        ({}, None, "needs an author of all evidence"),
        ({"daily_cap": 0}, "octocat", "may publish 0 a day of this project"),
    ],
)
async def test_auto_publish_leaves_the_rest_to_people_and_says_why(
    bench: Bench, values: dict[str, object], author: str | None, why: str
) -> None:
    bench.auto(kinds={"report"}, authors={"octocat"})
    bounds = bench.policy.auto_publish.model_copy(update=values)
    bench.policy = AgentPolicy(auto_publish=bounds)
    both = [item("pull:12"), item("pull:13", author=author)]
    kept = await bench.keep(proposal("The parser has no tests", "pull:12", "pull:13"), items=both)
    row = await bench.row(kept.suggestions[0])
    assert (row["status"], row["approved_hash"], row["decided_by"]) == ("pending", None, None)
    created, held = await bench.events(row["id"])
    assert created[:2] == ("created", "tester")
    assert held[:2] == ("held", "auto_publish")
    assert why in str(held[2])


async def test_auto_publish_has_a_cap_for_each_day_and_project(bench: Bench) -> None:
    bench.auto(kinds={"report"}, authors={"octocat"}, daily_cap=2)
    words = ["Caching", "Billing", "Search", "Export"]
    found = [proposal(f"{word} needs work", f"issue:{n}") for n, word in enumerate(words)]
    await bench.keep(*found)
    assert [row["status"] for row in await bench.rows()] == ["approved"] * 2 + ["pending"] * 2
    bench.now = NOW.replace(hour=23, minute=59)
    assert (await bench.row(await bench.one("Uploads need work", "issue:9")))["status"] == "pending"
    bench.now = NOW.replace(hour=0) + timedelta(days=1)
    assert (await bench.row(await bench.one("Logins need work", "issue:8")))["status"] == "approved"


async def test_the_switch_stops_it(bench: Bench) -> None:
    bench.auto(kinds={"report"}, authors={"octocat"})
    await bench.product.pool.execute(
        "INSERT INTO lamplighter.agent_switches VALUES ('auto_publish', $1, 'admin', 'odd posts')",
        NOW,
    )
    made = await bench.one()
    assert (await bench.row(made))["status"] == "pending"
    assert "switched off by admin: odd posts" in str((await bench.events(made))[1][2])


def test_nothing_is_listed_until_somebody_lists_it() -> None:
    assert AutoPublish().kinds == AutoPublish().authors == frozenset()


@pytest.mark.parametrize(
    ("kind", "evidence", "action"),
    [
        (Kind("", Action.COMMENT), ["file:a", "pull:3"], {"type": "comment", "number": 3}),
        (Kind("", Action.REVIEW), ["issue:3", "pull:4"], {"type": "review", "number": 4}),
        (Kind("", Action.ISSUE, Source.PULLS), ["pull:3"], {"type": "issue"}),
        (Kind("", Action.TODO, Source.ISSUES), ["issue:3"], {"type": "todo", "issue": 3}),
        (Kind("", Action.TODO, Source.PULLS), ["pull:3"], {"type": "todo", "pull": 3}),
        (Kind("", Action.TODO), ["issue:3"], {"type": "todo"}),
        (
            *(Kind("", Action.DRAFT_RELEASE, Source.RELEASES), ["release:v1.2"]),
            {"type": "draft_release", "tag": "v1.2"},
        ),
    ],
)
def test_what_publishing_does(kind: Kind, evidence: list[str], action: dict[str, object]) -> None:
    made = action_of(kind, [item(ref) for ref in evidence], REPOSITORY)
    assert made == {"repository": REPOSITORY, **action}


def test_a_release_without_a_tag_is_called_as_its_milestone() -> None:
    kind = Kind("", Action.DRAFT_RELEASE, Source.MILESTONES)
    named = action_of(kind, [item("milestone:4", title="Some day")], REPOSITORY)
    assert named["tag"] == "Some-day"
    with pytest.raises(UnfitError, match="cannot be the tag"):
        action_of(kind, [item("milestone:4", title="\N{PARTY POPPER}")], REPOSITORY)
    with pytest.raises(UnfitError, match="names no pull"):
        action_of(Kind("", Action.REVIEW), [item("pull:main")], REPOSITORY)


def trigrams(text: str) -> set[str]:
    """As pg_trgm's documentation has them."""
    padded = [f"  {word} " for word in words_of(text).split()]
    return {word[n : n + 3] for word in padded for n in range(len(word) - 2)}


async def test_trigrams_are_those_of_pg_trgm(bench: Bench) -> None:
    dice = random.Random(2)
    texts = ["", "a", "Word", "cat cat", "  Two  words ", "ÄÖÜ straße", "日本語のテキスト", "#12!"]
    texts += ["".join(dice.choices("abcde ABC-12é", k=40)) for _ in range(200)]
    pool = bench.product.pool
    found = [
        set(await pool.fetchval("SELECT lamplighter.trigrams($1)", words_of(text)))
        for text in texts
    ]
    assert found == [trigrams(text) for text in texts]
    cat = await pool.fetchval("SELECT lamplighter.trigrams('cat')")
    assert sorted(cat) == ["  c", " ca", "at ", "cat"]
    for one, other in pairwise(texts):
        a, b = trigrams(one), trigrams(other)
        alike = await pool.fetchval(
            "SELECT lamplighter.similarity(lamplighter.trigrams($1), lamplighter.trigrams($2))",
            *(words_of(one), words_of(other)),
        )
        assert alike == pytest.approx(len(a & b) / len(a | b) if a & b else 0)
    # What pg_trgm's documentation has for an example.
    word = await pool.fetchval(
        "SELECT lamplighter.similarity(lamplighter.trigrams('word'),"
        " lamplighter.trigrams('two words'))"
    )
    assert word == pytest.approx(0.36363637)
