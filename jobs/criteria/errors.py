"""What is wrong with criteria, and where in them?"""

from __future__ import annotations

import re
from typing import TypeAlias

from scheduler.errors import PermanentError

Path: TypeAlias = tuple[str | int, ...]
"""The keys and places in lists that lead to a part of the criteria."""

LONGEST = 60
"""Characters of somebody's text that a message repeats."""
PLAIN = re.compile(r"[\w.$-]{1,60}", re.ASCII)


class CriteriaError(PermanentError):
    """Criteria that mean nothing: where, what is wrong, what is allowed. Changing them helps."""

    def __init__(self, path: Path, message: str) -> None:
        self.path = written(path)
        super().__init__(f"{self.path or 'criteria'}: {message}")


class Unfit(ValueError):
    """A value that its column does not take; the column's type says in words what it takes."""


def written(path: Path) -> str:
    """`$and[1].email.$regex`; a key that is no plain word is quoted and cut."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif PLAIN.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    return text


def shown(value: object) -> str:
    """What somebody wrote, on one line and not endlessly long."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= LONGEST else value[: LONGEST - 1] + "…")
        case int():
            # Python refuses to write out numbers of thousands of digits.
            return str(value) if value.bit_length() <= 128 else "a huge number"
        case float():
            return str(value)
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"
