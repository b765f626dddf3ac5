"""What of a text may stand in a header? Nothing that ends a line."""

from __future__ import annotations

import re

from scheduler.errors import JobError

MOST_NAME = 100
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Control characters, line ends of every kind, and what turns the direction of writing."""


class MessageError(JobError):
    """No message can be made of the row; the text says why, for whoever queued it."""


def one_line(text: str, most: int) -> str:
    """`text` without anything that ends a line or is not seen, and no longer than `most`.

    Nor with what begins an encoded word (RFC 2047): EmailMessage would decode it, line ends too.
    """
    return " ".join(UNSEEN.sub(" ", text).split()).replace("=?", "= ?")[:most]
