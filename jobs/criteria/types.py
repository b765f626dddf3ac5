"""Which operators and values does a column take, by its type in PostgreSQL? Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from jobs.criteria.errors import Unfit
from jobs.criteria.times import DATE_WANTED, WANTED, date_of, moment_of

MOST_TEXT = 1_000
"""Characters of a text or of JSON to look for."""
CANONICAL_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
NUL_IN_JSON = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

EXISTS = ("$exists",)
EQUAL = ("$eq", "$ne", "$in", "$nin")
ORDERED = (*EQUAL, "$gt", "$gte", "$lt", "$lte")
CONTAINS = ("$contains",)


@dataclass(frozen=True, slots=True)
class Type:
    """What a column of a type takes."""

    sql: str
    """The type that its values are bound as, and that the column is read as."""
    operators: tuple[str, ...]
    wanted: str
    """What a value must be, in words."""
    read: Callable[[object, datetime], object]
    """The bound value for a JSON value, at a `now`. Raises `Unfit`."""


def _integer(bits: int) -> Type:
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    wanted = f"a whole number from {least} to {most}"

    def read(value: object, _: datetime) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Unfit
        return value

    names = {16: "smallint", 32: "int", 64: "bigint"}
    return Type(names[bits], (*ORDERED, *EXISTS), wanted, read)


def _number(value: object, _: datetime) -> float:
    """Anything that JSON writes with 15 digits or fewer comes back out of a float as written."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= 1e30:
        raise Unfit
    if math.isnan(value):
        raise Unfit
    return float(value)


def _decimal(value: object, now: datetime) -> Decimal:
    number = _number(value, now)
    return Decimal(value) if isinstance(value, int) else Decimal(repr(number))


def _boolean(value: object, _: datetime) -> bool:
    if not isinstance(value, bool):
        raise Unfit
    return value


def _text(value: object, _: datetime) -> str:
    if not isinstance(value, str) or len(value) > MOST_TEXT or not _storable(value):
        raise Unfit
    return value


def _uuid(value: object, _: datetime) -> UUID:
    if not isinstance(value, str) or not CANONICAL_UUID.fullmatch(value):
        raise Unfit
    return UUID(value)


def _moment(value: object, now: datetime) -> datetime:
    if not isinstance(value, str):
        raise Unfit
    return moment_of(value, now)


def _wall_clock(value: object, now: datetime) -> datetime:
    return _moment(value, now).astimezone(UTC).replace(tzinfo=None)


def _date(value: object, now: datetime) -> object:
    if not isinstance(value, str):
        raise Unfit
    return date_of(value, now)


def _texts(value: object, now: datetime) -> list[str]:
    texts = value if isinstance(value, list) else [value]
    if not texts or len(texts) > MOST_TEXT:
        raise Unfit
    return [_text(text, now) for text in texts]


def _json(value: object, _: datetime) -> str:
    """As text, so that no codec of the connection has a say in it."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        raise Unfit from None
    if len(text) > MOST_TEXT or NUL_IN_JSON.search(text) or not _storable(text):
        raise Unfit
    return text


def _storable(text: str) -> bool:
    """Whether PostgreSQL can hold it: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _nothing(_: object, __: datetime) -> object:
    raise Unfit


NUMBER = "a number below 1e30"
BOOLEAN = "true or false"
TEXT = f"a text of at most {MOST_TEXT:,} characters without NUL"
A_UUID = "a UUID like '0b8a5c1e-3d5f-4c58-9d3e-6a0a4b0d2f11'"
TEXTS = "a text, or a list of texts that must all be there"
SOME_JSON = f"JSON of at most {MOST_TEXT:,} characters without NUL"

_TEXT = Type("text", (*ORDERED, *CONTAINS, *EXISTS), TEXT, _text)
_TEXTS = Type("text[]", (*CONTAINS, *EXISTS), TEXTS, _texts)
_JSON = Type("jsonb", (*CONTAINS, *EXISTS), SOME_JSON, _json)

ANY_OTHER = Type("", EXISTS, "no value", _nothing)
ENUM = _TEXT
TYPES: Mapping[str, Type] = {
    "int2": _integer(16),
    "int4": _integer(32),
    "int8": _integer(64),
    "numeric": Type("numeric", (*ORDERED, *EXISTS), NUMBER, _decimal),
    # As itself: 0.1 in a real column is not the 0.1 of a double.
    "float4": Type("float4", (*ORDERED, *EXISTS), NUMBER, _number),
    "float8": Type("float8", (*ORDERED, *EXISTS), NUMBER, _number),
    "bool": Type("boolean", (*EQUAL, *EXISTS), BOOLEAN, _boolean),
    **dict.fromkeys(("text", "varchar", "bpchar", "citext"), _TEXT),
    "timestamptz": Type("timestamptz", (*ORDERED, *EXISTS), WANTED, _moment),
    "timestamp": Type("timestamp", (*ORDERED, *EXISTS), WANTED, _wall_clock),
    "date": Type("date", (*ORDERED, *EXISTS), DATE_WANTED, _date),
    "uuid": Type("uuid", (*EQUAL, *EXISTS), A_UUID, _uuid),
    **dict.fromkeys(("_text", "_varchar"), _TEXTS),
    **dict.fromkeys(("jsonb", "json"), _JSON),
}
"""By the type's name in the catalogue; any other type can only be asked whether it is there."""
