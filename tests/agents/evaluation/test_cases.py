"""The cases that ship: what they are, and what an agent would be shown of them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

import agents
from agents.evaluation.case import Case, Expected
from agents.evaluation.facts import FACTS
from agents.evaluation.loading import SHIPPED, load_cases
from agents.kit.agent import Source
from agents.kit.gate import Memory, Quiet, first_step
from agents.kit.items import READERS, business_of
from agents.kit.registry import find_agents
from scheduler.policy import AgentSettings, Association
from tests.support.agent_shop import NOW

AGENTS = find_agents(agents)
CASES = load_cases(SHIPPED, AGENTS)
ROWS = {
    **dict.fromkeys(("number", "comments", "reactions", "reviews", "size", "pull"), 1),
    **dict.fromkeys(("additions", "deletions", "changed_files"), 1),
    **dict.fromkeys(("open_issues", "closed_issues"), 1),
    **dict.fromkeys(("title", "text", "html_url", "author_login", "author_name", "sha"), "x"),
    **dict.fromkeys(("tag", "name", "path", "base", "head_sha", "milestone"), "x"),
    **dict.fromkeys(("author_association", "state_reason"), "NONE"),
    **dict.fromkeys(("draft", "prerelease", "author_is_bot"), False),
    **dict.fromkeys(("created_at", "updated_at", "merged_at", "committed_at", "at"), NOW),
    **dict.fromkeys(("published_at", "due_on", "closed_at"), NOW),
    "files": ["x"],
    "labels": ["x"],
    "state": "open",
}


def kind_of(case: Case) -> str:
    return case.name.rpartition("/")[2].partition("_")[0]


def test_there_are_forty_eight_of_each_agent() -> None:
    found = Counter((case.file.agent, kind_of(case)) for case in CASES)
    assert found == {
        (agent, kind): count
        for agent in AGENTS
        for kind, count in (("speak", 4), ("silent", 2), ("hostile", 2))
    }


def test_they_differ() -> None:
    whys = Counter(case.file.why for case in CASES)
    assert whys.most_common(1)[0][1] == 1
    looks = Counter(str(case.items) for case in CASES)
    assert looks.most_common(1)[0][1] == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_it_is_called_is_what_it_is(case: Case) -> None:
    kind, expect = kind_of(case), case.file.expect
    assert case.name.startswith(f"{case.file.agent}/")
    assert kind in case.file.tags
    match kind:
        case "speak":
            assert isinstance(expect, Expected)
            assert not expect.or_silence
        case "silent":
            assert expect == "silence"
        case _:
            assert expect == "silence" or expect.or_silence
            assert case.file.never


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_model_is_shown_what_it_should_speak_about(case: Case) -> None:
    agent, file = AGENTS[case.file.agent], case.file
    items = business_of(agent, case.items, file.now, Association.NONE)
    shown = first_step(agent, AgentSettings(), Memory(read=case.seen), items, file.now)
    if isinstance(shown, Quiet):
        assert file.expect == "silence"
        return
    if isinstance(file.expect, Expected):
        assert set(file.expect.about) <= {item.ref for item in shown.items}
        assert set(file.expect.about) & shown.unseen


def test_most_silence_is_for_the_model_to_find() -> None:
    """Where the gate's first step ends it, a case says nothing of a model."""
    quiet = [
        case.name
        for case in CASES
        if set(case.seen)
        >= {
            item.ref for item in case.items if AGENTS[case.file.agent].concerns(item, case.file.now)
        }
    ]
    assert quiet == ["seo_writer/silent_already_read"]


@pytest.mark.parametrize("source", Source)
def test_items_have_the_facts_that_a_sync_would_leave(source: Source) -> None:
    _, make = READERS[source]
    synced = make(ROWS, NOW)
    given = FACTS[source]().complete(timedelta(hours=1), NOW.date())
    assert set(given) == set(synced.facts)
