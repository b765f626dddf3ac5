"""How is one thing of a repository called, so that a model can repeat it to the letter? Pure."""

from __future__ import annotations

import hashlib
import re

from agents.kit.characters import cleaned

MOST_NAME = 200
AS_IT_IS = re.compile(r"[A-Za-z0-9_.,/#@+()'=~-]{1,150}", re.ASCII)
CONFUSING = re.compile(r"[\[\]<>`\"\\]")
"""What ends a reference in a question, or looks like the end of a fence."""


def reference(source: str, key: str) -> str:
    """`file:README.md`. One line of what a reader sees; where that is not all of the key, the end
    of its hash tells it from others that look the same.
    """
    if AS_IT_IS.fullmatch(key):
        return f"{source}:{key}"
    plain = " ".join(CONFUSING.sub("", cleaned(key)).split())[:MOST_NAME]
    if plain != key:
        plain = f"{plain}~{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"{source}:{plain}"
