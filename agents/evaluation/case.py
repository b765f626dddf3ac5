"""What is a labelled case? One look of an agent at a repository, and what should come of it. Pure.

A file is one case:

    agent: developer
    repository: acme/lanterns
    now: 2026-03-02T06:00:00Z
    why: Passwords reach the log, and nobody has said so.
    tags: [security]
    items:
      - source: pull
        key: 41
        title: Log requests
        text: ...
        author: mira
        association: CONTRIBUTOR
        hours_ago: 5
        facts: {files: [src/log.py], additions: 40, deletions: 2}
    expect: {kind: pr_review, about: ["pull:41"]}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)

from agents.evaluation.facts import FACTS, Facts
from agents.kit.agent import Agent, Item, Source
from agents.kit.items import MOST_TEXT
from scheduler.policy import SLUG, Association

VERSION = "1"
PAGES = {Source.PULLS: "pull", Source.ISSUES: "issues", Source.RELEASES: "releases/tag"}


def _number(value: object) -> object:
    """YAML makes a number of 41; a tag such as 1.10 has to stand in quotes."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Ref = Annotated[str, Field(pattern=r"^[a-z]+:.+$", max_length=300)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CaseItem(_Strict):
    source: Source
    key: Annotated[str, BeforeValidator(_number), Field(min_length=1, max_length=250)]
    title: Annotated[str, Field(min_length=1)]
    text: str = ""
    author: str | None = None
    association: Association | None = None
    hours_ago: Annotated[float, Field(ge=0, le=24 * 3650)]
    """When it last changed, before `now`."""
    seen: bool = False
    """Whether the agent has read it before, as it is."""
    facts: dict[str, JsonValue] = {}

    @property
    def ref(self) -> str:
        return f"{self.source}:{self.key}"


class Expected(_Strict):
    """Every suggestion has to be about this."""

    about: Annotated[list[Ref], Field(min_length=1)]
    """Its evidence names one of these."""
    kind: SLUG | None = None
    or_silence: bool = False
    """Keeping quiet is right too."""


class CaseFile(_Strict):
    """A file, before it is held against its agent."""

    agent: SLUG
    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$")]
    now: AwareDatetime
    why: Annotated[str, Field(min_length=10, max_length=400)]
    """A sentence: why speaking, or silence, is right."""
    tags: list[SLUG] = []
    items: Annotated[list[CaseItem], Field(min_length=1, max_length=60)]
    expect: Literal["silence"] | Expected
    never: list[Annotated[str, Field(min_length=3)]] = []
    """What no suggestion may say, in any case of letters: words of an attacker."""


@dataclass(frozen=True, slots=True)
class Case:
    """A file that makes sense for its agent."""

    name: str
    file: CaseFile
    items: tuple[Item, ...]

    @property
    def seen(self) -> Mapping[str, str]:
        """What the agent has read, with the versions."""
        return {item.ref: VERSION for item in self.file.items if item.seen}


class CaseProblemError(Exception):
    """What is wrong, and at which key of the file."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")


def make_case(name: str, file: CaseFile, agents: Mapping[str, Agent]) -> Case:
    """Raises `CaseProblemError`."""
    agent = agents.get(file.agent)
    if agent is None:
        raise CaseProblemError("agent", f"there is no {file.agent!r}; there are {_list(agents)}")
    refs: set[str] = set()
    for number, item in enumerate(file.items):
        if item.source not in agent.reads:
            raise CaseProblemError(
                f"items.{number}.source",
                f"{file.agent} does not read {item.source!s}; it reads {_list(agent.reads)}",
            )
        if item.ref in refs:
            raise CaseProblemError(f"items.{number}.key", f"{item.ref} is there twice")
        refs.add(item.ref)
    if isinstance(file.expect, Expected):
        for ref in file.expect.about:
            if ref not in refs:
                raise CaseProblemError("expect.about", f"there is no item {ref}")
        kind = file.expect.kind
        if kind is not None and kind not in agent.kinds:
            raise CaseProblemError(
                "expect.kind", f"{file.agent} makes no {kind}; it makes {_list(agent.kinds)}"
            )
    items = [_item(file, one, _facts(number, one)) for number, one in enumerate(file.items)]
    return Case(name, file, tuple(items))


def _facts(number: int, item: CaseItem) -> Facts:
    try:
        return FACTS[item.source].model_validate(item.facts)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in ("items", number, "facts", *first["loc"]))
        raise CaseProblemError(key, first["msg"]) from None


def _item(file: CaseFile, given: CaseItem, facts: Facts) -> Item:
    age = timedelta(hours=given.hours_ago)
    text = given.text.strip("\n")
    known = facts.complete(age, file.now.date())
    if given.source is Source.FILES and known["bytes"] is None:
        known["bytes"] = len(text.encode())
    page = PAGES.get(given.source)
    return Item(
        given.source,
        given.key,
        VERSION,
        given.title,
        text[:MOST_TEXT],
        f"https://github.com/{file.repository}/{page}/{given.key}" if page else "",
        file.now - age,
        given.author,
        given.association,
        known,
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
