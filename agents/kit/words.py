"""How long may a suggestion be, and by which words is it compared with others? Pure."""

from __future__ import annotations

import unicodedata

LEAST_TITLE, MOST_TITLE = 5, 200
LEAST_BODY, MOST_BODY = 20, 50_000
"""Characters; GitHub takes 65,536."""


def words_of(text: str) -> str:
    """A text's words: in lower case, without marks, apart by one space."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in plain).split())
