"""How do errors and log lines leave the house? Without secrets, short, and as plain text. Pure.

They may hold what strangers wrote: nothing in them may become a link, a mention or markup in a
mail or a chat.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

HIDDEN: Final = "[hidden]"
_SECRETS: Final = (
    # user:password@ in addresses
    (re.compile(r"(?<=://)[^\s/@]{1,300}(?=@)"), HIDDEN),
    # what a name says is one: password=..., "api_key": "...", Authorization: Bearer ...
    (
        re.compile(
            r"(?i)((?:password|passwd|pwd|secret|token(?!s)|api[-_]?key|access[-_]?key"
            r"|authorization|credential|private[-_]?key)[\w-]{0,20}[\"']?\s{0,3}[:=]\s{0,3}"
            r"(?:bearer\s+|basic\s+)?)(?:\"[^\"\n]{0,4000}\"|'[^'\n]{0,4000}'|[^\s,;&\"']{1,4000})"
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,4000}"), rf"\1 {HIDDEN}"),
    # what looks like one: keys of services, JWTs, PEM
    (
        re.compile(r"\b(?:sk|pk|rk|gh[opsur]|github_pat|xox[a-z]|xkeysib|glpat)[-_][\w-]{8,400}"),
        HIDDEN,
    ),
    (re.compile(r"\beyJ[\w-]{4,4000}\.[\w-]{4,4000}\.?[\w-]{0,4000}"), HIDDEN),
    (re.compile(r"-----BEGIN [^-]{1,60}-----[^-]{0,8000}(?:-----END [^-]{1,60}-----)?"), HIDDEN),
    # people
    (re.compile(r"[\w.+%-]{1,64}@(?=[\w-]{1,63}\.[\w.-]{1,190})"), f"{HIDDEN}@"),
)
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
    text = text[:_MOST_LOOKED_AT]
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


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
