from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel, ConfigDict, Field

from agents.kit.agent import Proposal
from agents.kit.schema import schema_name, strict_schema
from tests.support.openai_answers import filled
from tests.support.openai_protocol import RefusedRequest, check_request


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Score(BaseModel):
    value: Annotated[float, Field(ge=0, le=1, description="how much")]
    why: Annotated[str, Field(max_length=300)] = ""


class Everything(BaseModel):
    """All that an agent's answer may be made of."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["one"]
    either: Literal["a", "b"]
    colour: Colour
    score: Score
    scores: Annotated[list[Score], Field(min_length=1, max_length=5)]
    count: Annotated[int, Field(gt=0, lt=10, multiple_of=2)] = 4
    maybe: str | None = None
    flag: bool = False
    code: Annotated[str, Field(pattern="^x+$")]


def request(schema: Any) -> dict[str, Any]:
    form = {"name": "Answer", "strict": True, "schema": schema}
    return {
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "response_format": {"type": "json_schema", "json_schema": form},
    }


@pytest.mark.parametrize("model", [Everything, Score, Proposal])
def test_the_schema_is_one_that_strict_mode_takes(model: type[BaseModel]) -> None:
    schema = dict(strict_schema(model))

    check_request(request(schema))
    jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(RefusedRequest):
        check_request(request(model.model_json_schema()))


def test_bounds_are_said_in_words() -> None:
    properties = strict_schema(Everything)["properties"]

    value = properties["score"]["properties"]["value"]
    assert value == {"type": "number", "description": "how much; at most 1; at least 0"}
    assert properties["scores"]["description"] == "at most 5 items; at least 1 items"
    assert properties["code"]["description"] == "matches ^x+$"
    assert properties["kind"] == {"type": "string", "enum": ["one"]}
    assert properties["maybe"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert properties["colour"]["enum"] == ["red", "blue"]


def test_what_fits_the_schema_is_read_by_the_model() -> None:
    values = {"number": 1, "integer": 2, "string": "xxx"}
    made = filled(strict_schema(Everything), lambda _name, schema: values[schema["type"]])

    assert Everything.model_validate_json(json.dumps(made)).count == 2


class Node(BaseModel):
    children: list[Node]


class Named(BaseModel):
    by_name: dict[str, int]


class Pair(BaseModel):
    pair: tuple[int, int]


@pytest.mark.parametrize("model", [Node, Named, Pair])
def test_what_strict_mode_cannot_say_is_refused_when_the_agent_is_written(
    model: type[BaseModel],
) -> None:
    with pytest.raises(TypeError):
        strict_schema(model)


def test_a_name_is_one_that_the_protocol_takes() -> None:
    assert schema_name(Everything) == "Everything"
    generic = type("List[str] ö" * 20, (BaseModel,), {})
    assert len(schema_name(generic)) == 64
    assert schema_name(generic).isascii()
