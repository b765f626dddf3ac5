"""How does a page read the product's tables? Part by part; one that fails leaves the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from scheduler.db.product_pages.part import Needs, Part, read_part
from scheduler.endpoint import Desk
from scheduler.entry import Entry
from scheduler.job import Connection
from scheduler.web.answers import Refusal
from scheduler.web.body import read_query, refuse_unknown
from scheduler.web.keys import DAEMON, Daemon
from scheduler.web.pages.rendering import render

MOST_LISTED = 50
MOST_SLUG = 255

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads for one page."""

    desk: Desk

    @classmethod
    async def of(cls, request: web.Request) -> Reader:
        return cls(await request.app[DAEMON].desk())

    async def part(self, needs: Needs, read: Callable[[Connection], Awaitable[T]]) -> Part[T]:
        return await read_part(self.desk.db, self.desk.tables, needs, read)


@dataclass(frozen=True, slots=True)
class Work:
    """The entry that does a part of the work, for a page that shows what comes out of it."""

    name: str
    href: str
    words: str
    next_fire: datetime | None
    is_off: bool
    """Not fired by the schedule: it is disabled, paused or not in it."""
    why_off: str = ""


class Thing(Protocol):
    """One of the product's, with an address of its own."""

    @property
    def id(self) -> UUID: ...
    @property
    def slug(self) -> str: ...


One = TypeVar("One", bound=Thing)


@dataclass(frozen=True, slots=True)
class Listing(Generic[One]):
    """A list of the product's things by slug, page by page."""

    path: str
    template: str
    work: str
    """The job that computes them."""
    needs: Needs
    read: Callable[[Connection, str | None, int], Awaitable[Sequence[One]]]
    most: int = MOST_LISTED
    further: Callable[[Sequence[One]], Mapping[str, Any]] = lambda _: {}
    """What else the template shows of them."""

    async def shown(self, request: web.Request) -> web.StreamResponse:
        after = after_asked(request)
        reader = await Reader.of(request)
        part = await reader.part(self.needs, lambda c: self.read(c, after, self.most + 1))
        found = part.value or []
        few = found[: self.most]
        return await render(
            request,
            self.template,
            part_read=part,
            shown=[(one, address(self.path, one.slug, one.id)) for one in few],
            more=after_link(self.path, [one.slug for one in found], self.most),
            first=self.path if after is not None else None,
            work=work_of(request.app[DAEMON], self.work),
            **self.further(few),
        )


def work_of(daemon: Daemon, job: str) -> Work:
    """The first entry that runs the job; the job itself where the schedule has none."""
    entries = daemon.clock.schedule.entries
    entry = next((one for one in entries.values() if one.job == job), None)
    if entry is None:
        return Work(job, href_of(job), "", None, is_off=True, why_off="not in the schedule")
    pause = daemon.clock.pauses.get(entry.name)
    fires = daemon.clock.next_fires(entry.name, 1) if entry.enabled else ()
    why = "off in the schedule" if not entry.enabled else "paused" if pause else ""
    return Work(
        name=entry.name,
        href=href_of(entry.name),
        words=daemon.clock.words(entry.name),
        next_fire=fires[0] if fires else None,
        is_off=bool(why),
        why_off=why,
    )


def entry_of(daemon: Daemon, job: str) -> Entry | None:
    return next((e for e in daemon.clock.schedule.entries.values() if e.job == job), None)


def href_of(job: str) -> str:
    return "/jobs/" + quote(job, safe="/")


def slug_asked(request: web.Request, what: str) -> tuple[str, UUID | None]:
    """What the address names: a slug, and where it can be one, an id. Raises a 404."""
    slug = request.match_info["slug"]
    if len(slug) > MOST_SLUG or "\x00" in slug:
        raise Refusal(404, f"there is no such {what}")
    try:
        return slug, UUID(slug)
    except ValueError:
        return slug, None


def address(folder: str, slug: str, key: UUID) -> str:
    """Of a page for one of the product's things; browsers take some slugs for another place."""
    return f"{folder}/{key if slug in {'', '.', '..'} else quote(slug, safe='')}"


def after_asked(request: web.Request) -> str | None:
    """`?after=`: the slug after which a list goes on."""
    query = read_query(request)
    after = query.pop("after", None)
    if query:
        refuse_unknown(query, "after")
    return after


def after_link(path: str, slugs: Sequence[str], most: int = MOST_LISTED) -> str | None:
    """Where the list goes on, if more than a page was read."""
    if len(slugs) <= most:
        return None
    return f"{path}?after={quote(slugs[most - 1], safe='')}"
