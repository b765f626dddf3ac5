"""A made repository of any size, which gives its things in the form of GitHub's own examples."""

from __future__ import annotations

import hashlib
import heapq
import json
import random
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

EXAMPLES: Mapping[str, Any] = json.loads(
    (Path(__file__).parent.parent / "fixtures" / "github" / "examples.json").read_text("utf-8")
)
USER = EXAMPLES["commit-items"][0]["author"]
PEOPLE = ("ada", "grace", "linus", "margaret", "barbara")


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def sha_of(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def person(login: str | None) -> dict[str, Any] | None:
    if login is None:
        return None
    return {**USER, "login": login, "type": "Bot" if login.endswith("[bot]") else "User"}


@dataclass
class Commit:
    sha: str
    parents: tuple[str, ...]
    at: datetime
    login: str | None = "ada"
    message: str = "Mend it"
    files: tuple[tuple[str, int, int], ...] = (("src/a.py", 3, 1),)
    """Path, lines added and deleted."""


@dataclass
class Item:
    """An issue or a pull request."""

    number: int
    created: datetime
    updated: datetime
    title: str = "It does not work"
    body: str | None = "Here is how."
    is_pull: bool = False
    closed: datetime | None = None
    merged: datetime | None = None
    merge_sha: str | None = None
    head_sha: str = "f" * 40
    draft: bool = False
    login: str | None = "grace"
    comments: int = 0
    labels: tuple[str, ...] = ("bug",)
    events: list[dict[str, Any]] = field(default_factory=list)
    files: tuple[tuple[str, int, int], ...] = (("src/a.py", 3, 1),)


@dataclass
class Comment:
    id: int
    number: int
    at: datetime
    login: str | None = "ada"
    body: str = "Me too"


@dataclass
class Repository:
    full_name: str = "octocat/hello-world"
    id: int = 1296269
    branch: str = "main"
    head: str | None = None
    commits: dict[str, Commit] = field(default_factory=dict)
    items: dict[int, Item] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    review_comments: list[Comment] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    milestones: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    transferred: dict[int, str] = field(default_factory=dict)
    url: str = "https://api.github.com/repos/octocat/hello-world"

    def __post_init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self._walks: dict[str, list[str]] = {}
        self._order: list[Item] | None = None

    # What a test changes ------------------------------------------------------------------------

    def commit(self, at: datetime, *parents: str, **values: Any) -> str:
        """Add a commit; where no parents are given, on top of the head, which it becomes."""
        on_top = not parents
        chosen = parents or ((self.head,) if self.head else ())
        sha = sha_of(f"{self.full_name} {len(self.commits)} {at} {chosen}")
        self.commits[sha] = Commit(sha, tuple(chosen), at, **values)
        if on_top:
            self.head = sha
        return sha

    def put(self, item: Item) -> Item:
        self.items[item.number] = item
        self._order = None
        return item

    def touch(self, number: int, at: datetime, **values: Any) -> None:
        item = self.items[number]
        item.updated = at
        for name, value in values.items():
            setattr(item, name, value)
        self._order = None

    def delete(self, number: int) -> None:
        del self.items[number]
        self.deleted.add(number)
        self._order = None

    def transfer(self, number: int, to: str) -> None:
        del self.items[number]
        self.transferred[number] = to
        self._order = None

    # What GitHub answers ------------------------------------------------------------------------

    def itself(self) -> dict[str, Any]:
        return {
            **EXAMPLES["full-repository-default-response"],
            "id": self.id,
            "full_name": self.full_name,
            "default_branch": self.branch,
            "open_issues_count": sum(item.closed is None for item in self.items.values()),
        }

    def listed(self, rest: str, query: Mapping[str, str]) -> tuple[int, Callable[..., list[Any]]]:
        """How many there are and what gives a part of them. Raises `KeyError`."""
        match rest:
            case "/issues":
                found = self._filtered(query)
                if query.get("sort") == "created":
                    found.sort(key=lambda item: item.number)
                return len(found), lambda a, b: [self.issue(item) for item in found[a:b]]
            case "/pulls":
                pulls = [item for item in reversed(self._filtered(query)) if item.is_pull]
                return len(pulls), lambda a, b: [self.pull(item) for item in pulls[a:b]]
            case "/commits":
                shas = self.walk(query["sha"])
                return len(shas), lambda a, b: [self._commit(sha) for sha in shas[a:b]]
            case "/issues/comments":
                made = _since(self.comments, query)
                return len(made), lambda a, b: [self.comment(one) for one in made[a:b]]
            case "/pulls/comments":
                made = _since(self.review_comments, query)
                return len(made), lambda a, b: [self.review_comment(one) for one in made[a:b]]
            case "/releases":
                return _all(self.releases)
            case "/milestones":
                return _all(self.milestones)
            case "/labels":
                return _all(self.labels)
            case _:
                return self._of_one(rest)

    def _of_one(self, rest: str) -> tuple[int, Callable[..., list[Any]]]:
        kind, number, what = f"{rest[1:]}//".split("/")[:3]
        if not number:
            raise KeyError(rest)
        item = self.items[int(number)]
        if (kind, what) == ("issues", "timeline"):
            return _all(item.events)
        if (kind, what) == ("pulls", "files") and item.is_pull:
            return _all([self._file(*file) for file in item.files])
        raise KeyError(rest)

    def _filtered(self, query: Mapping[str, str]) -> list[Item]:
        """In the order of changes."""
        if self._order is None:
            self._order = sorted(self.items.values(), key=lambda item: (item.updated, item.number))
        found = self._order
        if since := query.get("since"):
            at = datetime.fromisoformat(since)
            found = found[bisect_left(found, at, key=lambda item: item.updated) :]
        if query.get("state") == "open":
            found = [item for item in found if item.closed is None]
        return list(found)

    def walk(self, ref: str) -> list[str]:
        """Everything that a commit reaches, the latest first, as git lists it."""
        sha = self.head if ref == self.branch else ref
        if sha is None or sha not in self.commits:
            raise KeyError(ref)
        if sha not in self._walks:
            heap = [(-self.commits[sha].at.timestamp(), sha)]
            seen, order = {sha}, []
            while heap:
                _, one = heapq.heappop(heap)
                order.append(one)
                for parent in self.commits[one].parents:
                    if parent not in seen:
                        seen.add(parent)
                        heapq.heappush(heap, (-self.commits[parent].at.timestamp(), parent))
            self._walks[sha] = order
        return self._walks[sha]

    def issue(self, item: Item) -> dict[str, Any]:
        made = {
            **EXAMPLES["issue-items"][0],
            **self._common(item),
            "url": f"{self.url}/issues/{item.number}",
            "comments": item.comments,
            "state_reason": "completed" if item.closed and not item.is_pull else None,
        }
        if item.is_pull:
            made["draft"] = item.draft
            made["pull_request"] = {
                **EXAMPLES["issue-items"][0]["pull_request"],
                "merged_at": moment(item.merged) if item.merged else None,
            }
        else:
            made.pop("pull_request", None)
        return made

    def pull(self, item: Item) -> dict[str, Any]:
        if not item.is_pull:
            raise KeyError(item.number)
        example = EXAMPLES["pull-request-simple-items"][0]
        return {
            **example,
            **self._common(item),
            "draft": item.draft,
            "merged_at": moment(item.merged) if item.merged else None,
            "merge_commit_sha": item.merge_sha,
            "head": {**example["head"], "ref": f"topic-{item.number}", "sha": item.head_sha},
            "base": {**example["base"], "ref": self.branch},
        }

    def _common(self, item: Item) -> dict[str, Any]:
        kind = "pull" if item.is_pull else "issues"
        return {
            "id": 3_000_000_000 + item.number,
            "number": item.number,
            "title": item.title,
            "body": item.body,
            "state": "closed" if item.closed else "open",
            "user": person(item.login),
            "labels": [{**EXAMPLES["label-items"][0], "name": name} for name in item.labels],
            "created_at": moment(item.created),
            "updated_at": moment(item.updated),
            "closed_at": moment(item.closed) if item.closed else None,
            "html_url": f"https://github.com/{self.full_name}/{kind}/{item.number}",
        }

    def _commit(self, sha: str) -> dict[str, Any]:
        commit = self.commits[sha]
        example = EXAMPLES["commit-items"][0]
        when = {"name": commit.login or "Somebody", "email": "a@b.c", "date": moment(commit.at)}
        return {
            **example,
            "sha": sha,
            "author": person(commit.login),
            "parents": [{"sha": parent, "url": "", "html_url": ""} for parent in commit.parents],
            "commit": {
                **example["commit"],
                "author": when,
                "committer": when,
                "message": commit.message,
                "tree": {"url": "", "sha": sha_of(f"tree {self._files_hash()}")},
            },
        }

    def single_commit(self, sha: str) -> dict[str, Any]:
        files = [self._file(*file) for file in self.commits[sha].files]
        added, deleted = (sum(file[key] for file in files) for key in ("additions", "deletions"))
        stats = {"additions": added, "deletions": deleted, "total": added + deleted}
        return {**self._commit(sha), "stats": stats, "files": files}

    def _file(self, path: str, added: int, deleted: int) -> dict[str, Any]:
        return {
            **EXAMPLES["diff-entry-items"][0],
            "filename": path,
            "additions": added,
            "deletions": deleted,
        }

    def comment(self, one: Comment) -> dict[str, Any]:
        return {
            **EXAMPLES["issue-comment-items"][0],
            "id": one.id,
            "issue_url": f"{self.url}/issues/{one.number}",
            "user": person(one.login),
            "created_at": moment(one.at),
            "updated_at": moment(one.at),
            "body": one.body,
        }

    def review_comment(self, one: Comment) -> dict[str, Any]:
        return {
            **EXAMPLES["pull-request-review-comment-items"][0],
            "id": one.id,
            "pull_request_url": f"{self.url}/pulls/{one.number}",
            "user": person(one.login),
            "created_at": moment(one.at),
            "updated_at": moment(one.at),
            "body": one.body,
        }

    def _files_hash(self) -> str:
        return sha_of(repr(sorted(self.files.items())))

    def tree(self, sha: str, *, recursive: bool) -> dict[str, Any]:
        top: list[dict[str, Any]] = []
        docs: list[dict[str, Any]] = []
        for path, content in sorted(self.files.items()):
            blob = sha_of(f"blob {content!r}")
            self.blobs[blob] = content
            entry = {"mode": "100644", "type": "blob", "sha": blob, "size": len(content)}
            if path.startswith("docs/"):
                docs.append({**entry, "path": path.removeprefix("docs/")})
            else:
                top.append({**entry, "path": path})
        docs_sha = sha_of(repr(docs))
        if docs:
            top.append({"mode": "040000", "type": "tree", "sha": docs_sha, "path": "docs"})
        if sha == docs_sha:
            assert recursive
            return {"sha": sha, "tree": docs, "truncated": False}
        if sha != sha_of(f"tree {self._files_hash()}"):
            raise KeyError(sha)
        return {**EXAMPLES["git-tree-default-response"], "sha": sha, "tree": top}


def review(number: int, at: datetime, login: str = "ada", state: str = "approved") -> Any:
    """An entry of a timeline."""
    return {
        **EXAMPLES["pull-request-review-items"][0],
        "id": number,
        "event": "reviewed",
        "user": person(login),
        "state": state,
        "submitted_at": moment(at),
    }


def event(kind: str, at: datetime, login: str = "ada") -> Any:
    example = EXAMPLES["timeline-issue-events"][0]
    return {**example, "event": kind, "actor": person(login), "created_at": moment(at)}


def _since(made: list[Comment], query: Mapping[str, str]) -> list[Comment]:
    since = datetime.fromisoformat(query.get("since", "1970-01-01T00:00:00+00:00"))
    found = [one for one in made if one.at >= since]
    return sorted(found, key=lambda one: (one.at, one.id))


def _all(things: list[Any]) -> tuple[int, Callable[..., list[Any]]]:
    return len(things), lambda a, b: things[a:b]


def large(
    full_name: str = "octocat/hello-world",
    *,
    issues: int,
    commits: int,
    until: datetime,
    seed: int = 1,
    days: int = 80,
    pulls_every: int = 10,
    id: int = 1296269,  # noqa: A002 - as GitHub has it
) -> Repository:
    """Issues, of which each tenth or so is a pull request, and a history with merges."""
    random_of = random.Random(seed)
    made = Repository(full_name, id)
    begin = until - timedelta(days=days)
    span = int((until - begin).total_seconds())

    def at(part: int, of: int) -> datetime:
        return begin + timedelta(seconds=span * part // max(of, 1))

    merges: list[tuple[str, datetime]] = []
    for n in range(commits):
        when, login = at(n, commits), PEOPLE[random_of.randrange(5)]
        if n % 25 == 24 and made.head is not None:
            side = made.commit(when - timedelta(minutes=3), made.head, login=login)
            merge = made.commit(when, made.head, side, login=login, message=f"Merge {n}")
            made.head = merge
            merges.append((merge, when))
        else:
            made.commit(when, login=login, message=f"Change {n}")
    for number in range(1, issues + 1):
        created = at(number * 9 // 10, issues)
        updated = at(number, issues)
        item = Item(number, created, updated, title=f"Thing {number}", login=PEOPLE[number % 5])
        if number % 3 == 0:
            item.closed = updated
        if number % pulls_every == 0:
            item.is_pull = True
            item.head_sha = sha_of(f"head {number}")
            item.events = [review(number * 10, created + timedelta(hours=1), PEOPLE[number % 4])]
            while item.closed and merges and item.merged is None:
                merge, merged = merges.pop(0)
                if merged >= updated:
                    item.merge_sha, item.merged = merge, merged
                    item.closed = item.updated = merged
                    item.events.append(event("merged", merged))
        if number % 4 == 0:
            item.comments = 1
            made.comments.append(Comment(number, number, updated, PEOPLE[number % 3]))
        made.put(item)
    made.releases = [
        {
            **EXAMPLES["release-items"][0],
            "id": n,
            "tag_name": f"v{n}",
            "created_at": moment(at(n, 10)),
            "published_at": moment(at(n, 10)),
        }
        for n in range(9, 0, -1)
    ]
    made.milestones = [
        {**EXAMPLES["milestone-items"][0], "number": n, "title": f"v{n}"} for n in range(1, 6)
    ]
    made.labels = [{**EXAMPLES["label-items"][0], "name": name} for name in ("bug", "idea", "docs")]
    made.files = {
        "README.md": b"# Hello\n",
        "docs/start.md": b"Start here.\n",
        "docs/more/end.md": b"End.\n",
        "src.py": b"pass\n",
    }
    return made
