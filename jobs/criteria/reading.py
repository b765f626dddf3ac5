"""How do criteria come out of their column without harm to whoever reads them?

As text, and not through the connection's own JSON reader: a number of ten thousand digits or a
thousand brackets are legal in a jsonb column, and would fail the whole statement there.
"""

from __future__ import annotations

import json

from pydantic import JsonValue

from jobs.criteria.errors import CriteriaError

LONGEST = 100_000
"""Characters of criteria; read one more of the column than that, to see that it is too long."""


def read_criteria(text: str) -> JsonValue:
    """The criteria written in `text`. Raises `CriteriaError` where that cannot be read."""
    if len(text) > LONGEST:
        raise CriteriaError((), f"is longer than {LONGEST:,} characters")
    try:
        criteria: JsonValue = json.loads(text)
    except RecursionError:
        raise CriteriaError((), "is nested too deep to be read") from None
    except json.JSONDecodeError as error:
        raise CriteriaError((), f"cannot be read as JSON: {error}") from None
    except ValueError:
        raise CriteriaError((), "holds a number with too many digits to be read") from None
    return criteria
