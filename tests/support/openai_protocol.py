"""What may a chat completion's request be in OpenAI's protocol? With errors of its form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

PARAMETERS = frozenset(
    """audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
    max_tokens messages metadata modalities model moderation n parallel_tool_calls prediction
    presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort
    response_format safety_identifier seed service_tier stop store stream stream_options temperature
    tool_choice tools top_logprobs top_p user verbosity web_search_options""".split()  # noqa: SIM905 - as the documentation lists them
)
KEYWORDS = frozenset(
    """type properties required additionalProperties items enum const anyOf description $ref $defs
    title""".split()  # noqa: SIM905 - as above
)
"""Of schemas in strict mode, as far as every model takes them: the documentation lists the bounds
(minLength, minimum, pattern, maxItems, ...) as refused by some."""
MOST_PROPERTIES, MOST_DEPTH = 5_000, 10


class RefusedRequest(Exception):
    def __init__(
        self, message: str, param: str | None = None, code: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {
                "message": message,
                "type": "invalid_request_error",
                "param": param,
                "code": code,
            }
        }


def check_request(body: Any) -> None:
    """Raises `RefusedRequest`."""
    if not isinstance(body, dict):
        raise RefusedRequest("We could not parse the JSON body of your request.")
    for name in body:
        if name not in PARAMETERS:
            raise RefusedRequest(
                f"Unrecognized request argument supplied: {name}", None, "unknown_parameter"
            )
    for name in ("model", "messages"):
        if not body.get(name):
            raise RefusedRequest(f"Missing required parameter: '{name}'.", name, "missing")
    if "temperature" in body:
        raise RefusedRequest(
            "Unsupported value: 'temperature' does not support 0 with this model.",
            "temperature",
            "unsupported_value",
        )
    if body.get("stream"):
        raise RefusedRequest("This double does not stream.", "stream")
    if "max_tokens" in body and "max_completion_tokens" in body:
        raise RefusedRequest("max_tokens and max_completion_tokens cannot both be set.")
    for name in ("max_tokens", "max_completion_tokens"):
        if name in body and not (isinstance(body[name], int) and body[name] >= 1):
            raise RefusedRequest(f"Invalid value for '{name}'.", name, "invalid_value")
    _check_messages(body["messages"])
    _check_format(body.get("response_format"), body["messages"])


def _check_messages(messages: Any) -> None:
    for message in messages:
        if set(message) - {"role", "content", "name"} or not isinstance(message["content"], str):
            raise RefusedRequest("Invalid message.", "messages")
        if message["role"] not in {"system", "developer", "user", "assistant"}:
            raise RefusedRequest(f"Invalid value: '{message['role']}'.", "messages[0].role")


def _check_format(form: Any, messages: Any) -> None:
    match form:
        case None | {"type": "text"}:
            return
        case {"type": "json_object", **rest} if not rest:
            if not any("json" in message["content"].lower() for message in messages):
                raise RefusedRequest(
                    "'messages' must contain the word 'json' in some form, to use "
                    "'response_format' of type 'json_object'.",
                    "messages",
                )
        case {"type": "json_schema", "json_schema": {"name": name, "schema": schema, **rest}}:
            if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) or set(rest) - {
                "strict",
                "description",
            }:
                raise RefusedRequest("Invalid 'response_format.json_schema'.", "response_format")
            if rest.get("strict"):
                _check_schema(name, schema, (), 0)
                if schema.get("type") != "object":
                    _refuse(name, (), "schema must be a JSON Schema of 'type: \"object\"'")
        case _:
            raise RefusedRequest("Invalid 'response_format'.", "response_format", "invalid_value")


def _check_schema(name: str, schema: Any, where: tuple[str, ...], depth: int) -> None:
    if not isinstance(schema, dict):
        _refuse(name, where, "schema must be an object")
    if depth > MOST_DEPTH:
        _refuse(name, where, "the schema is nested too deeply")
    for key in schema:
        if key not in KEYWORDS:
            _refuse(name, where, f"'{key}' is not permitted")
    if "$ref" in schema and len(schema) > 1:
        _refuse(name, where, "$ref cannot have keywords beside it")
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False:
            _refuse(
                name, where, "'additionalProperties' is required to be supplied and to be false"
            )
        if sorted(schema.get("required", ())) != sorted(properties):
            _refuse(name, where, "'required' is required to include every key in properties")
        if len(properties) > MOST_PROPERTIES:
            _refuse(name, where, "too many properties")
        for key, inner in properties.items():
            _check_schema(name, inner, (*where, "properties", key), depth + 1)
    elif schema.get("type") == "array":
        _check_schema(name, schema.get("items"), (*where, "items"), depth + 1)
    elif not {"type", "anyOf", "enum", "const", "$ref"} & set(schema):
        _refuse(name, where, "schema must have a 'type' key")
    for position, inner in enumerate(schema.get("anyOf", ())):
        _check_schema(name, inner, (*where, "anyOf", str(position)), depth)
    for key, inner in schema.get("$defs", {}).items():
        _check_schema(name, inner, (*where, "$defs", key), depth)


def _refuse(name: str, where: tuple[str, ...], what: str) -> None:
    raise RefusedRequest(
        f"Invalid schema for response_format '{name}': In context={where}, {what}.",
        "response_format",
    )


def schema_of(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the answer must be, from wherever the request says it."""
    form = request.get("response_format") or {}
    if form.get("type") == "json_schema":
        schema: Mapping[str, Any] = form["json_schema"]["schema"]
        return schema
    import json

    text = request["messages"][0]["content"]
    start = text.index("It must fit this JSON schema:\n") + len("It must fit this JSON schema:\n")
    read: Mapping[str, Any] = json.JSONDecoder().raw_decode(text[start:])[0]
    return read
