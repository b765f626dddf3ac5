"""Are the numbers of random histories those of a plain recount?"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agents.github.facts import (
    Actor,
    Comment,
    Commit,
    History,
    Issue,
    Period,
    Pull,
    Release,
    Review,
)
from agents.github.metrics import Reading, analyse, fingerprint
from tests.agents.github import oracle

HISTORIES = 300
READING = Reading(ZoneInfo("UTC"), timedelta(days=2))
PEOPLE = ("ada", "Ada", "ben", "chloe", None, "r2[bot]", "Codecov-IO", "machine")


def at(minutes: int | None) -> Any:
    return None if minutes is None else oracle.ZERO + timedelta(minutes=minutes)


def random_world(dice: random.Random) -> oracle.Row:
    """Twelve days around two periods; short spans, so that moments often fall together."""
    step = dice.choice((1, 60, 720))
    span = 12 * 1440 // step

    def moment(first: int = 0) -> int:
        return first + step * dice.randrange(span)

    def who() -> oracle.Row:
        login = dice.choice(PEOPLE)
        return {"who": login, "bot": login == "machine"}

    def some(most: int) -> range:
        return range(dice.randrange(most))

    def files() -> list[str] | None:
        return dice.choice((None, [dice.choice("abcd") for _ in some(4)]))

    def lines() -> tuple[int, int] | None:
        return dice.choice((None, (dice.randrange(9), dice.randrange(9))))

    def item(number: int) -> oracle.Row:
        begin = moment()
        closed = dice.choice((None, moment(begin)))
        touched = max(begin, closed or 0) + step * dice.randrange(3)
        return {"number": number, "at": begin, "closed": closed, "touched": touched, **who()}

    issues = [
        {**item(n), "reason": dice.choice((None, "completed", "not_planned", "duplicate"))}
        for n in range(1, dice.randrange(2, 19))
    ]
    pulls = []
    for n in range(20, 20 + dice.randrange(14)):
        one = item(n)
        one["merged"] = dice.choice((None, one["closed"]))
        one["draft"] = one["closed"] is None and dice.random() < 0.3
        one["ready_at"] = dice.choice((None, moment(one["at"])))
        one["ready"] = one["at"] if one["ready_at"] is None else one["ready_at"]
        if one["merged"] is not None and one["ready"] > one["merged"]:
            one["ready"] = one["at"]
        if one["draft"]:
            one["ready"] = None
        pulls.append({**one, "main": dice.random() < 0.8, "lines": lines(), "files": files()})
    numbers = [one["number"] for one in issues + pulls]
    return {
        "issues": issues,
        "pulls": pulls,
        "commits": [
            {
                "at": moment(),
                "pull": dice.choice((None, 20, 21, 22, 99)),
                "lines": lines(),
                "files": files(),
                **who(),
            }
            for _ in some(40)
        ],
        "comments": [{"at": moment(), "number": dice.choice(numbers), **who()} for _ in some(90)],
        "reviews": [
            {"at": moment(), "number": dice.choice(pulls)["number"], **who()}
            for _ in (some(60) if pulls else ())
        ],
        "releases": [
            {"at": step * place, "tag": f"v{place}", "pre": dice.random() < 0.3}
            for place in dice.sample(range(span), dice.randrange(4))
        ],
    }


def history_of(world: oracle.Row) -> History:
    def actor(row: oracle.Row) -> Actor:
        return Actor(row["who"], row["bot"])

    def item(row: oracle.Row) -> oracle.Row:
        return {
            "number": row["number"],
            "author": actor(row),
            "created_at": at(row["at"]),
            "updated_at": at(row["touched"]),
            "closed_at": at(row["closed"]),
        }

    def change(row: oracle.Row) -> oracle.Row:
        added, deleted = row["lines"] or (None, None)
        files = None if row["files"] is None else tuple(row["files"])
        return {"additions": added, "deletions": deleted, "files": files}

    return History(
        commits=tuple(
            Commit(
                str(n), actor(row), at(row["at"]), at(row["at"]), pull=row["pull"], **change(row)
            )
            for n, row in enumerate(world["commits"])
        ),
        pulls=tuple(
            Pull(
                **item(row),
                draft=row["draft"],
                ready_at=at(row["ready_at"]),
                merged_at=at(row["merged"]),
                base="main" if row["main"] else "next",
                **change(row),
            )
            for row in world["pulls"]
        ),
        issues=tuple(Issue(**item(row), state_reason=row["reason"]) for row in world["issues"]),
        reviews=tuple(Review(row["number"], actor(row), at(row["at"])) for row in world["reviews"]),
        comments=tuple(
            Comment(row["number"], actor(row), at(row["at"])) for row in world["comments"]
        ),
        releases=tuple(Release(row["tag"], at(row["at"]), row["pre"]) for row in world["releases"]),
        default_branch="main",
    )


def close(found: Any, expected: Any, path: str = "") -> None:
    """The same but for rounding."""
    if isinstance(expected, dict):
        assert set(found) == set(expected), path
        for key, value in expected.items():
            close(found[key], value, f"{path}.{key}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=0.0051), path
    else:
        assert found == expected, path


def test_numbers_of_random_histories_are_those_of_a_recount() -> None:
    seen: dict[str, int] = {}
    for seed in range(HISTORIES):
        dice = random.Random(seed)
        world = random_world(dice)
        days = dice.choice((1, 4, 6))
        end = 12 * 1440 - dice.choice((0, 1440))
        start = end - days * 1440
        period = Period(at(start), at(end))
        found: Any = analyse(history_of(world), period, READING)
        expected = oracle.numbers(world, start, end)
        close({key: found[key] for key in expected}, expected, f"seed {seed}")
        before = oracle.numbers(world, start - days * 1440, start)
        close({key: found["previous"][key] for key in before}, before, f"seed {seed}, before")
        changes = oracle.changes(world, start, end)
        assert found["hotSpots"] == {
            "files": oracle.hot(changes)[:20],
            "partial": any(change["files"] is None for change in changes),
        }
        assert found["activity"]["hours"] == oracle.hours_of_day(world, start, end), seed
        numbers = [one["number"] for one in found["stale"]["longest"]]
        assert numbers == oracle.stale(world, end, 2 * 1440)[:20], seed
        seen["stale"] = seen.get("stale", 0) + len(numbers)
        for key in ("firstResponse", "reviewLatency", "timeToMerge"):
            seen[key] = seen.get(key, 0) + found["pullRequests"][key]["count"]
        seen["hot"] = seen.get("hot", 0) + len(found["hotSpots"]["files"])
    # The comparison is worth something only where there is something to compare.
    assert min(seen.values()) > HISTORIES / 10, seen


def test_the_fingerprint_is_that_of_the_rows_the_period_and_the_reading() -> None:
    world = random_world(random.Random(5))
    history = history_of(world)
    period = Period(at(0), at(1440))
    same = fingerprint(history_of(random_world(random.Random(5))), period, READING)
    assert fingerprint(history, period, READING) == same
    moved = Period(period.start, period.end + timedelta(microseconds=1))
    others = {
        fingerprint(history, moved, READING),
        fingerprint(history, period, Reading(ZoneInfo("Europe/Berlin"), READING.stale_after)),
        fingerprint(history, period, Reading(READING.zone, timedelta(days=3))),
        fingerprint(History(), period, READING),
        fingerprint(History(complete=False), period, READING),
        fingerprint(History(known_since=datetime.fromisoformat(oracle.iso(3))), period, READING),
        fingerprint(History(cut={"issues": period.end}), period, READING),
    }
    for number, row in enumerate(world["issues"]):
        row["closed"] = (row["closed"] or row["at"]) + 1
        others.add(fingerprint(history_of(world), period, READING))
        assert len(others) == 8 + number
    assert same not in others
