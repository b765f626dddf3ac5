"""How do variables get into a text? `${NAME}` is one, `$$` is a dollar. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from pydantic import JsonValue

_DOLLAR = re.compile(r"\$(?:\$|\{(?P<name>[A-Za-z_][A-Za-z0-9_]{0,99})\}|(?P<wrong>))")
T = TypeVar("T", bound=JsonValue)


def check_text(text: str) -> str:
    """Raises `ValueError` for a dollar that is neither."""
    for found in _DOLLAR.finditer(text):
        if found["wrong"] is not None:
            raise ValueError(
                "has a $ that begins no variable: write ${NAME} for one, and $$ for a dollar"
            )
    return text


def names_in(text: str) -> Iterator[str]:
    return (found["name"] for found in _DOLLAR.finditer(text) if found["name"])


def filled(text: str, values: Mapping[str, str]) -> str:
    return _DOLLAR.sub(lambda found: values[found["name"]] if found["name"] else "$", text)


def literal(text: str) -> str:
    """What stands there for everybody to read, with a space for each variable."""
    return _DOLLAR.sub(lambda found: " " if found["name"] else "$", text)


def in_literals(text: str, change: Callable[[str], str]) -> str:
    """The text with all but its variables and `$$` changed."""
    parts, at = list[str](), 0
    for found in _DOLLAR.finditer(text):
        parts += (change(text[at : found.start()]), found[0])
        at = found.end()
    return "".join((*parts, change(text[at:])))


def each_text(value: JsonValue, change: Callable[[str], str]) -> JsonValue:
    """The same value with its texts changed, however deep they are; keys stay."""
    match value:
        case str():
            return change(value)
        case list():
            return [each_text(item, change) for item in value]
        case dict():
            return {key: each_text(item, change) for key, item in value.items()}
        case _:
            return value


def texts_of(value: JsonValue) -> list[str]:
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        return text

    each_text(value, note)
    return found
