"""What does a request to the model hold? A question, on one step of the ladder of forms. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

from pydantic import BaseModel

from agents.kit.hostile import fenced, for_model
from agents.kit.schema import schema_name, strict_schema

SHOWN_AGAIN = 4_000
"""Characters of an unusable answer that go back with what is wrong with it."""

Body: TypeAlias = dict[str, Any]


class Step(IntEnum):
    """Of the ladder, from the top."""

    SCHEMA = 0
    OBJECT = 1
    FENCE = 2


@dataclass(frozen=True, slots=True)
class Question:
    purpose: str
    """What the log calls it."""
    system: str
    user: str
    max_output_tokens: int


def body_of(system: str, user: str, output: type[BaseModel], model: str, step: Step) -> Body:
    """All but the limit of the answer, which has two names."""
    form: Mapping[str, Any] | None = None
    match step:
        case Step.SCHEMA:
            schema = {"name": schema_name(output), "strict": True, "schema": strict_schema(output)}
            form = {"type": "json_schema", "json_schema": schema}
        case Step.OBJECT:
            system = f"{system}\n\nAnswer with one JSON object, {_in_words(output)}"
            form = {"type": "json_object"}
        case Step.FENCE:
            system = (
                f"{system}\n\nAnswer with one JSON object in a ```json fence, {_in_words(output)}"
            )
    body: Body = {
        "model": model,
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": user},
        ],
    }
    return body if form is None else {**body, "response_format": form}


def _in_words(output: type[BaseModel]) -> str:
    schema = json.dumps(strict_schema(output), separators=(",", ":"))
    return f"and nothing else. It must fit this JSON schema:\n{schema}"


def asked_again(user: str, answer: str, problems: str, output: type[BaseModel]) -> str:
    """The question once more, with what was wrong with the answer to it."""
    shown = fenced("your answer", for_model(answer, SHOWN_AGAIN))
    return (
        f"{user}\n\nYour answer to this could not be used: {problems}\n{shown}\n"
        f"Answer again with one JSON object, {_in_words(output)}"
    )
