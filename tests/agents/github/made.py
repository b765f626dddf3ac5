"""Rows of a repository made by hand: times are hours after the start of the period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from agents.github.facts import Actor, Comment, Commit, Issue, Period, Pull, Review

START = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""
WEEK = Period(START, START + timedelta(days=7))
HOURS = 168.0
"""Of the period."""
JUST = 1e-9 * 1000 / 3.6
"""A microsecond, in hours."""
BOT = Actor("robot", of_type_bot=True)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def by(author: str | Actor | None) -> Actor:
    return author if isinstance(author, Actor) else Actor(author)


def commit(hours: float, author: str | Actor | None = "ada", **more: Any) -> Commit:
    times = {"authored_at": at(hours), "committed_at": at(hours)}
    sha = f"{hours}-{author}-{sorted(map(str, more.items()))}"
    return Commit(sha=sha, author=by(author), **{**times, **more})


def _item(hours: float, author: str | Actor | None, more: dict[str, Any]) -> dict[str, Any]:
    for name in ("closed_at", "merged_at", "ready_at", "updated_at"):
        if isinstance(more.get(name), int | float):
            more[name] = at(more[name])
    number = more.pop("number", 1)
    return {
        "number": number,
        "author": by(author),
        "created_at": at(hours),
        "updated_at": at(hours),
        **more,
    }


def issue(hours: float, author: str | Actor | None = "ada", **more: Any) -> Issue:
    return Issue(**_item(hours, author, more))


def pull(hours: float, author: str | Actor | None = "ada", **more: Any) -> Pull:
    made = _item(hours, author, more)
    if "merged_at" in made:
        made.setdefault("closed_at", made["merged_at"])
    return Pull(**made)


def review(hours: float, author: str | Actor | None = "ben", number: int = 1) -> Review:
    return Review(number, by(author), at(hours))


def comment(hours: float, author: str | Actor | None = "ben", number: int = 1) -> Comment:
    return Comment(number, by(author), at(hours))
