"""The section `agents` of a schedule file."""

from __future__ import annotations

import pytest

from scheduler.policy import (
    NO_PRICE,
    AgentCaps,
    AgentPolicy,
    AgentSettings,
    Association,
    AutonomousMode,
    AutoPublish,
    Price,
)
from scheduler.timing.schedule import ScheduleError, read_schedule

WHOLE = """
jobs: {}
agents:
  defaults: {enabled: true, autonomous_mode: auto_approve, frequency_hours: 6, maxPerRun: 2}
  daily_cost_cap_usd: 0.5
  min_association: CONTRIBUTOR
  link_hosts: [github.com, docs.example.com]
  auto_publish: {enabled: yes, kinds: [pr_review], authors: ["renovate[bot]"], daily_cap: 1}
  prices:
    gpt-5-mini: {input: 0.25, output: 2}
    "llama3:8b": {input: 0, output: 0}
"""


def policy(text: str) -> AgentPolicy:
    return read_schedule(text, "config.yaml", {}).agents


def test_a_whole_section() -> None:
    found = policy(WHOLE)
    assert found == AgentPolicy(
        defaults=AgentSettings(
            autonomous_mode=AutonomousMode.AUTO_APPROVE, frequency_hours=6, max_per_run=2
        ),
        caps=AgentCaps(
            daily_cost_cap_usd=0.5,
            min_association=Association.CONTRIBUTOR,
            link_hosts=frozenset({"github.com", "docs.example.com"}),
        ),
        auto_publish=AutoPublish(
            enabled=True,
            kinds=frozenset({"pr_review"}),
            authors=frozenset({"renovate[bot]"}),
            daily_cap=1,
        ),
        prices={"gpt-5-mini": Price(input=0.25, output=2), "llama3:8b": Price(input=0, output=0)},
    )
    assert found.price_of("llama3:8b") == Price(input=0, output=0)


@pytest.mark.parametrize("text", ["jobs: {}", "jobs: {}\nagents:", "jobs: {}\nagents: {}"])
def test_what_is_not_given_has_the_published_defaults(text: str) -> None:
    found = policy(text)
    assert found == AgentPolicy()
    assert found.defaults.model_dump(mode="json") == {
        "enabled": True,
        "autonomous_mode": "suggest",
        "frequency_hours": 24,
        "min_confidence_score": 0.5,
        "max_per_run": 3,
        "cooldown_hours": 168,
        "model": None,
        "max_tokens_per_run": 50_000,
    }
    assert found.caps.daily_cost_cap_usd == 5
    assert not found.auto_publish.enabled


def test_a_model_without_a_price_counts_as_a_dear_one() -> None:
    assert AgentPolicy().price_of("brand-new") == NO_PRICE
    assert NO_PRICE.output > 50


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("agents: 3", 2, "agents", "is '3'; allowed are keys with values"),
        ("agents:\n  default: {}", 3, "agents.default", "(did you mean 'defaults'?); allowed are"),
        (
            "agents:\n  defaults:\n    frequency_hours: 0",
            4,
            "agents.defaults.frequency_hours",
            "is out of range; allowed is at least 1 and at most 168",
        ),
        (
            "agents:\n  defaults: {autonomous_mode: full}",
            3,
            "agents.defaults.autonomous_mode",
            "must be one of 'disabled', 'suggest', 'auto_approve', 'auto_publish'",
        ),
        (
            "agents:\n  defaults:\n    enabled: true\n    frequency: 6",
            5,
            "agents.defaults.frequency",
            "is not a key here (did you mean 'frequency_hours'?)",
        ),
        ("agents:\n  daily_cost_cap_usd: -1", 3, "agents.daily_cost_cap_usd", "is out of range"),
        ("agents:\n  prices: {m: {input: 1}}", 3, "agents.prices.m.output", "is required"),
        ("agents:\n  prices: [1]", 3, "agents.prices", "is a list"),
        (
            "agents:\n  auto_publish: {authors: ['a b']}",
            3,
            "agents.auto_publish.authors.0",
            "must match",
        ),
    ],
)
def test_what_is_refused_is_named_with_its_line(
    text: str, line: int, key: str, message: str
) -> None:
    with pytest.raises(ScheduleError) as caught:
        policy(f"jobs: {{}}\n{text}")
    problem, *others = caught.value.problems
    assert not others
    assert (problem.line, problem.key) == (line, key)
    assert message in problem.message
