"""What may a cron expression say? The five fields as Vixie cron reads them, and nothing more.

Whatever Debian's cron takes in silence and then never runs, or runs otherwise than it reads
(reversed ranges, steps past a field's range, 30 February), is refused here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_LENGTH: Final = 500
"""Characters; every minute, hour, day, month and weekday written out takes 349."""

NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIRST_HALF: Final = ("jan", "feb", "mar", "apr", "may", "jun")
_MONTHS: Final = (*_FIRST_HALF, "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NUMBER: Final = re.compile(r"[0-9]{1,4}")
_OTHER_DIALECTS: Final = re.compile(r"[?#]|^[0-9]*[lw]+$|^l-", re.IGNORECASE)


class CronError(ValueError):
    """A cron expression is refused; the text says what is wrong with it and what is allowed."""


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five fields."""

    text: str
    """In numbers, lists, ranges and steps that every reader of cron takes alike."""
    values: frozenset[int]
    """What it matches; Sunday is 0."""
    starred: bool
    """Begins with `*`: which makes the days AND, and the time follow elapsed time."""
    full: bool
    """Matches everything that the field can hold."""


class Fields(NamedTuple):
    """A whole expression."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    @property
    def both_days(self) -> bool:
        """Whether day-of-month and day-of-week must both match (else one of them suffices)."""
        return self.day.starred or self.weekday.starred

    @property
    def follows_elapsed_time(self) -> bool:
        """Whether Vixie calls it a wildcard job, whose hours may be missing or come twice."""
        return self.minute.starred or self.hour.starred


@dataclass(frozen=True, slots=True)
class _Rule:
    """What one field may hold."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        named = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        sunday = " (0 and 7 are Sunday)" if self.high == 7 else ""
        return f"allowed are {self.low}-{self.high}{named}{sunday}"

    def number(self, text: str) -> int:
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.low
        if _NUMBER.fullmatch(text) is None:
            if _OTHER_DIALECTS.search(text):
                raise CronError(
                    f"{self.name}: {text!r} is not Vixie cron (L, W, # and ? are not supported); "
                    f"{self.allowed}, with lists, ranges and steps"
                )
            what = f"{text!r} is not a number" if text else "a number is missing"
            raise CronError(f"{self.name}: {what}; {self.allowed}")
        if not self.low <= int(text) <= self.high:
            raise CronError(f"{self.name}: {text} is out of range; {self.allowed}")
        return int(text)

    def step(self, text: str, item: str) -> int:
        if _NUMBER.fullmatch(text) is None or not 1 <= int(text) <= self.high:
            raise CronError(
                f"{self.name}: the step of {item!r} is out of range; allowed are 1-{self.high}"
            )
        return int(text)

    def item(self, item: str) -> tuple[str, range]:
        """Read one item of a list: its text in numbers, and what it matches."""
        span, slash, step_text = item.partition("/")
        if span == "*":
            first, last, text = self.low, self.high, "*"
        else:
            start, dash, end = span.partition("-")
            first = last = self.number(start)
            if dash:
                last = self.number(end)
            elif slash:
                raise CronError(
                    f"{self.name}: a step needs a range before it, not the single {span!r}; "
                    f"allowed are {first}-{self.high}/{step_text} and */{step_text}"
                )
            if last < first:
                sunday = " (Sunday ends a range as 7)" if self.high == 7 and last == 0 else ""
                raise CronError(
                    f"{self.name}: the range {span!r} runs backwards{sunday}; "
                    f"{self.allowed}, the smaller first"
                )
            text = str(first) if first == last else f"{first}-{last}"
        step = self.step(step_text, item) if slash else 1
        if step > 1 and first != last:
            text = f"{text}/{step}"
        return text, range(first, last + 1, step)

    def field(self, text: str) -> Field:
        items = [self.item(item) for item in text.split(",")]
        values = frozenset(
            value % 7 if self.high == 7 else value for _, matches in items for value in matches
        )
        size = 7 if self.high == 7 else self.high - self.low + 1
        return Field(
            text=",".join(item for item, _ in items),
            values=values,
            starred=text.startswith("*"),
            full=len(values) == size,
        )


_RULES: Final = (
    _Rule("minute", 0, 59),
    _Rule("hour", 0, 23),
    _Rule("day of month", 1, 31),
    _Rule("month", 1, 12, _MONTHS),
    _Rule("day of week", 0, 7, _DAYS),
)


def parse_fields(expression: str) -> Fields:
    """Read five fields or one of the `@` names.

    Raises `CronError`, also for an expression that never fires.
    """
    if len(expression) > MAX_LENGTH:
        raise CronError(f"is {len(expression)} characters long; allowed are {MAX_LENGTH}")
    plain = expression.strip(" \t")
    if plain.startswith("@"):
        if plain.lower() not in NAMED:
            names = ", ".join(NAMED)
            raise CronError(f"{plain!r} is not a known name; allowed are {names}, or five fields")
        plain = NAMED[plain.lower()]
    texts = re.split(r"[ \t]+", plain) if plain else []
    if len(texts) != len(_RULES):
        many = "1 field" if len(texts) == 1 else f"{len(texts)} fields"
        raise CronError(
            f"has {many}; allowed are exactly five: minute hour day-of-month month day-of-week"
        )
    fields = Fields(*(rule.field(text) for rule, text in zip(_RULES, texts, strict=True)))
    longest = max(_LONGEST_MONTHS[month - 1] for month in fields.month.values)
    if fields.both_days and min(fields.day.values) > longest:
        raise CronError(
            f"never fires: no month in {texts[3]!r} has a day {min(fields.day.values)}; "
            f"allowed are days up to {longest}"
        )
    return fields
