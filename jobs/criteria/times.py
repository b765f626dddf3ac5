"""Which moment does a time in criteria mean? Pure; nothing of it is ever executed as SQL."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta

from jobs.criteria.errors import Unfit

WANTED = (
    "a time: ISO 8601 like '2026-01-31T09:00:00Z', or counted from now like '-7d', "
    '"NOW() - INTERVAL 7 DAY" or "now() - interval \'7 days\'"'
)
DATE_WANTED = (
    "a date: like '2026-01-31', or counted from today like '-7d', "
    '"NOW() - INTERVAL 7 DAY" or "now() - interval \'7 days\'"'
)
LONGEST = 60

SHORT = re.compile(r"(?P<sign>[+-])(?P<amount>\d{1,6})(?P<unit>[smhdwy]|mo)", re.ASCII)
LONG = re.compile(
    r"now\(\)(?:\s*(?P<sign>[+-])\s*interval\s+"
    r"(?:'(?P<quoted>\d{1,6})\s+(?P<quoted_unit>[a-z]+)'"
    r"|(?P<quote>'?)(?P<amount>\d{1,6})(?P=quote)\s+(?P<unit>[a-z]+)))?",
    re.ASCII | re.IGNORECASE,
)
# `m` is minutes, as in the schedule's own `timeout: 10m`.
LETTERS = {
    "s": "second",
    "m": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
ELAPSED = {"second": 1, "minute": 60, "hour": 3600}
DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "year": 12}


def moment_of(text: str, now: datetime) -> datetime:
    """The moment that `text` means, in UTC.

    `now` is aware. Its zone is the one of times without an offset, and the one whose days, weeks,
    months and years are counted; seconds, minutes and hours simply pass. The last day of a month
    stands for a later one. Raises `Unfit` where it means none.
    """
    try:
        relative = _relative(text, now)
        moment = relative or datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=now.tzinfo)
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise Unfit from error


def date_of(text: str, now: datetime) -> date:
    """The same for a date: `now` is today in its zone. Raises `Unfit`."""
    try:
        relative = _relative(text, now)
        return date.fromisoformat(text) if relative is None else relative.date()
    except (OverflowError, ValueError) as error:
        raise Unfit from error


def _relative(text: str, now: datetime) -> datetime | None:
    if len(text) > LONGEST:
        raise Unfit
    if match := SHORT.fullmatch(text.strip()):
        return _shifted(now, match["sign"], int(match["amount"]), LETTERS[match["unit"]])
    match = LONG.fullmatch(text.strip())
    if match is None:
        return None
    if match["sign"] is None:
        return now
    unit = (match["quoted_unit"] or match["unit"]).lower().removesuffix("s")
    return _shifted(now, match["sign"], int(match["quoted"] or match["amount"]), unit)


def _shifted(now: datetime, sign: str, amount: int, unit: str) -> datetime:
    amount = -amount if sign == "-" else amount
    if unit in ELAPSED:
        elapsed = now.astimezone(UTC) + timedelta(seconds=amount * ELAPSED[unit])
        return elapsed.astimezone(now.tzinfo)
    if unit in DAYS:
        return now + timedelta(days=amount * DAYS[unit])
    if unit not in MONTHS:
        raise Unfit
    year, month = divmod(now.year * 12 + now.month - 1 + amount * MONTHS[unit], 12)
    if not 1 <= year <= 9999:
        raise Unfit
    last = calendar.monthrange(year, month + 1)[1]
    return now.replace(year=year, month=month + 1, day=min(now.day, last))
