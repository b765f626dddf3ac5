"""What is kept of GitHub's answers, and how much of it: JSON to rows, bounded. Pure.

Raises `KeyError`, `TypeError` or `ValueError` for what is not as GitHub's documentation has it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]

TITLE = 500
NAME = 255
URL = 500
BODY = 20_000
COMMENT = 5_000
MESSAGE = 2_000
LABELS = 50
FILES = 1_000
PATH = 500
TEXT_FILE = 100_000
SHA = re.compile(r"[0-9a-f]{40,64}", re.ASCII)
EPOCH = "1970-01-01T00:00:00+00:00"
BYTES_FILE = 400_000
"""A larger file is not read."""


def clean(text: object, most: int) -> str | None:
    """A text that PostgreSQL can keep, of at most so many characters."""
    if text is None:
        return None
    kept = str(text)[:most].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return kept.encode("utf-8", "replace").decode("utf-8")


def required(text: object, most: int) -> str:
    return clean(text, most) or ""


def moment(value: object) -> str | None:
    """A time as GitHub writes it, once it is sure that it is one."""
    if value is None:
        return None
    return datetime.fromisoformat(str(value)).isoformat()


def must(value: object) -> str:
    found = moment(value)
    if found is None:
        raise ValueError("a time is missing")
    return found


def person(user: Mapping[str, Any] | None, name: str | None = None) -> Row:
    login = clean(user["login"], 100) if user else None
    return {"author_login": login, "author_is_bot": is_bot(user, login or name)}


def is_bot(user: Mapping[str, Any] | None, name: str | None) -> bool:
    return bool(user and user.get("type") == "Bot") or bool(name and name.endswith("[bot]"))


def labels(item: Mapping[str, Any]) -> list[str]:
    given = (
        label["name"] if isinstance(label, Mapping) else label for label in item["labels"][:LABELS]
    )
    return sorted(required(label, 100) for label in given)


def _title(thing: Mapping[str, Any] | None) -> str | None:
    return clean(thing["title"], NAME) if thing else None


def issue(item: Mapping[str, Any]) -> Row:
    return {
        "number": int(item["number"]),
        "node_id": clean(item.get("node_id"), NAME),
        "title": required(item["title"], TITLE),
        "body": clean(item.get("body"), BODY),
        "state": "open" if item["state"] == "open" else "closed",
        "state_reason": clean(item.get("state_reason"), 50),
        **person(item.get("user")),
        "author_association": clean(item.get("author_association"), 50),
        "avatar": clean((item.get("user") or {}).get("avatar_url"), URL),
        "assignee": clean((item.get("assignee") or {}).get("login"), 100),
        "created_at": must(item["created_at"]),
        "updated_at": must(item["updated_at"]),
        "closed_at": moment(item.get("closed_at")),
        "labels": labels(item),
        "milestone": _title(item.get("milestone")),
        "comments": int(item.get("comments") or 0),
        "reactions": int((item.get("reactions") or {}).get("total_count") or 0),
        "html_url": required(item["html_url"], URL),
        "api_url": clean(item.get("url"), URL),
    }


def pull(item: Mapping[str, Any]) -> Row:
    """Of a list of pull requests, or of one of issues: that has neither branches nor commits."""
    base, head = item.get("base") or {}, item.get("head") or {}
    merged = item.get("merged_at") or (item.get("pull_request") or {}).get("merged_at")
    return {
        "number": int(item["number"]),
        "node_id": clean(item.get("node_id"), NAME) if head else None,
        "title": required(item["title"], TITLE),
        "body": clean(item.get("body"), BODY),
        "state": "open" if item["state"] == "open" else "closed",
        "draft": bool(item.get("draft")),
        **person(item.get("user")),
        "author_association": clean(item.get("author_association"), 50),
        "avatar": clean((item.get("user") or {}).get("avatar_url"), URL),
        "created_at": must(item["created_at"]),
        "updated_at": must(item["updated_at"]),
        "closed_at": moment(item.get("closed_at")),
        "merged_at": moment(merged),
        "merge_sha": clean(item.get("merge_commit_sha"), 64) if merged else None,
        "base": clean(base.get("ref"), NAME),
        "head": clean(head.get("ref"), NAME),
        "head_sha": clean(head.get("sha"), 64),
        "labels": labels(item),
        "milestone": _title(item.get("milestone")),
        "reviewers": sorted(
            required(user["login"], 100) for user in item.get("requested_reviewers") or ()
        ),
        "html_url": required(item["html_url"], URL),
        "api_url": clean(item.get("url"), URL) if head else None,
        "diff_url": clean(item.get("diff_url"), URL),
    }


def sha(value: object) -> str:
    text = str(value)
    if not SHA.fullmatch(text):
        raise ValueError("a hash is no hash")
    return text


def git_time(person: Mapping[str, Any]) -> str | None:
    """None where git was told a time of years that no calendar here has."""
    try:
        at = datetime.fromisoformat(str(person["date"]))
    except (KeyError, ValueError):
        return None
    return at.isoformat() if 1 < at.year < 9999 and at.tzinfo else None


def tree(item: Mapping[str, Any]) -> Row:
    """What the files are that a commit leaves."""
    found = item["commit"].get("tree")
    return {"sha": sha(found["sha"]) if found else None}


def commit(item: Mapping[str, Any]) -> Row:
    git = item["commit"]
    author, committer = git.get("author") or {}, git.get("committer") or {}
    name = clean(author.get("name"), 100)
    authored, committed = git_time(author), git_time(committer)
    return {
        "sha": sha(item["sha"]),
        "parents": [sha(parent["sha"]) for parent in item["parents"]],
        **person(item.get("author") or None, name),
        "author_name": name,
        "authored_at": authored or committed or EPOCH,
        "committed_at": committed or authored or EPOCH,
        "message": required(git["message"], MESSAGE),
    }


def lines(item: Mapping[str, Any]) -> Row:
    """Of a single commit."""
    stats, files = item["stats"], item.get("files") or ()
    return {
        "additions": int(stats["additions"]),
        "deletions": int(stats["deletions"]),
        "files": paths(files),
    }


def paths(files: Iterable[Mapping[str, Any]]) -> list[str]:
    return [required(file["filename"], PATH) for file in list(files)[:FILES]]


def review(item: Mapping[str, Any], number: int) -> Row:
    return {
        "id": int(item["id"]),
        "pull": number,
        **person(item.get("user")),
        "author_association": clean(item.get("author_association"), 50),
        "state": required(item["state"], 50).lower(),
        "submitted_at": must(item["submitted_at"]),
        "body": clean(item.get("body") or None, COMMENT),
    }


def comment(item: Mapping[str, Any], kind: str) -> Row:
    about = item["issue_url"] if kind == "conversation" else item["pull_request_url"]
    return {
        "id": int(item["id"]),
        "kind": kind,
        "number": int(str(about).rpartition("/")[2]),
        **person(item.get("user")),
        "author_association": clean(item.get("author_association"), 50),
        "created_at": must(item["created_at"]),
        "updated_at": must(item["updated_at"]),
        "body": required(item.get("body"), COMMENT),
    }


def release(item: Mapping[str, Any]) -> Row:
    return {
        "id": int(item["id"]),
        "tag": required(item["tag_name"], NAME),
        "name": clean(item.get("name"), TITLE),
        "body": clean(item.get("body"), BODY),
        "draft": bool(item["draft"]),
        "prerelease": bool(item["prerelease"]),
        "author_login": clean((item.get("author") or {}).get("login"), 100),
        "created_at": must(item["created_at"]),
        "published_at": moment(item.get("published_at")),
        "html_url": required(item["html_url"], URL),
    }


def milestone(item: Mapping[str, Any]) -> Row:
    return {
        "number": int(item["number"]),
        "title": required(item["title"], NAME),
        "description": clean(item.get("description"), COMMENT),
        "state": "open" if item["state"] == "open" else "closed",
        "created_at": must(item["created_at"]),
        "due_on": moment(item.get("due_on")),
        "closed_at": moment(item.get("closed_at")),
        "open_issues": int(item.get("open_issues") or 0),
        "closed_issues": int(item.get("closed_issues") or 0),
        "html_url": required(item["html_url"], URL),
    }


def label(item: Mapping[str, Any]) -> Row:
    return {
        "name": required(item["name"], 100),
        "color": required(item["color"], 20),
        "description": clean(item.get("description"), NAME),
    }


def entry(item: Mapping[str, Any]) -> Row:
    """Of a tree. Its path is None where that cannot be kept as it is."""
    path = clean(item["path"], PATH)
    return {
        "path": path if path == item["path"] else None,
        "sha": sha(item["sha"]),
        "type": str(item["type"]),
        "size": int(item.get("size") or 0),
    }


def file(path: str, sha: str, blob: Mapping[str, Any]) -> Row:
    """Text is None where the file is none, or too large."""
    size = int(blob["size"])
    text = None
    if size <= BYTES_FILE and blob.get("encoding") == "base64":
        try:
            raw = base64.b64decode(blob["content"])
            text = clean(raw.decode("utf-8"), TEXT_FILE) if b"\x00" not in raw else None
        except (binascii.Error, UnicodeDecodeError):
            text = None
    return {"path": required(path, PATH), "sha": sha, "size": size, "text": text}


def unique(rows: Iterable[Row], key: Callable[[Row], object]) -> list[Row]:
    """The last of each key: a page may name one thing twice."""
    return list({key(row): row for row in rows}.values())
