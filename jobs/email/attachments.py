"""What is attached to a message: only what its row itself holds."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

from jobs.email.lines import MOST_NAME, MessageError, one_line

MOST_ATTACHED = 10 * 1024 * 1024
"""Bytes of all attachments of a message."""
CID = re.compile(r"[A-Za-z0-9._@+-]{1,100}", re.ASCII)
"""What the HTML may call an attachment: `<img src="cid:logo">`."""
TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}", re.ASCII)


def attach(message: EmailMessage, attachments: object) -> None:
    """Add attachments as nodemailer's rows name them; only what the row itself holds.

    Raises `MessageError` for a path or an address to fetch: nobody who can write a row may read
    this machine's files or its network.
    """
    if not attachments:
        return
    if not isinstance(attachments, list):
        raise MessageError("attachments is not a list")
    size = 0
    for n, attachment in enumerate(attachments):
        if not isinstance(attachment, dict) or not isinstance(
            attachment.get("content"), str | dict
        ):
            raise MessageError(
                f"attachments[{n}] has no content as text; files and addresses are not fetched"
            )
        data = _content(attachment, n)
        size += len(data)
        if size > MOST_ATTACHED:
            raise MessageError(f"its attachments are larger than {MOST_ATTACHED:,} bytes")
        kind = str(attachment.get("contentType") or "application/octet-stream").lower()
        kind = kind.partition(";")[0].strip()
        if not TYPE.fullmatch(kind) or kind.startswith(("message/", "multipart/")):
            raise MessageError(f"attachments[{n}].contentType is not one such as application/pdf")
        main, _, sub = kind.partition("/")
        name = one_line(str(attachment.get("filename") or f"attachment-{n + 1}"), MOST_NAME)
        shown_as = attachment.get("cid")
        cid = f"<{shown_as}>" if isinstance(shown_as, str) and CID.fullmatch(shown_as) else None
        message.add_attachment(data, maintype=main, subtype=sub, filename=name, cid=cid)


def _buffer(content: Mapping[str, Any], n: int) -> bytes:
    """What JavaScript writes into JSON for a Buffer."""
    data = content.get("data")
    if content.get("type") != "Buffer" or not isinstance(data, list):
        data = [None]
    try:
        return bytes(data)
    except (TypeError, ValueError) as error:
        raise MessageError(
            f'attachments[{n}].content is neither a text nor {{"type": "Buffer", "data": [bytes]}}'
        ) from error


def _content(attachment: Mapping[str, Any], n: int) -> bytes:
    content: str | dict[str, Any] = attachment["content"]
    if isinstance(content, dict):
        return _buffer(content, n)
    match attachment.get("encoding"):
        case "base64":
            try:
                return b64decode("".join(content.split()), validate=True)
            except (binascii.Error, ValueError) as error:
                raise MessageError(f"attachments[{n}].content is no base64") from error
        case None | "utf8" | "utf-8":
            return content.encode()
        case other:
            raise MessageError(
                f"attachments[{n}].encoding is base64 or utf-8, not {one_line(str(other), 30)!r}"
            )
