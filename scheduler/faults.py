"""What does validation find wrong, in words for somebody who knows nothing of Python? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

WHOLE: Final = "must be a whole number"
_SWITCH: Final = "must be true or false"
_TEXT: Final = "must be text, in quotes"
_WORDS: Final = {
    "missing": "is required",
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_from_float": WHOLE,
    "int_parsing_size": WHOLE,
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "string_type": _TEXT,
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "none_required": "must be empty",
}
# The bound that is broken, by its name in the fault, and what it counts.
_LENGTHS: Final = {
    "string_too_short": ("at least", "min_length", "character"),
    "string_too_long": ("at most", "max_length", "character"),
    "too_short": ("at least", "min_length", "item"),
    "too_long": ("at most", "max_length", "item"),
}


def in_words(fault: Mapping[str, Any]) -> str:
    """The message of one of a `ValidationError`'s `errors()`, to follow the name of its place."""
    kind, context = fault["type"], fault.get("ctx") or {}
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _LENGTHS:
        bound, name, what = _LENGTHS[kind]
        number = context[name]
        return f"must have {bound} {number:,} {what}{'' if number == 1 else 's'}"
    if kind in {"literal_error", "enum"}:
        return f"must be one of {context['expected']}".replace(" or ", ", ")
    if kind in {"value_error", "assertion_error"} and "error" in context:
        return str(context["error"])
    text = str(fault["msg"]).removeprefix("Value error, ")
    text = text.replace("Input should", "must").replace("String should", "must")
    return text[:1].lower() + text[1:]
