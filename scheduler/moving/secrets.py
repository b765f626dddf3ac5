"""How do secrets stay behind? What a line holds of them becomes a variable that somebody sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from jobs.calls.secrecy import KNOWN_SHAPES, is_written_out, names_a_secret
from jobs.calls.texts import in_literals, literal

# Addresses that are secrets themselves: who knows them may post there.
_SECRET_PLACES: Final = frozenset(
    {"hooks.slack.com", "discord.com", "discordapp.com", "api.telegram.org", "hooks.zapier.com"}
)
_SCHEME_WORD: Final = re.compile(
    r"(?P<scheme>bearer|basic|token|apikey|digest)\s+(?P<rest>\S.*)", re.IGNORECASE
)

_Hidden: TypeAlias = Callable[[str, str, str], str]
"""Puts a variable in the place of a value: of what kind, and what it is in words."""
_Each: TypeAlias = Callable[[str, object], object]


@dataclass(slots=True)
class Wanted:
    """A variable that the imported schedule reads."""

    name: str
    lines: list[int] = field(default_factory=list)
    what: str = ""
    """What to set it to, where the crontab has no setting of that name."""


@dataclass(slots=True)
class Secrets:
    """The variables of one crontab."""

    settings: Mapping[str, str]
    """Its own settings: a value that stands there too has its name already."""
    wanted: dict[str, Wanted] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    """Settings of lamplighter's own, which mean something else here."""
    _names: dict[str, str] = field(default_factory=dict)

    def want(self, name: str, line: int, what: str = "") -> None:
        found = self.wanted.setdefault(name, Wanted(name))
        if line not in found.lines:
            found.lines.append(line)
        found.what = found.what or what

    def renamed(self, text: str) -> str:
        """With names that are not lamplighter's own."""
        return re.sub(
            r"\$\$|\$\{(\w+)\}",
            lambda found: f"${{{self.name_for(found[1])}}}" if found[1] else found[0],
            text,
        )

    def name_for(self, name: str) -> str:
        return f"REQUEST_{name}" if name.upper() in self.taken else name

    def meaning(self, name: str) -> str:
        before = name.removeprefix("REQUEST_")
        if before.upper() not in self.taken:
            return ""
        return f"what {before} is where cron runs; lamplighter means something else by that name"

    def replaced(self, value: str, host: str, kind: str, line: int, what: str) -> str:
        """A variable in the place of a value."""
        name = self._names.get(value) or next(
            (name for name, text in self.settings.items() if text and text == value), None
        )
        if name is None:
            stem = re.sub(r"[^A-Za-z0-9]+", "_", f"{host}_{kind}").strip("_").upper()[:80]
            stem = f"_{stem}" if stem[:1].isdigit() else stem
            name, number = stem, 1
            while name in self.wanted or name in self.settings:
                number += 1
                name = f"{stem}_{number}"
        self._names[value] = name
        self.want(name, line, what)
        return f"${{{name}}}"


def without_secrets(
    url: str, headers: Mapping[str, str], body: object, line: int, secrets: Secrets
) -> tuple[str, dict[str, str], object]:
    """The request with variables in the place of what it holds of secrets."""
    host = _host(url)

    def hidden(value: str, kind: str, what: str) -> str:
        return secrets.replaced(value, host, kind, line, what)

    def shapes(text: str) -> str:
        return in_literals(
            text,
            lambda plain: KNOWN_SHAPES.sub(
                lambda found: hidden(found[0], "token", "the token in that line"), plain
            ),
        )

    def each(name: str, value: object) -> object:
        match value:
            case str() if names_a_secret(name) and is_written_out(name, value):
                return hidden(value, name, f"{name!r} in the body of that line")
            case str():
                return shapes(value)
            case list():
                return [each(name, item) for item in value]
            case dict():
                return {key: each(str(key), item) for key, item in value.items()}
            case _:
                return value

    if host in _SECRET_PLACES:
        url = hidden(url, "url", "the address in that line, with its https://")
    else:
        url = shapes(_query_hidden(url, hidden))
    made = {name: _header_hidden(name, value, hidden) for name, value in headers.items()}
    if isinstance(body, str):
        return url, made, _form_hidden(body, each)
    return url, made, each("", body)


def _header_hidden(name: str, value: str, hidden: _Hidden) -> str:
    if not is_written_out(name, value):
        return value
    if (found := _SCHEME_WORD.fullmatch(value)) is not None:
        kind = found["scheme"]
        what = f"what stands behind {kind!r} in the header {name} of that line"
        return f"{kind} {hidden(found['rest'], 'token', what)}"
    return hidden(value, name.removeprefix("X-"), f"the value of the header {name} in that line")


def _query_hidden(url: str, hidden: _Hidden) -> str:
    bare, question, query = url.partition("?")
    fields = query.split("&") if question else []
    for place, text in enumerate(fields):
        name, equals, value = text.partition("=")
        plain = unquote(value)
        if equals and is_written_out(unquote(name), plain):
            what = f"{unquote(name)!r} in the address of that line, as it is written there"
            fields[place] = f"{name}={hidden(value, unquote(name), what)}"
    return f"{bare}{question}{'&'.join(fields)}"


def _form_hidden(body: str, each: _Each) -> str:
    fields = body.split("&")
    for place, text in enumerate(fields):
        name, equals, value = text.partition("=")
        if equals and re.fullmatch(r"[\w.\[\]-]{1,80}", name):
            fields[place] = f"{name}={each(name, value)}"
        else:
            fields[place] = str(each("", text))
    return "&".join(fields)


def _host(url: str) -> str:
    try:
        return urlsplit(literal(url)).hostname or "request"
    except ValueError:
        return "request"
