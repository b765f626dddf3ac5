"""The bodies that the admin API takes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeVar

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

from scheduler.web.arguments import MAX_REASON, refusal_of
from scheduler.web.body import read_object

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


async def body_asked(request: web.Request, model: type[Body]) -> Body:
    """The body as `model`; an empty one is its defaults. Raises a 422 that names the fields."""
    try:
        return model.model_validate(await read_object(request))
    except ValidationError as error:
        raise refusal_of(error, model) from error
