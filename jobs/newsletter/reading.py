"""How is JSON of strangers read, so that every text in it can be stored? Pure."""

from __future__ import annotations

import json
import re
from typing import Any

# A whole pair of surrogates and every other escape are met first, and stay.
ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))"
    r"|\\.",
    re.DOTALL,
)
INSTEAD = r"\ufffd"


def read_json(raw: bytes) -> Any:
    """The JSON in `raw`; what PostgreSQL keeps in no text (NUL, half a pair of surrogates) becomes
    the character that stands for one that cannot be shown.

    Raises `ValueError`, and `RecursionError` where it is nested too deeply.
    """
    text = raw.decode("utf-8-sig", "replace")
    return json.loads(ESCAPE.sub(lambda found: INSTEAD if found[1] else found[0], text))
