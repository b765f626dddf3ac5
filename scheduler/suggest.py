"""Which of the allowed words was probably meant? For error messages."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

_LONGEST: Final = 60
"""Characters: longer input is no slip of the finger, and comparing it is slow."""


def did_you_mean(word: str, allowed: Collection[str]) -> str:
    """Return ` (did you mean 'x'?)`, or an empty text where nothing is close."""
    if len(word) > _LONGEST:
        return ""
    by_plain = {_plain(candidate): candidate for candidate in allowed}
    close = get_close_matches(_plain(word), by_plain, n=1, cutoff=0.7)
    return f" (did you mean {by_plain[close[0]]!r}?)" if close else ""


def no_job(name: str, there: Collection[str]) -> str:
    """The sentence for a name that is neither an entry nor a job."""
    guess = did_you_mean(name, there)
    return f"there is no job called {shown(name)}" + (guess or f"; there are {', '.join(there)}")


def shown(text: str) -> str:
    """Quote what someone wrote, on one line and not endlessly long."""
    return repr(shortened(text))


def shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _plain(word: str) -> str:
    return word.lower().replace("-", "_").replace(" ", "_")
