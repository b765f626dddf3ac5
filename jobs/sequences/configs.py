"""What may stand in the JSON of a sequence, and what is wrong with it? Pure.

The JSON is the product's people's. It is read strictly: a key that is not known here might be a
filter, and a sequence that ignores a filter writes to people whom nobody meant.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

LONGEST = 20_000
"""Characters of a config; read one more of the column than that, to see that it is too long."""
MOST_DAYS = 3650
"""For delays and offsets: ten years. Whoever writes more has mistaken the unit."""
MOST_SHOWN = 5
"""Mistakes that are told of one config."""

TimeField: TypeAlias = Literal[
    "created_at",
    "double_optin_at",
    "last_clicked_at",
    "last_email_at",
    "last_opened_at",
    "subscribed_at",
    "user.created_at",
    "user.credits_reset_at",
    "user.last_generation_at",
    "user.last_login_at",
    "user.subscription_ends_at",
    "user.subscription_started_at",
]
"""The times that a sequence may wait for: the subscriber's, and `user.` the account's. The queries
read each by a `CASE` of their own; a test holds them against this list."""

Tag: TypeAlias = Annotated[str, Field(max_length=100, pattern=r"\S")]
Slug: TypeAlias = Annotated[str, Field(min_length=1, max_length=255)]


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Signup(Config):
    """Somebody subscribed."""


class Manual(Config):
    """Nobody, but by `lamplighter enroll`."""


class Event(Config):
    """The subscriber's account has an event of this type."""

    event: str = Field(min_length=1, max_length=100)


class OfSegment(Config):
    segment: Slug | None = None
    segment_id: UUID | None = None


class SegmentJoined(OfSegment):
    """Came into the segment `delay_days` ago, and is still in it."""

    delay_days: int = Field(0, ge=0, le=MOST_DAYS)


class TagAdded(Config):
    """The tag is among the subscriber's interests, and was not before."""

    tag: Tag


class DateField(Config):
    """A time of the subscriber's or the account's, so many days before (negative) or after."""

    field: TimeField
    offset_days: int = Field(0, ge=-MOST_DAYS, le=MOST_DAYS)


class AddTag(Config):
    tag: Tag


class AddToSegment(OfSegment):
    @model_validator(mode="after")
    def _one(self) -> AddToSegment:
        if (self.segment is None) == (self.segment_id is None):
            raise ValueError("takes either segment (a slug) or segment_id")
        return self


class Call(Config):
    url: str = Field(min_length=1, max_length=2048)
    body: dict[str, JsonValue] | None = None


class WaitUntil(Config):
    until: datetime | None = None
    field: TimeField | None = None

    @model_validator(mode="after")
    def _one(self) -> WaitUntil:
        if (self.until is None) == (self.field is None):
            raise ValueError("takes either until (an ISO 8601 time) or field")
        return self


Trigger: TypeAlias = Signup | Manual | Event | SegmentJoined | TagAdded | DateField
TRIGGERS: dict[str, type[Trigger]] = {
    "signup": Signup,
    "manual": Manual,
    "event": Event,
    "segment_joined": SegmentJoined,
    "tag_added": TagAdded,
    "date_field": DateField,
}

C = TypeVar("C", bound=Config)


class ConfigError(Exception):
    """What is wrong, and where in the config."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def read_config(kind: type[C], text: str | None, path: str) -> C:
    """The config written in `text`, where NULL is an empty object. Raises `ConfigError`."""
    if text is not None and len(text) > LONGEST:
        raise ConfigError(path, f"is longer than {LONGEST:,} characters")
    try:
        return kind.model_validate_json("{}" if text is None else text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[:MOST_SHOWN]
        where = path + "".join(_step(step) for step in first[0]["loc"])
        messages = [
            "".join(_step(step) for step in item["loc"]).lstrip(".")
            + (": " if item["loc"] else "")
            + _message(item["type"], item["msg"], kind)
            for item in first
        ]
        raise ConfigError(where, "; ".join(messages)) from None


def utc(moment: datetime, zone: ZoneInfo, path: str) -> datetime:
    """A time without an offset is one of the job's zone. Raises `ConfigError`."""
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise ConfigError(path, "is beyond the calendar") from None


def _step(step: int | str) -> str:
    return f"[{step}]" if isinstance(step, int) else f".{step[:60]}"


def _message(of: str, message: str, kind: type[Config]) -> str:
    if of == "extra_forbidden":
        known = ", ".join(kind.model_fields) or "no keys at all"
        return f"is not known here; there may be {known}"
    return message.removeprefix("Value error, ")
