"""How do strangers' texts reach a model, and a model's texts people, without doing harm? Pure.

What strangers write is data. Before a model sees it, all that a reader of the page would not have
seen is taken out; then it is cut by a rule that says so, and fenced so that nothing inside can end
the fence. `for_people` (in `publishable`) is the way back.
"""

from __future__ import annotations

import hashlib
import re

from agents.kit.characters import cleaned
from agents.kit.publishable import for_people

__all__ = ("fenced", "for_model", "for_people", "plain_title")

RUN = 32
"""The same character more often in a row stands so many times."""
WORD = 300
"""A longer word (an encoded picture, a key) is cut; not what is written without spaces."""
MOST_OF_A_TITLE = 200
ROUNDS = 8
"""Comments may stand in comments."""

COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
HIDDEN_NOTE = re.compile(r"^ {0,3}\[[^\]\n]{0,200}\]:[ \t]*(?:#|<>|<#>)(?:[ \t].*)?$", re.MULTILINE)
"""`[//]: # (text)`: a reference to nowhere, which no page shows."""
LONG_RUN = re.compile(r"([^\n])\1{" + str(RUN) + ",}")
LONG_WORD = re.compile(r"[!-~]{" + str(WORD + 1) + ",}")
EMPTY_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
HARMLESS_LABEL = re.compile(r"[^\w .,:/#@+-]")
SCHEME = re.compile(r"\b[a-z][a-z0-9+.-]*://", re.IGNORECASE)
CALL = re.compile(r"@+(?=\w)")
NUMBER_MARK = re.compile(r"#+(?=\d)")


def for_model(text: str, most: int) -> str:
    """Strangers' text, of at most `most` characters; where it was cut, the last line says so."""
    whole = len(text)
    text = cleaned(text[: 8 * most + 10_000])
    seen_whole = whole <= 8 * most + 10_000
    for _ in range(ROUNDS):
        if "<!--" not in text:
            break
        text = COMMENT.sub("", text)
    text = HIDDEN_NOTE.sub("", text.replace("<!--", "<! --"))
    text = LONG_RUN.sub(lambda run: run[1] * RUN, text)
    text = LONG_WORD.sub(_shortened, text)
    text = EMPTY_LINES.sub("\n\n", text).strip("\n").rstrip()
    if len(text) <= most and seen_whole:
        return text
    left_out = max(whole - most, len(text) - most, 1)
    note = f"\n[cut here: about {left_out} more characters were left out]"
    room = most - len(note)
    return (text[:room].rstrip() + note) if room > 0 else text[:most]


def _shortened(word: re.Match[str]) -> str:
    return f"{word[0][:WORD]}[{len(word[0]) - WORD} more characters without a space]"


def fenced(label: str, text: str) -> str:
    """The text between two lines that it cannot hold itself: their mark is a hash of it."""
    name = HARMLESS_LABEL.sub("", " ".join(cleaned(label).split()))[:200]
    mark, turn = "", 0
    while not mark or mark in text or mark in name:
        made = f"{turn}\n{name}\n{text}".encode("utf-8", "surrogatepass")
        mark = hashlib.sha256(made).hexdigest()[:16]
        turn += 1
    return f"<<<{mark} {name}\n{text}\n{mark}>>>"


def plain_title(text: str) -> str:
    """One line without a live mention, address, reference or comment, of at most 200 characters."""
    line = " ".join(cleaned(text[: 20 * MOST_OF_A_TITLE]).split())
    line = SCHEME.sub(" ", line).replace("://", " ")
    line = NUMBER_MARK.sub(" ", CALL.sub(" ", line))
    line = " ".join(line.replace("<!--", " ").replace("-->", " ").split())
    return line if len(line) <= MOST_OF_A_TITLE else line[: MOST_OF_A_TITLE - 1].rstrip() + "…"
