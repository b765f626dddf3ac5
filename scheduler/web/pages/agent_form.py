"""An agent's settings as a form: what each field is called, may hold, and holds now. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue
from pydantic.alias_generators import to_camel

from agents.settings import AgentOfProject
from scheduler.policy import AgentSettings, AutonomousMode
from scheduler.web.pages.page import Form
from scheduler.web.words import NOTHING, words

LABELS = {
    "autonomous_mode": "How far it goes by itself",
    "frequency_hours": "Hours between looks",
    "min_confidence_score": "Least confidence",
    "max_per_run": "Suggestions of one look",
    "cooldown_hours": "Hours of cooldown",
    "max_tokens_per_run": "Tokens of one look",
}


TEXTS = frozenset({"autonomous_mode", "model"})
NO_MODEL = "must be the name of a model: up to 200 characters without blanks"


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    label: str
    kind: str
    """check, choice, number or text."""
    value: str
    hint: str
    in_file: str
    """What the schedule file says."""
    is_own: bool
    """The project has set it differently."""
    least: float | None = None
    most: float | None = None
    step: str | None = None
    choices: tuple[str, ...] = ()
    wrong: str | None = None


@dataclass(frozen=True, slots=True)
class Wrong:
    """A form that was not taken."""

    agent: str
    values: Mapping[str, str]
    fields: Mapping[str, str]
    why: str


def fields_of(
    found: AgentOfProject, defaults: AgentSettings, wrong: Wrong | None = None
) -> list[Field]:
    """With `wrong`, what was given stands in them, and what is allowed."""
    schema = AgentSettings.model_json_schema()["properties"]
    given: Mapping[str, str] = wrong.values if wrong and wrong.agent == found.agent else {}
    errors: Mapping[str, str] = wrong.fields if wrong and wrong.agent == found.agent else {}
    return [
        _field(
            name,
            schema[to_camel(name)],
            given.get(name, as_text(getattr(found.settings, name))),
            as_text(getattr(defaults, name)) or NOTHING,
            is_own=name in found.overridden,
            wrong=NO_MODEL if name == "model" and name in errors else errors.get(name),
        )
        for name in AgentSettings.model_fields
    ]


def changes_of(form: Form, found: AgentOfProject) -> dict[str, JsonValue]:
    """What a form has other than it is now; an emptied field goes back to the schedule file's."""
    changes: dict[str, JsonValue] = {}
    for name, text in values_of(form).items():
        if text != as_text(getattr(found.settings, name)):
            changes[name] = text or None if name in TEXTS else _typed(text)
    return changes


def values_of(form: Form) -> dict[str, str]:
    """What a form holds; a box that is not ticked is not sent."""
    sent = {name: form.text(name) for name in AgentSettings.model_fields}
    return {name: text or ("false" if name == "enabled" else "") for name, text in sent.items()}


def as_text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _field(
    name: str,
    schema: Mapping[str, Any],
    value: str,
    in_file: str,
    *,
    is_own: bool,
    wrong: str | None,
) -> Field:
    match schema.get("type"):
        case "boolean":
            kind, step = "check", None
        case "integer":
            kind, step = "number", "1"
        case "number":
            kind, step = "number", "any"
        case _:
            kind, step = ("choice" if name == "autonomous_mode" else "text"), None
    return Field(
        name=name,
        label=LABELS.get(name, words(name).capitalize()),
        kind=kind,
        value=value,
        hint=" ".join(str(schema.get("description", "")).replace("`", "").split()),
        in_file=in_file,
        is_own=is_own,
        least=schema.get("minimum"),
        most=schema.get("maximum"),
        step=step,
        choices=tuple(AutonomousMode) if kind == "choice" else (),
        wrong=wrong,
    )


def _typed(text: str) -> JsonValue:
    """As the API would get it; what is no number is refused by the settings themselves."""
    if not text:
        return None
    if text in {"true", "false"}:
        return text == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
