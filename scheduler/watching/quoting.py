"""How do errors and log lines leave the house? Without secrets, short, and as plain text. Pure.

They may hold what strangers wrote: nothing in them may become a link, a mention or markup in a
mail or a chat.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from scheduler.watching.shapes import without_shapes

_MOST_LOOKED_AT: Final = 40_000
# What chats and mail programs make something of: a look-alike, or parted by what has no width.
_LIVE: Final = str.maketrans(
    {
        "<": "‹",  # noqa: RUF001 - meant to look alike
        ">": "›",  # noqa: RUF001
        "&": "＆",  # noqa: RUF001
        "`": "'",
        "[": "(",
        "]": ")",
        "|": "¦",
        "@": "@\N{WORD JOINER}",
        "#": "#\N{WORD JOINER}",
    }
)


def redacted(text: str) -> str:
    """Without passwords, tokens, and the names of people's mailboxes."""
    return without_shapes(text[:_MOST_LOOKED_AT])


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def one_line(text: str) -> str:
    """Without line breaks, control characters, and what turns the direction of writing."""
    plain = "".join(
        " " if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"} else char
        for char in text
    )
    return " ".join(plain.split())


def quoted(text: str, most: int) -> str:
    """For a message to people: redacted, on one line, at most so long, and dead."""
    dead = one_line(shortened(redacted(text), most * 2)).translate(_LIVE)
    return shortened(dead.replace("://", ":\N{WORD JOINER}//"), most)


def last_bytes(text: str, most: int) -> bytes:
    """The end of the text, in at most so many bytes of UTF-8."""
    raw = text.encode("utf-8", "replace")
    return raw if len(raw) <= most else raw[-most:].decode("utf-8", "ignore").encode()
