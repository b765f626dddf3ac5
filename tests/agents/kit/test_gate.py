"""The gate: what ends a look before it costs anything, and what ends it after the scores."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from agents.kit.agent import Agent, Item, Proposal, Source
from agents.kit.gate import (
    Memory,
    Quiet,
    Score,
    Shown,
    Verdict,
    first_step,
    freshness,
    is_due,
    second_step,
)
from scheduler.policy import AgentSettings, AutonomousMode

NOW = datetime(2026, 1, 31, 6, 0, tzinfo=UTC)
AGENT = Agent(
    task="Look.",
    reads=frozenset({Source.PULLS}),
    concerns=lambda item, now: True,
    prompt="Say little.",
    proposal=Proposal,
    kinds={},
    most_items=4,
)


def item(number: int, hours_ago: float = 1, version: str = "1") -> Item:
    at = NOW - timedelta(hours=hours_ago)
    return Item(Source.PULLS, str(number), version, f"Change {number}", "", "", at)


def look(
    *items: Item, memory: Memory | None = None, force: bool = False, **settings: Any
) -> Shown | Quiet:
    return first_step(AGENT, AgentSettings(**settings), memory or Memory(), items, NOW, force=force)


def reason(found: Shown | Quiet) -> str:
    assert isinstance(found, Quiet)
    return found.reason


def shown(found: Shown | Quiet) -> list[str]:
    assert isinstance(found, Shown), found
    return [one.ref for one in found.items]


# The first step


def test_what_is_new_is_looked_at() -> None:
    found = look(item(2, 1), item(1, 2))
    assert shown(found) == ["pull:2", "pull:1"]
    assert isinstance(found, Shown)
    assert found.unseen == {"pull:1", "pull:2"}


@pytest.mark.parametrize(
    "settings", [{"enabled": False}, {"autonomous_mode": AutonomousMode.DISABLED}]
)
def test_an_agent_that_is_off_does_not_look_even_by_force(settings: dict[str, Any]) -> None:
    assert reason(look(item(1), force=True, **settings)) == "it is off for this project"


@pytest.mark.parametrize(
    ("hours", "minutes_since", "due"),
    [
        (6, 6 * 60, True),
        (6, 5 * 60 + 45, True),
        (6, 5 * 60 + 44, False),
        (24, 18 * 60, False),
        (24, 24 * 60 - 15, True),
        (1, 45, True),
        (168, 167 * 60 + 44, False),
    ],
)
def test_it_is_due_a_little_early(hours: int, minutes_since: int, due: bool) -> None:
    last = NOW - timedelta(minutes=minutes_since)
    assert is_due(AgentSettings(frequency_hours=hours), last, NOW) is due
    found = look(item(1), memory=Memory(last), frequency_hours=hours)
    if due:
        assert shown(found) == ["pull:1"]
    else:
        assert reason(found) == f"not due: it looks every {hours} h"
        assert shown(look(item(1), memory=Memory(last), force=True)) == ["pull:1"]


def test_six_hours_on_a_six_hour_batch_is_every_batch() -> None:
    settings = AgentSettings(frequency_hours=6)
    times = [NOW + timedelta(hours=6 * n) for n in range(8)]
    assert all(is_due(settings, a, b) for a, b in pairwise(times))


def test_nothing_of_its_kind_or_nothing_new_is_quiet() -> None:
    assert reason(look()) == "there is nothing of its kind"
    read = Memory(read={"pull:1": "1", "pull:2": "1"})
    assert reason(look(item(1), item(2), memory=read)) == "nothing is new since it last looked"


def test_another_version_is_new() -> None:
    read = Memory(read={"pull:1": "1", "pull:2": "1"})
    found = look(item(2), item(1, 2, version="2"), memory=read)
    assert isinstance(found, Shown)
    assert found.unseen == {"pull:1"}
    assert shown(found) == ["pull:2", "pull:1"]


def test_what_was_just_spoken_about_waits_and_stays_new() -> None:
    memory = Memory(cooling={"pull:1"})
    assert reason(look(item(1), memory=memory)) == "all that is new was spoken about within 168 h"
    found = look(item(2), item(1, 2), memory=memory)
    assert shown(found) == ["pull:2"]
    assert isinstance(found, Shown)
    assert found.unseen == {"pull:2"}


def test_the_new_have_the_room_and_the_known_at_most_half_of_it() -> None:
    known = {f"pull:{n}": "1" for n in range(10, 20)}
    old = [item(n, n) for n in range(10, 20)]
    assert shown(look(item(1), *old, memory=Memory(read=known))) == ["pull:1", "pull:10", "pull:11"]
    many = [item(n, n) for n in range(1, 8)]
    found = look(*many, *old, memory=Memory(read=known))
    assert shown(found) == ["pull:1", "pull:2", "pull:3", "pull:4"]
    assert isinstance(found, Shown)
    assert "pull:5" not in found.unseen, "what was not shown stays new"


# The second step


def verdict(*refs: str, **scores: float) -> Verdict:
    known = {"relevance": 0.9, "actionability": 0.9, "freshness": 0.9, "value": 0.9, **scores}
    return Verdict(
        refs=list(refs or ("pull:1",)),
        **{name: Score(score=score, evidence=f"{name} of it") for name, score in known.items()},
    )


SHOWN = Shown((item(1), item(2)), frozenset({"pull:1"}))


def test_high_scores_open_the_gate() -> None:
    scores, why = second_step(verdict(), SHOWN, AgentSettings())
    assert why is None
    assert scores.as_json() == {
        "relevance": 0.9,
        "actionability": 0.9,
        "freshness": 0.9,
        "value": 0.9,
    }


@pytest.mark.parametrize("name", ["relevance", "actionability", "freshness", "value"])
def test_any_low_score_shuts_it_and_says_why(name: str) -> None:
    _, why = second_step(verdict(**{name: 0.49}), SHOWN, AgentSettings())
    assert why == f"{name} 0.49 is below 0.5: {name} of it"
    _, why = second_step(verdict(**{name: 0.5}), SHOWN, AgentSettings())
    assert why is None
    _, why = second_step(verdict(**{name: 0.5}), SHOWN, AgentSettings(min_confidence_score=0.6))
    assert why is not None


@pytest.mark.parametrize(
    ("refs", "share"),
    [
        (("pull:1",), 1.0),
        (("pull:1", "pull:2"), 0.5),
        (("pull:2",), 0.0),
        (("pull:1", "pull:1", "pull:2"), 0.5),
        (("pull:1", "pull:99", "issue:1"), 1 / 3),
    ],
)
def test_of_freshness_the_smaller_counts(refs: tuple[str, ...], share: float) -> None:
    assert freshness(refs, SHOWN.unseen) == share
    scores, _ = second_step(verdict(*refs, freshness=0.8), SHOWN, AgentSettings())
    assert scores.freshness == min(0.8, share)
    scores, why = second_step(
        verdict(*refs, freshness=0.1), SHOWN, AgentSettings(min_confidence_score=0)
    )
    assert scores.freshness == min(0.1, share)
    assert why is None


def test_a_threshold_of_one_wants_it_all() -> None:
    perfect = verdict(relevance=1, actionability=1, freshness=1, value=1)
    settings = AgentSettings(min_confidence_score=1)
    assert second_step(perfect, SHOWN, settings)[1] is None
    assert second_step(verdict(), SHOWN, settings)[1] is not None
    assert second_step(perfect, replace(SHOWN, unseen=frozenset()), settings)[1] is not None
