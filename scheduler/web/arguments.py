"""How query and body become a job's typed parameters, or an error that names what is allowed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from math import isfinite

from pydantic import BaseModel, JsonValue, ValidationError

from scheduler.faults import in_words
from scheduler.job import Asking, Params
from scheduler.params import ParamsError, change_params, own_names
from scheduler.web.answers import Refusal, short
from scheduler.web.body import refuse_twice

DEFAULT_WAIT = 300.0
MAX_WAIT = 86_400.0
MAX_KEY = 200
MAX_REASON = 500
MOST_PARAMS = 100
MOST_NAMED = 10
"""Problems that one answer tells."""

WAIT = {
    "type": "number",
    "minimum": 0,
    "maximum": MAX_WAIT,
    "default": DEFAULT_WAIT,
    "description": "Seconds to wait for the run's end; past them the answer is 202.",
}
KEY = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_KEY,
    "description": "The same key within 24 h answers with the first call's run.",
}
REASON = {"type": "string", "maxLength": MAX_REASON, "description": "Kept with the run."}


def take_wait(query: dict[str, str]) -> float:
    """`?wait=SECONDS`: how long the caller waits for the run's end."""
    text = query.pop("wait", None)
    if text is None:
        return DEFAULT_WAIT
    try:
        wait = float(text)
    except ValueError:
        wait = -1.0
    if not isfinite(wait) or not 0 <= wait <= MAX_WAIT:
        raise Refusal(
            422,
            f"wait must be a number of seconds from 0 to {MAX_WAIT:g}",
            fields={"wait": f"a number of seconds from 0 to {MAX_WAIT:g}"},
        )
    return wait


def take_reason(query: dict[str, str]) -> str | None:
    """`?reason=TEXT`: why the caller wants it."""
    reason = query.pop("reason", None)
    if reason is not None and len(reason) > MAX_REASON:
        allowed = f"a text of up to {MAX_REASON} characters"
        raise Refusal(422, f"reason must be {allowed}", fields={"reason": allowed})
    return reason or None


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    key = headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_KEY or not (key.isascii() and key.isprintable()):
        allowed = f"1 to {MAX_KEY} printable ASCII characters"
        raise Refusal(
            422, f"Idempotency-Key must be {allowed}", fields={"Idempotency-Key": allowed}
        )
    return key


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of one run, and which of them the caller gave."""

    params: Params
    names: Collection[str]


def params_of(
    base: Params, query: Mapping[str, str], body: Mapping[str, JsonValue], asking: Asking
) -> Asked:
    """The entry's parameters with those that the caller gives; camelCase or snake_case alike."""
    given: dict[str, object] = dict(query)
    for name, value in body.items():
        if name in given:
            refuse_twice(name)
        given[name] = value
    if len(given) > MOST_PARAMS:
        raise Refusal(422, f"{len(given)} parameters are given; {MOST_PARAMS} may be")
    try:
        return Asked(change_params(base, given, asking), own_names(type(base), given))
    except ParamsError as error:
        raise refusal_of_params(error) from error


def refusal_of_params(error: ParamsError) -> Refusal:
    """The 422 for parameters, or settings, that cannot be."""
    return _refusal(
        (".".join(map(str, problem.path)), problem.message) for problem in error.problems
    )


def refusal_of(error: ValidationError, model: type[BaseModel]) -> Refusal:
    """The 422 for a body that is no `model`."""
    allowed = ", ".join(field.alias or name for name, field in model.model_fields.items())
    return _refusal(
        (
            str(problem["loc"][0]) if problem["loc"] else "",
            f"unknown; allowed are {allowed}"
            if problem["type"] == "extra_forbidden"
            else in_words(problem),
        )
        for problem in error.errors(include_url=False, include_input=False)
    )


def _refusal(problems: Iterable[tuple[str, str]]) -> Refusal:
    """One error for all problems, each with its name; an empty name is the whole."""
    fields: dict[str, str] = {}
    whole: list[str] = []
    for name, message in islice(problems, MOST_NAMED):
        if name:
            fields.setdefault(short(name), message)
        else:
            whole.append(message)
    sentences = whole + [f"{name}: {message}" for name, message in fields.items()]
    return Refusal(422, "; ".join(sentences), fields=fields)
