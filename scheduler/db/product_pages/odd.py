"""What can stand in the product's JSON, and what is wrong where something else does? Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from scheduler.errors import LamplighterError

MOST_NAME = 255


class OddError(LamplighterError):
    """JSON that is not of the form that the jobs write; says where in it."""


def parsed(path: str, text: str | None) -> Any:
    """The value; None where there is none. Raises `OddError`."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OddError(f"{path} is nested too deeply, or has a number too long") from error


def entries(path: str, value: object) -> list[tuple[str, Mapping[str, Any]]]:
    """The objects of a list with their paths; none of nothing. Raises `OddError`."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise OddError(f"{path} is {kind(value)}, not a list")
    for n, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise OddError(f"{path}[{n}] is {kind(entry)}, not an object")
    return [(f"{path}[{n}]", entry) for n, entry in enumerate(value)]


def text(path: str, value: object) -> str:
    if not isinstance(value, str):
        raise OddError(f"{path} is {kind(value)}, not a text")
    return value[:MOST_NAME]


def count(path: str, value: object) -> int:
    """A whole number that so many people or things can be."""
    found = share(path, value)
    if found != int(found):
        raise OddError(f"{path} is not a whole number")
    return int(found)


def share(path: str, value: object) -> float:
    """A number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OddError(f"{path} is {kind(value)}, not a number")
    if not math.isfinite(value) or not 0 <= value < 2**53:
        raise OddError(f"{path} is out of range")
    return value


def kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "something else"
