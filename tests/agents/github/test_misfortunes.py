"""Does what nobody expects of GitHub end one sync at most, with an error on its project?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from agents.github.errors import GitHubError
from agents.github.session import github_session
from agents.github.store import Bounds, Project
from agents.github.sync import sync_project
from agents.github.terms import Pace
from tests.support.github import Misfortune
from tests.support.github_repository import Comment, Item, Repository, large
from tests.support.github_shop import NOW, TOKEN, Shop, ago, sql

ISSUE = {"number": 1, "updated_at": "2026-01-01T00:00:00Z"}


def small(full_name: str = "octocat/hello-world", **options: Any) -> Repository:
    return large(full_name, issues=12, commits=20, until=ago(days=1), **options)


def odd(shop: Shop, end: str, fate: Misfortune) -> None:
    """What ends so of hello-world meets it."""
    path = f"/repos/octocat/hello-world{end}"
    shop.github.misfortune = lambda request: fate if request.path == path else None


async def beside_another(shop: Shop) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Sync hello-world and another, which is well: the answer, and what stands with hello-world."""
    project = await shop.project("octocat/hello-world")
    other = await shop.project(shop.github.add(small("octocat/other", id=7)))
    data = await shop.sync()
    assert (await shop.repository(other))["complete"]
    assert data["projectsSynced"] + data["projectsFailed"] == 2
    return data, await shop.repository(project)


@pytest.mark.parametrize(
    ("end", "fate", "words"),
    [
        ("", Misfortune(200, body="[" * 100_000), "not JSON"),
        ("/issues", Misfortune(200, body="[" * 100_000), "not JSON"),
        ("", Misfortune(200, body='{"id": 1e999}'), "(OverflowError)"),
        ("", Misfortune(200, body="[1]"), "repository is not as documented"),
        ("/issues", Misfortune(200, body=json.dumps([{**ISSUE, "number": 1e999}])), "issues are"),
        ("/milestones", Misfortune(200, body='[{"number": 1e999}]'), "milestones are not"),
        ("/labels", Misfortune(200, body='["x"]'), "no list"),
        ("/issues", Misfortune(302, {"Location": "http://127.0.0.1:99999/"}), "not followed"),
        ("/issues", Misfortune(302, {"Location": "http://[::1/"}), "not followed"),
        ("/issues", Misfortune(302, {"Location": "//evil.example/"}), "not followed"),
        ("/issues", Misfortune(200, {"Link": '<http://[>; rel="next"'}, "[]"), "not followed"),
        ("/labels", Misfortune(403), "403: the token may not read this (/labels)"),
        ("", Misfortune(403, {"X-GitHub-SSO": "required; url=x"}), "organization's SSO"),
    ],
)
async def test_an_odd_answer_is_the_error_of_its_project(
    shop: Shop, end: str, fate: Misfortune, words: str
) -> None:
    shop.github.add(small())
    odd(shop, end, fate)
    data, row = await beside_another(shop)
    assert words in data["errors"][0]["error"]
    assert words in row["error"]
    assert (row["error_at"], row["complete"], row["last_synced_at"]) == (NOW, False, None)


@pytest.mark.parametrize("what", ["issue", "comment", "repository"])
async def test_a_number_that_no_column_takes_is_the_error_of_its_project(
    shop: Shop, what: str
) -> None:
    made = shop.github.add(small())
    match what:
        case "issue":
            made.put(Item(3_000_000_000, ago(days=2), ago(days=2)))
        case "comment":
            made.comments.append(Comment(2**70, 1, ago(days=2)))
        case _:
            made.id = 2**70
    data, row = await beside_another(shop)
    assert "cannot be kept" in data["errors"][0]["error"]
    assert "cannot be kept" in row["error"]


async def test_more_requests_than_a_column_takes_spoil_no_run(shop: Shop) -> None:
    await shop.project(shop.github.add(small()))
    shop.github.limit = 10**14
    assert (await shop.sync())["projectsSynced"] == 1
    [quota] = [row async for row in sql.quota(shop.product.pool)]
    assert quota["remaining"] == 10**9


async def test_a_limit_is_not_believed_for_longer_than_limits_last(shop: Shop) -> None:
    project = await shop.project(shop.github.add(small()))
    shop.github.limit, shop.github.reset_in = 3, 1e9
    assert (await shop.sync())["projectsPaused"] == 1
    [quota] = [row async for row in sql.quota(shop.product.pool)]
    assert quota["reset_at"] == NOW + timedelta(hours=1)
    shop.github.limit = 1000
    assert (await shop.sync())["projectsPaused"] == 1
    shop.now = NOW + timedelta(hours=1)
    await shop.sync()
    assert (await shop.repository(project))["complete"]


async def test_a_token_that_is_not_known_is_tried_once(shop: Shop) -> None:
    """Who goes on with it is shut out, good tokens and all."""
    for number in range(1, 6):
        await shop.project(shop.github.add(small(f"octocat/p{number}", id=number)))
    shop.github.tokens.clear()
    data = await shop.sync(maxConcurrentProjects=1)
    assert data["projectsFailed"] == 5
    assert all("401" in error["error"] for error in data["errors"])
    assert (shop.github.statuses(), data["requests"]) == ({401: 1}, 1)
    shop.github.tokens.add(TOKEN)
    assert (await shop.sync())["projectsSynced"] == 5


async def test_commits_of_times_that_no_calendar_has(shop: Shop) -> None:
    made = shop.github.add(Repository())
    for days in (3, 2, 1):
        made.commit(ago(days=days))
    usual = made.listed

    def listed(rest: str, query: Mapping[str, str]) -> Any:
        count, part = usual(rest, query)
        if rest != "/commits":
            return count, part
        commits = part(0, count)
        commits[0]["commit"]["author"] = {"name": "x", "date": "20000-01-01T00:00:00Z"}
        commits[1]["commit"] |= {who: {"date": "never"} for who in ("author", "committer")}
        commits[2]["commit"] |= dict.fromkeys(("author", "committer"))
        return count, lambda a, b: commits[a:b]

    made.listed = listed  # type: ignore[method-assign]
    project = await shop.project(made)
    await shop.sync()
    found = {c["sha"]: c["authored_at"].year for c in await shop.rows("commits", project)}
    assert [found[sha] for sha in made.walk(made.head or "")] == [2026, 1970, 1970]


async def test_files_whose_names_cannot_be_kept_are_left_out(shop: Shop) -> None:
    made = shop.github.add(small())
    made.files = {
        "README.md": b"Read me.",
        "docs/" + "p" * 700 + ".md": b"long",
        "docs/\ud800.md": b"no text",
        "docs/a\nb.md": b"kept",
    }
    project = await shop.project(made)
    assert (await shop.sync())["errors"] == []
    assert [f["path"] for f in await shop.rows("files", project)] == ["README.md", "docs/a\nb.md"]


@pytest.mark.parametrize("tree", ["../../../user", "main\x00", 5])
async def test_a_hash_that_is_none_is_not_asked_for(shop: Shop, tree: object) -> None:
    made = shop.github.add(small())
    [head] = made.listed("/commits", {"sha": "main"})[1](0, 1)
    head["commit"]["tree"] = {"sha": tree}
    odd(shop, "/commits", Misfortune(200, body=json.dumps([head])))
    data, _ = await beside_another(shop)
    assert "commits are not as documented" in data["errors"][0]["error"]
    assert not [a for a in shop.github.asked if "hello-world" in a.path and "trees" in a.path]


@pytest.mark.parametrize("status", [404, 422])
async def test_a_default_branch_that_is_not_there(shop: Shop, status: int) -> None:
    shop.github.add(small())
    odd(shop, "/commits", Misfortune(status))
    _, row = await beside_another(shop)
    assert (row["complete"], row["error"]) == (True, None)


@pytest.mark.parametrize("end", ["/issues", "/issues/comments", "/milestones"])
async def test_what_a_repository_has_turned_off(shop: Shop, end: str) -> None:
    shop.github.add(small())
    odd(shop, end, Misfortune(410))
    _, row = await beside_another(shop)
    assert (row["complete"], row["error"]) == (True, None)


async def test_a_project_that_is_deleted_meanwhile(shop: Shop) -> None:
    made = shop.github.add(small())
    ctx = shop.context()
    project = Project(uuid4(), made.full_name)
    async with github_session(ctx, Pace()) as session:
        with pytest.raises(GitHubError, match="was deleted while"):
            await sync_project(ctx, session.client, session.tokens, project, Bounds())
    await shop.sync()
    left = await shop.product.pool.fetchval("SELECT count(*) FROM lamplighter.github_repositories")
    assert left == 0
