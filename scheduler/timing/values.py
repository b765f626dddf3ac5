"""How does a written value become a typed one? Each reader says what is allowed where it refuses.

All raise `ValueError` with a message that follows "config.yaml:3: jobs.cleanup.timeout: ".
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Final, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from scheduler.suggest import did_you_mean, shown
from scheduler.timing.document import List, Node, Scalar

E = TypeVar("E", bound=StrEnum)

_SWITCHES: Final = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
}
_NOTHING: Final = frozenset({"", "~", "null"})
_WHOLE: Final = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,17})")
_DECIMAL: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}(?:[eE][-+]?[0-9]{1,3})?")
_DURATION: Final = re.compile(
    r"(?:(?P<days>\d{1,5})d)?(?:(?P<hours>\d{1,6})h)?"
    r"(?:(?P<minutes>\d{1,7})m)?(?:(?P<seconds>\d{1,8})s)?",
    re.ASCII,
)
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def is_nothing(node: Node) -> bool:
    """Whether the key stands there without a value."""
    return isinstance(node, Scalar) and node.plain and node.text.lower() in _NOTHING


def whole(node: Scalar, low: int, high: int) -> int:
    if node.plain and _WHOLE.fullmatch(node.text) and low <= int(node.text) <= high:
        return int(node.text)
    raise ValueError(f"{shown(node.text)} is not a whole number from {low} to {high}")


def switch(node: Scalar) -> bool:
    value = _SWITCHES.get(node.text.lower()) if node.plain else None
    if value is None:
        quotes = "" if node.plain else ", without quotes"
        raise ValueError(f"{shown(node.text)} is not true or false{quotes}")
    return value


def one_of(node: Scalar, kind: type[E]) -> E:
    allowed = [member.value for member in kind]
    if node.text not in allowed:
        guess = did_you_mean(node.text, allowed)
        raise ValueError(f"{shown(node.text)} is unknown{guess}; allowed are {', '.join(allowed)}")
    return kind(node.text)


def duration(node: Scalar, low: timedelta, high: timedelta) -> timedelta:
    """Read `30s`, `10m`, `24h`, `7d`, or several, the largest unit first: `1h30m`."""
    text = node.text
    bounds = f"allowed are {written(low)} to {written(high)}"
    if re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError(f"{text} has no unit; write {text}s, {text}m, {text}h or {text}d")
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ValueError(
            f"{shown(text)} is not a duration such as 30s, 10m, 24h, 7d or 1h30m; {bounds}"
        )
    value = timedelta(**{unit: int(amount or 0) for unit, amount in found.groupdict().items()})
    if not low <= value <= high:
        raise ValueError(f"{text} is too {'short' if value < low else 'long'}; {bounds}")
    return value


def written(value: timedelta) -> str:
    """Write a duration as a schedule does: `1h30m`, `24h`, `7d`, `0s`."""
    left, parts = int(value.total_seconds()), list[str]()
    if left == 86400:
        return "24h"
    for seconds, unit in _UNITS:
        amount, left = divmod(left, seconds)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"


def zone(node: Scalar) -> ZoneInfo:
    try:
        return ZoneInfo(node.text)
    except (LookupError, ValueError, OSError):
        guess = _zone_meant(node.text[:60])
        raise ValueError(
            f"{shown(node.text)} is not a time zone{guess}; "
            "allowed are the IANA names, such as UTC or Europe/Berlin"
        ) from None


@cache
def _zone_names() -> dict[str, str]:
    """Zones by their last word too, so that `berlin` finds Europe/Berlin."""
    names = sorted(available_timezones())
    return {name.rpartition("/")[2].lower(): name for name in names} | {n.lower(): n for n in names}


def _zone_meant(text: str) -> str:
    names = _zone_names()
    found = names.get(text.lower().replace(" ", "_"))
    return f" (did you mean {found!r}?)" if found else did_you_mean(text, names.values())


def plain_data(node: Node) -> object:
    """Turn a node into what JSON could hold; numbers and switches only where they are plain.

    Numbers with a leading zero, sexagesimal ones (`1:30`) and dates stay text.
    """
    if isinstance(node, Scalar):
        return _scalar_data(node)
    if isinstance(node, List):
        return [plain_data(item) for item in node.items]
    return {key: plain_data(item) for key, item in node.items.items()}


def _scalar_data(node: Scalar) -> object:
    if not node.plain:
        return node.text
    if is_nothing(node):
        return None
    if node.text.lower() in _SWITCHES:
        return _SWITCHES[node.text.lower()]
    if _WHOLE.fullmatch(node.text):
        return int(node.text)
    if _DECIMAL.fullmatch(node.text):
        return float(node.text)
    return node.text
