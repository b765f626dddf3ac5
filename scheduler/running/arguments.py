"""What somebody asks a job to do differently this time, held against its parameters."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic.alias_generators import to_snake

from scheduler.errors import LamplighterError
from scheduler.job import Params


class ArgumentsError(LamplighterError):
    """Arguments that the job does not take; `fields` says for each name what is allowed."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(fields)
        named = "; ".join(f"{name}: {why}" for name, why in self.fields.items())
        super().__init__(f"the arguments do not fit: {named}")


def with_arguments(base: Params, given: Mapping[str, object]) -> Params:
    """The entry's parameters with `given` in their place, names in camelCase or snake_case.

    Texts are read as numbers and truth values where the parameter is one, since a query string has
    nothing else. Raises `ArgumentsError` that names every bad one.
    """
    kind = type(base)
    known = kind.model_fields
    values = base.model_dump()
    fields: dict[str, str] = {}
    asked: dict[str, str] = {}
    for name, value in given.items():
        field = name if name in known else to_snake(name)
        if field not in known:
            names = ", ".join(known) or "none"
            fields[name] = f"no such parameter; allowed: {names}"
        elif field in asked:
            fields[name] = f"given twice, as {asked[field]} too"
        else:
            asked[field] = name
            values[field] = value
    try:
        params = kind.model_validate(values)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            field = str(problem["loc"][0]) if problem["loc"] else ""
            name = asked.get(field) or asked.get(to_snake(field)) or field
            fields[name] = _in_words(problem["msg"])
        raise ArgumentsError(fields) from None
    if fields:
        raise ArgumentsError(fields)
    return params


def _in_words(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input ").replace("should", "must", 1)
