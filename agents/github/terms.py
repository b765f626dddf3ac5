"""On which terms is GitHub asked, and what comes back?"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from agents.github.errors import SpentError

TRIES = 4
"""For what may pass: a cut connection, an error of GitHub's own."""
BACKOFF = 1.0
"""Seconds before the second try; doubled for each further one, plus up to as much by chance."""
SILENCE = 20.0
"""Seconds without a byte."""


class Credential(Protocol):
    """What proves who asks."""

    async def token(self) -> str: ...

    @property
    def hash(self) -> str:
        """Names the token that was given last, and does not tell it."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    data: Any
    next: str | None = None
    """The path of the next page."""
    etag: str | None = None
    moved: bool = False
    """GitHub has it at another address now."""

    @property
    def unchanged(self) -> bool:
        return self.status == 304


@dataclass
class Pace:
    """What bounds a client; tests make it faster."""

    concurrent: int = 8
    most_wait: float = 300.0
    """Seconds that a limit may hold this run up."""
    seconds_left: Callable[[], float] = lambda: math.inf
    """Of the run's time."""
    clock: Callable[[], float] = monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    backoff: float = BACKOFF
    tries: int = TRIES
    silence: float = SILENCE


@dataclass
class Budget:
    """Requests that one project may make in one run."""

    left: int
    made: int = 0
    unchanged: int = 0
    """Answered 304."""

    def spend(self) -> None:
        if self.left <= 0:
            raise SpentError("this run's requests for the project are used up")
        self.left -= 1
        self.made += 1
