"""How do times, durations, numbers and statuses read on a page? Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

NOTHING: Final = "–"

_STEPS: Final = (
    (timedelta(days=730), timedelta(days=365), "years"),
    (timedelta(days=60), timedelta(days=30), "months"),
    (timedelta(days=2), timedelta(days=1), "days"),
    (timedelta(hours=2), timedelta(hours=1), "h"),
    (timedelta(minutes=1), timedelta(minutes=1), "min"),
    (timedelta(0), timedelta(seconds=1), "s"),
)


def relative(moment: datetime, now: datetime) -> str:
    """`3 min ago`, `in 5 h`."""
    away = abs(now - moment)
    for least, unit, word in _STEPS:
        if away >= least:
            amount = f"{away // unit} {word}"
            break
    if away < timedelta(seconds=1):
        return "now"
    return f"{amount} ago" if moment < now else f"in {amount}"


def exact(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(length: timedelta | float | None) -> str:
    """Of a time span, or of seconds."""
    if length is None:
        return NOTHING
    seconds = length.total_seconds() if isinstance(length, timedelta) else float(length)
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    days, whole = divmod(whole, 86_400)
    hours, whole = divmod(whole, 3600)
    minutes, whole = divmod(whole, 60)
    parts = [(days, "day" if days == 1 else "days"), (hours, "h"), (minutes, "min"), (whole, "s")]
    while parts and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{amount} {word}" for amount, word in parts[:2] if amount)


def number(value: float | None, digits: int = 2) -> str:
    """`1,234,567`, `0.5`; as many digits after the point as it has, up to `digits`."""
    if value is None:
        return NOTHING
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(part: float | None, digits: int = 1) -> str:
    """Of a share from 0 to 1."""
    return NOTHING if part is None else f"{number(part * 100, digits)} %"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 run`, `2 runs`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def sentence(text: str) -> str:
    """What the API says, as it stands on a page: with a capital, and a stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".")


def words(name: object) -> str:
    """A name from code as words: `timed_out`, `webhooksDeleted`, `per-page`."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", str(name))
    return re.sub(r"[_\-\s]+", " ", text).strip().lower()
