"""What do Mailchimp's answers say of one member? Pure."""

from __future__ import annotations

import io
import tarfile
from hashlib import md5
from typing import Any

from jobs.newsletter.provider import Contact, Outcome, RemoteStatus
from jobs.newsletter.reading import read_json

MOST_RESULTS = 64 << 20
"""Bytes of a batch's results, unpacked."""
STATUSES: dict[str, RemoteStatus] = {
    "subscribed": "active",
    "pending": "pending",
    "transactional": "pending",
    "unsubscribed": "unsubscribed",
    "cleaned": "cleaned",
    "archived": "deleted",
}


def member_id(email: str) -> str:
    """Mailchimp's id of a member: the MD5 of the address in lower case."""
    return md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def unpack(packed: bytes) -> dict[str, dict[str, Any]]:
    """A batch's results by operation: JSON files in a compressed tar archive. Bounded."""
    results: dict[str, dict[str, Any]] = {}
    left = MOST_RESULTS
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            raw = file.read(left + 1)
            left -= len(raw)
            if left < 0:
                raise ValueError(f"more than {MOST_RESULTS >> 20} MiB")
            for result in read_json(raw):
                results[str(result["operation_id"])] = result
    return results


def created(email: str, member: Any, error: Any) -> Outcome:
    if member is not None:
        status = STATUSES.get(str(member.get("status")), "pending")
        return Outcome(email, "created", str(member.get("id") or member_id(email)), status)
    if error is None:
        return Outcome(email, "failed", message="not in Mailchimp's answer")
    said = str(error.get("error") or "refused")[:300]
    if error.get("error_code") == "ERROR_CONTACT_EXISTS" or "already a list member" in said:
        return Outcome(email, "updated")
    return Outcome(email, "refused", message=said)


def patched(contact: Contact, result: Any, kind: Any) -> Outcome:
    if not isinstance(result, dict) or not isinstance(result.get("status_code"), int):
        return Outcome(contact.email, "failed", message="not in the batch's results")
    code = result["status_code"]
    try:
        body = read_json(str(result.get("response") or "{}").encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        body = {}
    body = body if isinstance(body, dict) else {}
    if 200 <= code < 300:
        status = STATUSES.get(str(body.get("status")))
        return Outcome(contact.email, kind, member_id(contact.email), status)
    if code == 404:
        return Outcome(contact.email, "gone")
    said = str(sentence(body) or f"status {code}")[:300]
    if kind == "left" and "compliance state" in said.lower():
        return Outcome(contact.email, "left", status="cleaned")
    passing = code == 429 or code >= 500
    return Outcome(contact.email, "failed" if passing else "refused", message=said)


def sentence(body: Any) -> object:
    """`title` and `detail` of a problem document, and the fields that are named."""
    if not isinstance(body, dict):
        return None
    parts = [body.get("title"), body.get("detail")]
    errors = body.get("errors")
    parts += [
        f"{error.get('field')}: {error.get('message')}"
        for error in (errors if isinstance(errors, list) else [])[:3]
        if isinstance(error, dict)
    ]
    return ". ".join(str(part).rstrip(".") for part in parts if part)
