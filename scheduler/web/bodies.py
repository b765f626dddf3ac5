"""The bodies that the admin API takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
)

from scheduler.settings import LogLevel
from scheduler.web.arguments import MAX_REASON, refusal_of
from scheduler.web.body import read_object
from scheduler.web.front import MAX_BODY

DURATION = re.compile(r"([0-9]{1,5})([smh])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}
TIME = "must be a time with offset such as 2025-01-31T06:00:00+00:00"

Body = TypeVar("Body", bound=BaseModel)


class ReasonBody(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    reason: Annotated[str, Field(max_length=MAX_REASON)] | None = None
    """Why; kept with what was done."""


class TriggerBody(ReasonBody):
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """The job's parameters, where they differ from the schedule's."""


class PauseBody(ReasonBody):
    until: AwareDatetime | None = None
    """When it ends by itself; without it somebody has to resume the job."""

    @field_validator("until", mode="before")
    @classmethod
    def _iso_only(cls, value: object) -> object:
        # pydantic would take a bare number as seconds since 1970.
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise ValueError(TIME)
        return moment


class LogLevelBody(ReasonBody):
    level: LogLevel
    for_: timedelta = Field(
        timedelta(minutes=10),
        alias="for",
        json_schema_extra={"type": "string", "pattern": DURATION.pattern, "default": "10m"},
    )
    """How long, `30s`, `10m` or `2h`, up to 24h; then the configured level is back."""

    @field_validator("for_", mode="before")
    @classmethod
    def _written(cls, value: object) -> object:
        found = DURATION.fullmatch(value) if isinstance(value, str) else None
        duration = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else timedelta(0)
        if not timedelta(0) < duration <= timedelta(hours=24):
            raise ValueError("must be a duration such as 30s, 10m or 2h, up to 24h")
        return duration


class ApproveBody(ReasonBody):
    model_config = ConfigDict(populate_by_name=True)

    shown_hash: Annotated[str, Field(max_length=100)] | None = Field(None, alias="shownHash")
    """The `shownHash` of what the approver saw: another one by now is a 409."""


class EditBody(ApproveBody):
    title: Annotated[str, Field(max_length=1_000)] | None = None
    """Instead of the one that is there."""
    body: Annotated[str, Field(max_length=50_000)] | None = None
    """Markdown, instead of what is there."""


class RejectManyBody(ReasonBody):
    ids: Annotated[list[UUID], Field(min_length=1, max_length=200)]


class SwitchBody(ReasonBody):
    enabled: bool
    """False stops all publishing without approval; true ends that."""


async def body_asked(request: web.Request, model: type[Body], most: int = MAX_BODY) -> Body:
    """The body as `model`; an empty one is its defaults. Raises a 422 that names the fields."""
    return as_body(await read_object(request, most), model)


def as_body(values: Mapping[str, object], model: type[Body]) -> Body:
    """What a form has sent, say, as `model`. Raises a 422 that names the fields."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise refusal_of(error, model) from error
