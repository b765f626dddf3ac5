"""Which JSON schema tells a model what its answer must be? A strict one, of a pydantic model. Pure.

Strict mode wants every property required and no further ones, and refuses many keywords: what
bounds a value is said in the description instead, and held against the answer by pydantic itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

KEPT = frozenset({"type", "enum", "items", "properties", "anyOf", "description"})
DROPPED = frozenset({"title", "default", "examples", "discriminator", "$defs"})
BOUNDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "uniqueItems": "no item twice",
    "pattern": "matches {}",
    "format": "a {}",
}


@cache
def strict_schema(model: type[BaseModel]) -> Mapping[str, Any]:
    """Raises `TypeError` for a model that strict mode cannot say: mappings, tuples, recursion."""
    whole = model.model_json_schema()
    return _strict(whole, whole.get("$defs", {}), ())


def schema_name(model: type[BaseModel]) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", model.__name__)[:64]


def _strict(
    given: Mapping[str, Any], known: Mapping[str, Any], within: tuple[str, ...]
) -> dict[str, Any]:
    if "$ref" in given:
        name = given["$ref"].removeprefix("#/$defs/")
        if name in within:
            raise TypeError(f"{name} contains itself, which strict mode is not asked to follow")
        beside = {key: value for key, value in given.items() if key != "$ref"}
        return _strict({**known[name], **beside}, known, (*within, name))
    made: dict[str, Any] = {}
    words = [given["description"]] if "description" in given else []
    for key, value in given.items():
        if key == "const":
            made["enum"] = [value]
        elif key == "oneOf":
            made["anyOf"] = [_strict(one, known, within) for one in value]
        elif key == "anyOf":
            made[key] = [_strict(one, known, within) for one in value]
        elif key == "items":
            made[key] = _strict(value, known, within)
        elif key == "properties":
            made[key] = {name: _strict(one, known, within) for name, one in value.items()}
        elif key in BOUNDS:
            words.append(BOUNDS[key].format(value))
        elif key in KEPT:
            made[key] = value
        elif key not in DROPPED | {"additionalProperties", "required"}:
            raise TypeError(f"strict mode has no word for {key}")
    if words:
        made["description"] = "; ".join(words)
    if made.get("type") == "object":
        if "properties" not in made:
            raise TypeError("strict mode wants every property named: a mapping has no names")
        made["additionalProperties"] = False
        made["required"] = list(made["properties"])
    return made
