"""What does a model's answer say? Read with distrust, for it may be anything. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import from_json

Output = TypeVar("Output", bound=BaseModel)

MOST_PROBLEMS = 10
MOST_FENCES = 10
MOST_OF_A_WORD = 200
THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
"""What some endpoints put before the answer of a model that reasons."""
FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
NOT_A_NAME = re.compile(r"[^A-Za-z0-9_-]")


class NotJsonError(ValueError):
    """The text holds no JSON value that could be the answer."""


def _count(value: object) -> object:
    """A whole number of tokens, or None: what is odd is as good as missing."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < 1_000_000_000 else None  # type: ignore[operator]


def _text(value: object) -> object:
    return value if isinstance(value, str) else None


Count = Annotated[int | None, BeforeValidator(_count)]
Text = Annotated[str | None, BeforeValidator(_text)]


class TokenCount(BaseModel):
    prompt_tokens: Count = None
    completion_tokens: Count = None


class Message(BaseModel):
    content: Text = None
    refusal: Text = None


class Choice(BaseModel):
    message: Message = Field(default_factory=Message)
    finish_reason: Text = None


class Completion(BaseModel):
    """What is used of a chat completion."""

    choices: list[Choice] = Field(default_factory=list)
    usage: Annotated[
        TokenCount, BeforeValidator(lambda value: value if isinstance(value, dict) else {})
    ] = Field(default_factory=TokenCount)

    @property
    def first(self) -> Choice:
        return self.choices[0] if self.choices else Choice()


def read_completion(body: bytes) -> Completion | None:
    """None where the body is no completion at all."""
    try:
        return Completion.model_validate_json(body)
    except ValidationError:
        return None


def read_answer(text: str, output: type[Output]) -> Output:
    """The answer, wherever in the text its JSON stands.

    Raises `NotJsonError`, and `ValidationError` where it is JSON, but not what was asked for.
    """
    return output.model_validate_json(_json_in(text))


def _json_in(text: str) -> str:
    text = THOUGHTS.sub("", text).strip().removeprefix("\ufeff")
    candidates = [text, *islice(_fenced(text), MOST_FENCES)]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        candidates.append(text[start : end + 1])
    for candidate in candidates:
        try:
            # Numbers that are none would pass bounds, and PostgreSQL takes none in JSON.
            value = from_json(candidate, allow_inf_nan=False)
        except ValueError:
            continue
        if isinstance(value, dict):
            return candidate
    raise NotJsonError("it holds no JSON object")


def _fenced(text: str) -> Iterator[str]:
    """What stands in fences, each begun and ended by a line of at least as many marks."""
    mark: str | None = None
    inside: list[str] = []
    for line in text.split("\n"):
        fence = FENCE.match(line)
        if mark is None:
            mark, inside = (fence[1], []) if fence else (None, [])
        elif fence and fence[1].startswith(mark):
            yield "\n".join(inside)
            mark = None
        else:
            inside.append(line)


def problems_of(error: ValidationError | NotJsonError) -> str:
    """What is wrong with an answer, for the model that gave it."""
    if isinstance(error, NotJsonError):
        return str(error)
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [
        f"{_place(one['loc'])}: {one['msg'][:MOST_OF_A_WORD]}" for one in found[:MOST_PROBLEMS]
    ]
    if len(found) > MOST_PROBLEMS:
        lines.append(f"and {len(found) - MOST_PROBLEMS} more")
    return "; ".join(lines)


def _place(location: tuple[int | str, ...]) -> str:
    """Names that the model has made up are part of it."""
    parts = (NOT_A_NAME.sub("?", str(part))[:60] for part in location[:6])
    return ".".join(parts) or "the whole"
