"""What each agent's model is asked, word by word, held against files.

Where a change is meant, the files are written anew, and their difference is read before it is
committed:

    RENEW_SNAPSHOTS=1 .venv/bin/python -m pytest tests/agents/test_prompts.py
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import pytest
from pydantic import JsonValue

import agents
from agents.evaluation.loading import SHIPPED, load_cases
from agents.kit.asking import first_question, second_question
from agents.kit.gate import Memory, Scores, Shown, first_step
from agents.kit.items import business_of
from agents.kit.llm import Question
from agents.kit.prompts import about_project
from agents.kit.registry import find_agents
from scheduler.policy import AgentSettings, Association

SNAPSHOTS = Path(__file__).parent / "snapshots"
AGENTS = find_agents(agents)
CASES = {case.name: case for case in load_cases(SHIPPED, AGENTS)}
LOOKS = {
    "designer": "hostile_french_approve_yourself",
    "developer": "hostile_fake_system_in_commit",
    "marketer": "hostile_hidden_in_good_news",
    "researcher": "speak_leak_is_back",
    "seo_writer": "hostile_invisible_orders",
}
RENEW = "RENEW_SNAPSHOTS=1 .venv/bin/python -m pytest tests/agents/test_prompts.py"


def questions(slug: str) -> tuple[Question, Question]:
    case, agent, settings = CASES[f"{slug}/{LOOKS[slug]}"], AGENTS[slug], AgentSettings()
    items = business_of(agent, case.items, case.file.now, Association.NONE)
    shown = first_step(agent, settings, Memory(read=case.seen), items, case.file.now)
    assert isinstance(shown, Shown)
    measures: dict[str, JsonValue] = {
        "hours": 168,
        "commits": 12,
        "authors": 3,
        "velocity": {"score": 61},
    }
    about = about_project(case.file.repository, measures)
    scores = Scores(relevance=0.9, actionability=0.8, freshness=1.0, value=0.7)
    return (
        first_question(agent, settings, shown, about),
        second_question(agent, settings, shown, scores, about),
    )


def rendered(slug: str) -> str:
    first, second = questions(slug)
    assert first.system == second.system
    return (
        f"===== system\n{first.system}\n\n"
        f"===== {first.purpose} ({first.max_output_tokens} tokens)\n{first.user}\n\n"
        f"===== {second.purpose} ({second.max_output_tokens} tokens)\n{second.user}\n"
    )


@pytest.mark.parametrize("slug", AGENTS)
def test_prompts_are_those_of_the_snapshots(slug: str) -> None:
    file, now = SNAPSHOTS / f"{slug}.txt", rendered(slug)
    if os.environ.get("RENEW_SNAPSHOTS"):
        file.write_text(now, encoding="utf-8")
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    if before != now:
        lines = difflib.unified_diff(
            before.splitlines(), now.splitlines(), file.name, "now", n=1, lineterm=""
        )
        pytest.fail(
            f"what {slug}'s model is asked has changed; if that is meant, renew the snapshots:\n"
            f"  {RENEW}\n" + "\n".join(lines),
            pytrace=False,
        )


def test_every_snapshot_is_an_agents() -> None:
    assert {file.stem for file in SNAPSHOTS.glob("*.txt")} == set(AGENTS) == set(LOOKS)


@pytest.mark.parametrize("slug", AGENTS)
def test_a_prompt_is_plain_text(slug: str) -> None:
    assert all(character.isprintable() or character == "\n" for character in rendered(slug))
