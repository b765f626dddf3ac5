"""What is a funnel's step, and what is wrong with a definition that is broken?"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from scheduler.errors import PermanentError
from scheduler.faults import in_words

MOST_STEPS = 20
MOST_LEVELS = 10
"""Of objects and lists in a condition."""


class BrokenFunnelError(PermanentError):
    """A funnel's definition cannot be computed; says where in it, and what is allowed."""


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


def _shallow(value: dict[str, object]) -> dict[str, object]:
    level: list[Any] = [value]
    for _ in range(MOST_LEVELS):
        inside = [item.values() if isinstance(item, dict) else item for item in level]
        level = [item for items in inside for item in items if isinstance(item, dict | list)]
    if level:
        raise ValueError(f"nested too deeply; {MOST_LEVELS} levels at most")
    return value


class Step(BaseModel):
    """A step as the product defines it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    event: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_without_nul)]
    """The `event_type`; the product's column takes 100 characters."""
    name: Annotated[str, Field(max_length=255)] | None = None
    """What people call it; the event where it is not given."""
    where: Annotated[dict[str, object], AfterValidator(_shallow)] | None = None
    """What the event's `properties`, and for keys that they lack its `metadata`, must contain."""


# What it is called in a funnel's JSON.
SAID = {
    "extra_forbidden": "is not known; a step has event, name and where",
    "model_type": "must be an object",
    "dict_type": "must be an object",
}
STEPS = TypeAdapter(Annotated[list[Step], Field(min_length=2, max_length=MOST_STEPS)])


def parse_steps(text: str) -> list[Step]:
    """The steps in a funnel's JSON. Raises `BrokenFunnelError` with the path of the first fault."""
    try:
        return STEPS.validate_python(json.loads(text))
    except RecursionError as error:
        raise BrokenFunnelError("steps: nested too deeply") from error
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        path = "steps"
        for part in fault["loc"]:
            path += f"[{part}]" if isinstance(part, int) else f".{part:.100}"
        message = SAID.get(fault["type"]) or in_words(fault)
        raise BrokenFunnelError(f"{path}: {message}") from error
    except ValueError as error:  # of what the column holds, JSON always
        raise BrokenFunnelError("steps: holds a number with too many digits to be read") from error
