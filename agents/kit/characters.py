"""Which characters of a text does a reader see? The others can carry what nobody has read. Pure."""

from __future__ import annotations

import re
import unicodedata

MARKS = 3
"""Accents on one letter."""
LINE_ENDS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
UNSEEN = re.compile(
    # Fillers and blanks that count as letters, marks or symbols; selectors of variants; and plane
    # 14, whose tags spell out hidden text.
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\uffff"
    "\U000e0000-\U000e0fff]"
)
SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
REFUSED = frozenset({"Cc", "Cf", "Co", "Cs"})


def cleaned(text: str) -> str:
    """Without what nobody sees: control, format, bidirectional and tag characters, and the like.

    Composed (NFC), which is the same text to a reader. Look-alikes stay what they are: folding
    them would change code. Every line ends in one line feed.
    """
    text = LINE_ENDS.sub("\n", text.encode("utf-8", "ignore").decode("utf-8"))
    text = SPACES.sub(" ", UNSEEN.sub("", unicodedata.normalize("NFC", text)))
    made: list[str] = []
    marks = 0
    for character in text:
        if " " <= character <= "~" or character in "\n\t":
            marks = 0
            made.append(character)
            continue
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if category not in REFUSED and marks <= MARKS:
            made.append(character)
    return "".join(made)
