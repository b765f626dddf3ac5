"""What the author of a public address needs: a link in a message, a hook that a provider calls.

A module under `jobs/` declares its addresses as `endpoints`; the daemon finds them as it finds
jobs. They are open to all, so whatever comes in has to prove itself (a signature, a token).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from scheduler.job import JobDatabase, Logger
from scheduler.services import Services


@dataclass(frozen=True, slots=True)
class Call:
    """What came in; nothing of it is to be believed yet."""

    method: str
    values: Mapping[str, str]
    """What stands for the names in the path."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By name in lower case; of one that stands several times, the first."""
    body: bytes
    """64 KiB at most."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: str = ""
    content_type: str = "text/html"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that an address may touch."""

    db: JobDatabase
    """Its transactions have a few seconds."""
    tables: Mapping[str, frozenset[str]]
    """The columns of every visible table of the product."""
    services: Services
    now: Callable[[], datetime]
    log: Logger


Handler: TypeAlias = Callable[[Desk, Call], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`path` may hold names: `/unsubscribe/{token}`. Each of `methods` is answered by `handle`."""

    path: str
    methods: tuple[str, ...]
    handle: Handler
