"""How do a job's parameters become fields of a form, and its answers parameters again? Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import JsonValue

from scheduler.web.pages.page import Form
from scheduler.web.words import words

PREFIX: Final = "p."
DRY_RUN: Final = "dryRun"


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter. `kind`: number, text, date, choice, switch, list."""

    name: str
    """As the API has it."""
    kind: str
    label: str
    hint: str
    value: str
    """What the schedule has; `true` for a switch that is on."""
    attributes: Mapping[str, JsonValue]
    """Of the input: bounds, lengths."""
    options: Sequence[str] = ()
    optional: bool = False
    error: str | None = None

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The options with their words."""
        return [(option, words(option)) for option in self.options]

    @property
    def input(self) -> str:
        return PREFIX + self.name


def fields_of(
    schema: Mapping[str, Any],
    sent: Form | None = None,
    errors: Mapping[str, str] | None = None,
) -> list[Field]:
    """`schema` is JSON Schema whose defaults are what the schedule has (`params_schema`)."""
    errors = errors or {}
    fields = []
    for name, property_ in schema.get("properties", {}).items():
        field = _field(name, property_, schema.get("$defs", {}))
        value = field.value
        if sent is not None:
            value = _sent(sent, field)
        error = errors.get(name) or errors.get(PREFIX + name)
        fields.append(replace(field, value=value, error=error))
    return fields


def params_sent(schema: Mapping[str, Any], form: Form) -> dict[str, JsonValue]:
    """The parameters that the form changes: what it leaves as the schedule has it stays away."""
    changed: dict[str, JsonValue] = {}
    for field in fields_of(schema):
        if field.kind != "switch" and not form.all(field.input):
            continue
        value = _sent(form, field)
        if value == field.value:
            continue
        match field.kind:
            case "switch":
                changed[field.name] = value == "true"
            case _ if field.optional and not value:
                changed[field.name] = None
            case "list":
                changed[field.name] = [part.strip() for part in value.split(",") if part.strip()]
            case _:
                changed[field.name] = value
    return changed


def _sent(form: Form, field: Field) -> str:
    if field.kind == "switch":
        return "true" if "true" in form.all(field.input) else ""
    return form.text(field.input) or ""


def _field(name: str, declared: Mapping[str, Any], definitions: Mapping[str, Any]) -> Field:
    schema, optional = _plain(declared, definitions)
    default = declared.get("default")
    kind = _kind(schema)
    attributes: dict[str, JsonValue] = {}
    if kind == "number":
        attributes = {
            "min": schema.get("minimum", schema.get("exclusiveMinimum")),
            "max": schema.get("maximum", schema.get("exclusiveMaximum")),
            "step": "1" if schema["type"] == "integer" else "any",
            "required": not optional,
        }
    elif kind == "text":
        attributes = {
            "minlength": schema.get("minLength"),
            "maxlength": schema.get("maxLength"),
            "required": not optional and schema.get("minLength", 0) > 0,
        }
    return Field(
        name=name,
        kind=kind,
        label=words(name).capitalize(),
        hint=" ".join(
            [str(declared.get("description", "")).replace("`", ""), _bounds(schema)]
        ).strip(),
        value=_text(default),
        attributes=attributes,
        options=[_text(option) for option in schema.get("enum", ())],
        optional=optional,
    )


def _plain(
    declared: Mapping[str, Any], definitions: Mapping[str, Any]
) -> tuple[Mapping[str, Any], bool]:
    """What the parameter is, and whether it may be nothing instead."""
    if "$ref" in declared:
        return definitions[str(declared["$ref"]).rpartition("/")[2]], False
    for key in ("anyOf", "allOf"):
        if key in declared:
            parts = [part for part in declared[key] if part.get("type") != "null"]
            inner, _ = _plain(parts[0], definitions)
            return inner, len(parts) < len(declared[key])
    return declared, False


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "choice"
    match schema.get("type"):
        case "integer" | "number":
            return "number"
        case "boolean":
            return "switch"
        case "array":
            return "list"
        case _ if schema.get("format") == "date":
            return "date"
        case _:
            return "text"


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{low:,} to {high:,}."
    if schema.get("type") == "array":
        return "With commas between them."
    return ""


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else ""
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
