"""What are parameters, and are these the right ones? From raw values to a typed `Params`.

The schedule, the routes and the commands take the same names (camelCase or snake_case) and answer
with the same words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, TypeAlias, TypeVar, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from scheduler.errors import LamplighterError
from scheduler.faults import WHOLE, in_words
from scheduler.suggest import did_you_mean, shown


class Params(BaseModel):
    """A job's parameters: typed, bounded, unknown names refused, camelCase or snake_case alike."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    from_file_alone: ClassVar[bool] = False
    """They come from the schedule file alone: whoever asks for a run can give none of them, and
    there is no run but of an entry."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Somebody asks for a run: then, and only then, what validators find in `info.context`.

    With it they refuse what cannot be right at that moment, such as a day that is not over. The
    schedule's own parameters are for moments to come, so a job holds them to the same when it runs.
    """

    now: datetime
    timezone: ZoneInfo
    """The entry's."""


P = TypeVar("P", bound=Params)
Path: TypeAlias = tuple[str | int, ...]

FILE_ALONE: Final = (
    "cannot be given with a run: the parameters of this job come from the schedule file alone; "
    "change its entry there, or leave this out"
)
_BOUNDED: Final = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal"})


@dataclass(frozen=True, slots=True)
class ParamProblem:
    """One parameter is refused."""

    path: Path
    """Where: the parameter's name as it was given, then positions inside it. Empty: all of them."""
    message: str


class ParamsError(LamplighterError):
    """The parameters are refused; `problems` has all of the reasons."""

    def __init__(self, problems: tuple[ParamProblem, ...]) -> None:
        self.problems = problems
        super().__init__(
            "; ".join(f"{'.'.join(map(str, p.path)) or 'params'}: {p.message}" for p in problems)
        )


def read_params(
    model: type[P],
    raw: Mapping[str, object],
    asking: Asking | None = None,
    whose: str = "a parameter of this job",
    also: Collection[str] = (),
) -> P:
    """Hold raw values against a job's parameters, or other keys that are `whose`.

    Where somebody asks now, they are held against the moment too.

    `also` are named among what is allowed: whoever asks reads them. Raises `ParamsError` with
    every problem.
    """
    names = {name: name for name in model.model_fields}
    names |= {field.alias: name for name, field in model.model_fields.items() if field.alias}
    written: dict[str, str] = {}
    problems: list[ParamProblem] = []
    for given in raw:
        name = names.get(given)
        if name is None:
            problems.append(ParamProblem((given,), _unknown(given, model, whose, also)))
        elif name in written:
            problems.append(ParamProblem((given,), f"is the same as {written[name]!r}; give one"))
        else:
            written[name] = given
    for name, given in written.items():
        # pydantic takes yes for 1, which nobody means who writes `days: yes`.
        if isinstance(raw[given], bool) and _is_number(model.model_fields[name].annotation):
            problems.append(ParamProblem((given,), "must be a number"))
    try:
        params = model.model_validate(
            {name: raw[given] for name, given in written.items()}, context=asking
        )
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            first, *rest = detail["loc"] or ("",)
            name = names.get(str(first), str(first))
            path: Path = (_plain(written.get(name, name)), *rest) if name else ()
            problems.append(ParamProblem(path, _message(detail, model, name)))
        raise ParamsError(tuple(problems)) from None
    if problems:
        raise ParamsError(tuple(problems))
    return params


def own_name(model: type[Params], given: str) -> str:
    """The name that the model itself has for a parameter named in either way."""
    return next((name for name, field in model.model_fields.items() if field.alias == given), given)


def own_names(model: type[Params], given: Iterable[str]) -> set[str]:
    return {own_name(model, name) for name in given}


def change_params(
    base: P,
    given: Mapping[str, object],
    asking: Asking | None = None,
    whose: str = "a parameter of this job",
) -> P:
    """Put `given` in the place of what `base` has, as somebody asks for one run now.

    Raises `ParamsError` with every problem.
    """
    model = type(base)
    if model.from_file_alone and given:
        raise ParamsError(tuple(ParamProblem((name,), FILE_ALONE) for name in given))
    replaced = own_names(model, given)
    kept = {name: value for name, value in base.model_dump().items() if name not in replaced}
    return read_params(model, {**kept, **given}, asking, whose)


def _plain(name: str) -> str:
    """Without the underscore of a name that Python keeps for itself, such as `from`."""
    return name.removesuffix("_")


def _is_number(annotation: object) -> bool:
    kinds = {annotation, *get_args(annotation)}
    return bool(kinds & {int, float}) and bool not in kinds


def _unknown(given: str, model: type[Params], whose: str, also: Collection[str]) -> str:
    if not model.model_fields:
        return f"{shown(given)} is not {whose}; it takes none"
    allowed = ", ".join(map(_plain, (*model.model_fields, *also)))
    return (
        f"{shown(given)} is not {whose}"
        f"{did_you_mean(given, (*model.model_fields, *also))}; allowed are {allowed}"
    )


def _message(fault: Mapping[str, Any], model: type[Params], name: str) -> str:
    bounds = _bounds(model, name)
    if bounds and fault["type"] in _BOUNDED:
        return f"is out of range; allowed is {bounds}"
    words = in_words(fault)
    return f"{words}, {bounds}" if words == WHOLE and bounds else words


def _bounds(model: type[Params], name: str) -> str:
    """Say what the field's own bounds are, such as `at least 1 and at most 3650`."""
    field = model.model_fields.get(name)
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    return " and ".join(
        f"{words[bound]} {getattr(rule, bound)}"
        for rule in (field.metadata if field else ())
        for bound in words
        if getattr(rule, bound, None) is not None
    )
