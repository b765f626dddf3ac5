"""Is what GitHub's own examples say kept, and nothing that a database could not take?"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from agents.github import rows
from agents.github.errors import GitHubError
from agents.github.store import parsed
from scheduler.db.pools import to_json
from tests.support.github_repository import EXAMPLES


def test_githubs_examples() -> None:
    [issue] = map(rows.issue, EXAMPLES["issue-items"])
    assert issue["number"] == 1347
    assert issue["labels"] == ["bug"]
    assert (issue["author_login"], issue["author_is_bot"]) == ("octocat", False)
    assert issue["milestone"] == "v1.0"
    [pull] = map(rows.pull, EXAMPLES["pull-request-simple-items"])
    assert (pull["base"], pull["head"]) == ("master", "new-topic")
    assert pull["head_sha"] == "6dcb09b5b57875f334f61aebed695e2e4193db5e"
    assert pull["merge_sha"] is not None
    [commit] = map(rows.commit, EXAMPLES["commit-items"])
    assert commit["message"] == "Fix all the bugs"
    assert commit["parents"] == ["6dcb09b5b57875f334f61aebed695e2e4193db5e"]
    assert rows.lines(EXAMPLES["commit"])["additions"] == 104
    [release] = map(rows.release, EXAMPLES["release-items"])
    assert release["tag"] == "v1.0.0"
    [milestone] = map(rows.milestone, EXAMPLES["milestone-items"])
    assert (milestone["open_issues"], milestone["closed_issues"]) == (4, 8)
    assert [rows.label(label)["name"] for label in EXAMPLES["label-items"]] == [
        "bug",
        "enhancement",
    ]
    [comment] = [rows.comment(c, "conversation") for c in EXAMPLES["issue-comment-items"]]
    assert comment["number"] == 1347
    [said] = [rows.comment(c, "review") for c in EXAMPLES["pull-request-review-comment-items"]]
    assert said["number"] == 1
    [review] = [rows.review(r, 12) for r in EXAMPLES["pull-request-review-items"]]
    assert (review["state"], review["pull"]) == ("approved", 12)
    file = rows.file("README.md", "a" * 40, EXAMPLES["blob"])
    assert file["text"] == "Content of the blob"


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 100_000, "🙂" * 50_000])
def test_texts_are_bounded_and_can_be_kept(text: str) -> None:
    item = {**EXAMPLES["issue-items"][0], "title": text, "body": text}
    kept = rows.issue(item)
    assert len(kept["title"]) <= rows.TITLE
    assert len(kept["body"]) <= rows.BODY
    assert "\x00" not in kept["body"]
    kept["body"].encode("utf-8")
    assert json.loads(to_json([kept]))[0]["title"] == kept["title"]


@pytest.mark.parametrize(
    "change",
    [
        {"number": "x"},
        {"number": float("inf")},
        {"updated_at": "yesterday"},
        {"created_at": None},
        {"labels": None},
        {"user": "octocat"},
    ],
)
def test_what_is_not_as_documented_is_an_error_of_ours(change: dict[str, Any]) -> None:
    with pytest.raises(GitHubError, match="issues are not as documented"):
        parsed("issues", rows.issue, [{**EXAMPLES["issue-items"][0], **change}])
    with pytest.raises(GitHubError):
        parsed("issues", rows.issue, [None])


def test_an_account_that_is_gone_and_one_that_is_a_bot() -> None:
    item = EXAMPLES["issue-items"][0]
    assert rows.issue({**item, "user": None})["author_login"] is None
    bot = {**item["user"], "login": "dependabot[bot]", "type": "User"}
    assert rows.issue({**item, "user": bot})["author_is_bot"]
    commit = EXAMPLES["commit-items"][0]
    assert rows.commit({**commit, "author": {}})["author_login"] is None


def test_a_file_that_is_no_text_or_too_large() -> None:
    blob = {"encoding": "base64", "size": 3, "content": base64.b64encode(b"\xff\x00a").decode()}
    assert rows.file("README.md", "a", blob)["text"] is None
    assert rows.file("README.md", "a", {**blob, "size": rows.BYTES_FILE + 1})["text"] is None
    assert rows.file("README.md", "a", {**blob, "content": "YQ==\n"})["text"] == "a"


def test_of_two_rows_of_one_thing_the_last_counts() -> None:
    made = [{"number": 1, "a": 1}, {"number": 2}, {"number": 1, "a": 2}]
    assert rows.unique(made, lambda row: row["number"]) == [{"number": 1, "a": 2}, {"number": 2}]
