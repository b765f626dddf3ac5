"""Does a sync bring what is new, exactly that, and notice what is no longer so?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from tests.agents.github.test_tokens import HEX, seal
from tests.support.github import Misfortune
from tests.support.github_repository import Comment, Item, Repository, event, large, review
from tests.support.github_shop import NOW, TOKEN, Shop, ago, sql


def small() -> Repository:
    return large(issues=30, commits=60, until=ago(days=1))


def issue(number: int, **values: Any) -> Item:
    at = values.pop("at", ago(days=2))
    return Item(number, at, values.pop("updated", at), **values)


async def numbers(shop: Shop, table: str, project: Any, **having: Any) -> list[int]:
    return sorted(
        row["number"]
        for row in await shop.rows(table, project)
        if all(row[name] == value for name, value in having.items())
    )


async def test_everything_that_is_there_comes_over(shop: Shop) -> None:
    made = shop.github.add(small())
    project = await shop.project(made)
    data = await shop.sync()
    assert (data["projectsSynced"], data["projectsFailed"], data["errors"]) == (1, 0, [])
    pulls = {n for n, item in made.items.items() if item.is_pull}
    assert await numbers(shop, "issues", project) == sorted(set(made.items) - pulls)
    assert await numbers(shop, "pulls", project) == sorted(pulls)
    commits = await shop.rows("commits", project)
    assert {row["sha"] for row in commits} == set(made.walk(made.head or ""))
    assert len(await shop.rows("comments", project)) == len(made.comments)
    assert len(await shop.rows("reviews", project)) == len(pulls)
    assert [row["path"] for row in await shop.rows("files", project)] == [
        "README.md",
        "docs/more/end.md",
        "docs/start.md",
    ]
    kept = await shop.everything(project)
    assert len(kept["product_issues"]) == len(made.items) - len(pulls)
    assert [row["github_pr_id"] for row in kept["product_pulls"]] == sorted(pulls)
    repository = await shop.repository(project)
    assert (repository["complete"], repository["error"]) == (True, None)
    assert repository["last_synced_at"] == repository["github_last_synced_at"] == NOW


async def test_a_second_sync_with_nothing_new_writes_nothing(shop: Shop) -> None:
    await shop.project(shop.github.add(small()))
    await shop.sync()
    before = await shop.versions()
    shop.github.forget()
    data = await shop.sync()
    assert data["requests"] == data["unchanged"] == 7
    assert data["rowsChanged"] == 0
    assert shop.github.statuses() == {304: 7}
    assert await shop.versions() == before


async def test_another_token_gets_other_tags_and_still_writes_no_row(shop: Shop) -> None:
    project = await shop.project(shop.github.add(small()))
    await shop.sync()
    before = await shop.everything(project)
    revision = (await shop.repository(project))["revision"]
    shop.github.tokens.add("another-token")
    shop.settings["token"] = SecretStr("another-token")
    shop.github.forget()
    data = await shop.sync()
    assert data["unchanged"] == 0
    assert data["requests"] <= 8
    assert data["rowsChanged"] == 0
    assert await shop.everything(project) == before
    assert (await shop.repository(project))["revision"] == revision


async def test_what_has_changed_comes_and_no_more_is_asked_for(shop: Shop) -> None:
    made = shop.github.add(small())
    project = await shop.project(made)
    await shop.sync()
    made.touch(7, ago(hours=3), title="Mended", closed=ago(hours=3))
    made.put(issue(31, at=ago(hours=2)))
    made.touch(10, ago(hours=1), draft=False)
    made.items[10].events.append(review(999, ago(hours=1), "linus", "changes_requested"))
    made.comments.append(Comment(999, 31, ago(hours=2)))
    made.review_comments.append(Comment(998, 10, ago(hours=1)))
    shop.github.forget()
    data = await shop.sync()
    issues = {row["number"]: row for row in await shop.rows("issues", project)}
    assert issues[7]["title"] == "Mended"
    assert (issues[7]["state"], issues[31]["state"]) == ("closed", "open")
    assert {row["id"] for row in await shop.rows("comments", project)} >= {999, 998}
    [found] = [row for row in await shop.rows("reviews", project) if row["id"] == 999]
    assert (found["state"], found["author_login"]) == ("changes_requested", "linus")
    # The seven of every sync, the two lists of comments, and one timeline: nothing was pushed.
    assert data["requests"] == 10
    kept = await shop.everything(project)
    assert {row["github_issue_id"]: row["title"] for row in kept["product_issues"]}[7] == "Mended"


async def test_when_a_pull_request_became_ready_and_who_merged_it(shop: Shop) -> None:
    made = shop.github.add(Repository())
    base = made.commit(ago(days=5))
    side = made.commit(ago(days=4), base)
    other = made.commit(ago(days=4), side)
    merge = made.commit(ago(days=3), base, other)
    made.head = merge
    pull = issue(1, is_pull=True, closed=ago(days=3), merged=ago(days=3), merge_sha=merge)
    pull.files = (("a.py", 10, 2), ("b.py", 1, 0))
    pull.events = [
        event("ready_for_review", ago(days=6)),
        event("convert_to_draft", ago(days=6, hours=-1)),
        event("ready_for_review", ago(days=4)),
        event("merged", ago(days=3), "linus"),
        {"event": "reviewed", "id": 5, "user": None, "state": "pending"},
    ]
    made.put(pull)
    project = await shop.project(made)
    await shop.sync()
    [row] = await shop.rows("pulls", project)
    assert row["ready_at"] == ago(days=4)
    assert row["merged_by"] == "linus"
    assert (row["additions"], row["deletions"], row["changed_files"]) == (11, 2, 2)
    assert await shop.rows("reviews", project) == []
    commits = {c["sha"]: c for c in await shop.rows("commits", project)}
    # The merge has the pull request's lines; what came with it is of it, and not counted twice.
    assert (commits[merge]["pull"], commits[merge]["additions"]) == (1, 11)
    assert commits[merge]["files"] == ["a.py", "b.py"]
    assert [commits[sha]["pull"] for sha in (base, side, other)] == [None, 1, 1]
    assert commits[side]["additions"] is None
    assert commits[base]["additions"] == 3


async def test_the_lines_of_so_many_single_commits_are_asked_for(shop: Shop) -> None:
    made = shop.github.add(Repository())
    for n in range(10):
        made.commit(ago(days=10 - n))
    project = await shop.project(made)
    await shop.sync(max_commit_details=4)
    known = [c["committed_at"] for c in await shop.rows("commits", project) if c["files"]]
    assert sorted(known) == [ago(days=n) for n in (4, 3, 2, 1)]
    shop.github.forget()
    await shop.sync(max_commit_details=4)
    assert len(shop.github.asked) == 7, "what was left out is not caught up for ever"


async def test_lines_that_no_request_was_left_for_are_not_forgotten(shop: Shop) -> None:
    made = shop.github.add(Repository())
    for n in range(90):
        made.commit(ago(days=20) + timedelta(hours=n))
    project = await shop.project(made)
    assert (await shop.sync(maxRequests=50))["projectsPaused"] == 1
    made.commit(ago(days=1))
    await shop.until_complete(maxRequests=50)
    assert all(c["files"] for c in await shop.rows("commits", project))


async def test_what_a_merge_brings_in_from_long_ago_is_not_missed(shop: Shop) -> None:
    made = shop.github.add(Repository())
    first = made.commit(ago(days=80))
    for n in range(300):
        made.commit(ago(days=70) + timedelta(hours=5 * n))
    project = await shop.project(made)
    await shop.sync()
    old_head = made.head or ""
    one = made.commit(ago(days=79), first)
    two = made.commit(ago(days=78), one)
    made.head = made.commit(ago(hours=5), old_head, two)
    await shop.sync()
    assert {c["sha"] for c in await shop.rows("commits", project)} == set(made.commits)


async def test_after_a_force_push_the_rows_are_what_the_branch_is(shop: Shop) -> None:
    made = shop.github.add(Repository())
    for n in range(250):
        made.commit(ago(days=60) + timedelta(hours=n))
    project = await shop.project(made)
    await shop.sync()
    kept = made.walk(made.head or "")[120]
    made.head = kept
    for n in range(130):
        made.commit(ago(days=20) + timedelta(hours=n), login="linus")
    await shop.sync()
    here = {c["sha"] for c in await shop.rows("commits", project)}
    assert here == set(made.walk(made.head or ""))
    # Back to an older commit, with nothing new.
    made.head = kept
    await shop.sync()
    assert {c["sha"] for c in await shop.rows("commits", project)} == set(made.walk(kept))
    assert (await shop.repository(project))["head_sha"] == kept
    # A history of its own, that shares nothing.
    made.head = None
    made.commit(ago(days=2))
    await shop.sync()
    assert [c["sha"] for c in await shop.rows("commits", project)] == [made.head]


async def test_a_head_that_is_pushed_away_while_it_is_walked(shop: Shop) -> None:
    made = shop.github.add(Repository())
    for n in range(350):
        made.commit(ago(days=60) + timedelta(hours=n))
    project = await shop.project(made)
    await shop.sync(max_pages=1)
    lost = made.head or ""
    made.head = made.commits[lost].parents[0]
    del made.commits[lost]
    made.commit(ago(days=2))
    await shop.until_complete()
    here = {c["sha"] for c in await shop.rows("commits", project)}
    assert here == set(made.walk(made.head or ""))


async def test_only_so_far_back_and_all_that_is_still_open(shop: Shop) -> None:
    made = shop.github.add(Repository())
    for n in range(300):
        made.commit(ago(days=200) + timedelta(hours=15 * n))
    made.put(issue(1, at=ago(days=150)))
    made.put(issue(2, at=ago(days=150), closed=ago(days=140)))
    made.put(issue(3, at=ago(days=150), is_pull=True))
    made.put(issue(4, at=ago(days=5)))
    project = await shop.project(made)
    await shop.sync(backfill_days=30)
    assert await numbers(shop, "issues", project) == [1, 4]
    assert await numbers(shop, "pulls", project) == [3]
    commits = await shop.rows("commits", project)
    assert 40 <= len(commits) < 250
    assert {c["sha"] for c in commits} >= {
        sha for sha, c in made.commits.items() if c.at >= ago(days=30)
    }
    details = [a.path for a in shop.github.asked if "timeline" in a.path]
    assert details == [], "an old pull request is kept, and not gone through"


async def test_more_changes_in_one_second_than_fit_on_a_page(shop: Shop) -> None:
    made = shop.github.add(Repository())
    for number in range(1, 331):
        made.put(issue(number, at=ago(days=9), updated=ago(days=2)))
    made.put(issue(331, at=ago(days=1)))
    project = await shop.project(made)
    await shop.sync()
    assert await numbers(shop, "issues", project) == list(range(1, 332))
    for number in range(50, 250):
        made.touch(number, ago(hours=2), title="Moved")
    await shop.sync()
    assert await numbers(shop, "issues", project, title="Moved") == list(range(50, 250))


async def test_what_was_deleted_or_transferred_is_noticed(shop: Shop) -> None:
    made = shop.github.add(small())
    shop.github.add(Repository("octocat/other", 7)).put(issue(2))
    project = await shop.project(made)
    await shop.sync()
    made.delete(4)
    made.transfer(5, "/repos/octocat/other/issues/2")
    await shop.sync()
    gone = {r["number"]: r["gone"] for r in await shop.rows("issues", project) if r["gone"]}
    assert gone == {4: "deleted", 5: "transferred"}
    product = (await shop.everything(project))["product_issues"]
    assert not {4, 5} & {row["github_issue_id"] for row in product}
    shop.github.forget()
    await shop.sync()
    assert len(shop.github.asked) == 7


async def test_a_moved_repository_is_noted_and_read_where_it_is(shop: Shop) -> None:
    made = shop.github.add(small())
    project = await shop.project(made)
    await shop.sync()
    before = await shop.everything(project)
    del shop.github.repositories["octocat/hello-world"]
    made.full_name = "new-owner/new-name"
    shop.github.add(made)
    shop.github.moved["octocat/hello-world"] = "new-owner/new-name"
    await shop.sync()
    assert (await shop.repository(project))["moved_to"] == "new-owner/new-name"
    after = await shop.everything(project)
    assert after["commits"] == before["commits"]
    assert len(after["issues"]) == len(before["issues"])
    shop.github.forget()
    await shop.sync()
    assert all(asked.path.startswith("/repos/new-owner/new-name") for asked in shop.github.asked)
    assert shop.github.statuses()[301] == 0


async def test_where_it_was_moved_to_it_may_be_gone_again(shop: Shop) -> None:
    made = shop.github.add(small())
    project = await shop.project(made)
    shop.github.moved["octocat/hello-world"] = "octocat/elsewhere"
    made.full_name = "octocat/elsewhere"
    shop.github.add(made)
    await shop.sync()
    assert (await shop.repository(project))["moved_to"] == "octocat/elsewhere"
    del shop.github.repositories["octocat/elsewhere"]
    shop.github.moved.clear()
    shop.github.add(Repository("octocat/hello-world", 8)).put(issue(1))
    assert (await shop.sync())["errors"] == []
    row = await shop.repository(project)
    assert (row["moved_to"], row["github_id"]) == (None, 8)
    assert await numbers(shop, "issues", project) == [1]


async def test_a_pull_request_that_github_hides_goes(shop: Shop) -> None:
    made = shop.github.add(small())
    project = await shop.project(made)
    await shop.sync()
    open_pulls = [n for n, item in made.items.items() if item.is_pull and item.closed is None]
    made.delete(open_pulls[0])
    await shop.sync()
    assert open_pulls[0] not in await numbers(shop, "pulls", project)
    assert open_pulls[0] not in {row["pull"] for row in await shop.rows("reviews", project)}
    kept = await shop.everything(project)
    assert open_pulls[0] not in {row["github_pr_id"] for row in kept["product_pulls"]}
    shop.github.forget()
    await shop.sync()
    assert len(shop.github.asked) == 7


async def test_another_repository_under_the_project_takes_the_place_of_the_old(
    shop: Shop,
) -> None:
    project = await shop.project(shop.github.add(small()))
    await shop.sync()
    other = shop.github.add(Repository("octocat/other", 7))
    other.put(issue(500))
    # Under a number that the old one has had too, and changed later.
    other.put(issue(7, updated=ago(days=60), title="Of the other"))
    await shop.product.pool.execute(
        "UPDATE projects SET github_repo = $1", f"{shop.github.url}/octocat/other.git"
    )
    await shop.sync()
    assert await numbers(shop, "issues", project) == [7, 500]
    kept = await shop.everything(project)
    product = {row["github_issue_id"]: row["title"] for row in kept["product_issues"]}
    assert product == {7: "Of the other", 500: "It does not work"}
    assert kept["product_pulls"] == []
    assert await shop.rows("commits", project) == []
    assert (await shop.repository(project))["full_name"] == "octocat/other"


async def test_an_empty_repository_and_one_without_issues(shop: Shop) -> None:
    shop.github.add(Repository("a/empty", 1))
    closed = shop.github.add(Repository("a/closed", 2))
    closed.commit(ago(days=1))
    shop.github.misfortune = lambda r: (
        Misfortune(410, body='{"message": "Issues are disabled for this repo"}')
        if r.path == "/repos/a/closed/issues"
        else None
    )
    await shop.project("a/empty")
    project = await shop.project("a/closed")
    data = await shop.sync()
    assert (data["projectsSynced"], data["errors"]) == (2, [])
    assert len(await shop.rows("commits", project)) == 1


async def test_what_a_project_does_not_want_is_not_read(shop: Shop) -> None:
    shop.github.add(small())
    project = await shop.project(issues=False)
    other = await shop.project(pulls=False)
    await shop.sync()
    assert await shop.rows("issues", project) == []
    assert await shop.rows("pulls", project)
    assert await shop.rows("pulls", other) == []
    assert await shop.rows("issues", other)


@pytest.mark.parametrize(
    ("repository", "words"),
    [
        ("octocat/missing", "404: there is no such repository"),
        ("octocat/blocked", "451: it is not available for legal reasons"),
        ("octocat/hello-world/issues", "is not owner/name"),
        ("../..", "is not owner/name"),
        ("octocat/..", "is not owner/name"),
        ("", "is not owner/name"),
        ("octocat/a?x=1#", "is not owner/name"),
    ],
)
async def test_an_error_of_one_project_stands_with_it_and_stops_no_other(
    shop: Shop, repository: str, words: str
) -> None:
    made = shop.github.add(small())
    shop.github.blocked.add("octocat/blocked")
    bad, good = await shop.project(repository), await shop.project(made)
    data = await shop.sync()
    assert (data["projectsSynced"], data["projectsFailed"]) == (1, 1)
    assert words in data["errors"][0]["error"]
    assert data["errors"][0]["projectId"] == str(bad)
    row = await shop.repository(bad)
    assert words in row["error"]
    assert (row["error_at"], row["last_synced_at"], row["complete"]) == (NOW, None, False)
    assert row["github_last_synced_at"] is None
    assert (await shop.repository(good))["error"] is None


async def test_a_projects_own_token_reads_it_and_a_bad_one_is_its_error(shop: Shop) -> None:
    shop.settings["encryption_key"] = SecretStr(HEX)
    shop.github.tokens.add("own-token")
    shop.github.add(small())
    await shop.project(own=seal("own-token", HEX), use_global=False)
    expired = await shop.project(own=seal("expired", HEX), use_global=False)
    damaged = await shop.project(own=seal("own-token", "another"), use_global=False)
    data = await shop.sync()
    assert (data["projectsSynced"], data["projectsFailed"]) == (1, 2)
    assert {asked.token for asked in shop.github.asked} == {"own-token", "expired"}
    assert "401" in (await shop.repository(expired))["error"]
    assert "ENCRYPTION_KEY" in (await shop.repository(damaged))["error"]
    said = repr(shop.log.lines) + repr(data)
    tables = "".join(
        [
            repr([dict(row) async for row in sql.quota(shop.product.pool)]),
            repr(await shop.product.pool.fetch("SELECT * FROM lamplighter.github_etags")),
            repr(await shop.product.pool.fetch("SELECT * FROM lamplighter.github_repositories")),
        ]
    )
    for secret in ("own-token", "expired", HEX, TOKEN):
        assert secret not in said
        assert secret not in tables


async def test_an_error_is_over_when_it_is_mended(shop: Shop) -> None:
    made = small()
    project = await shop.project(made)
    assert (await shop.sync())["projectsFailed"] == 1
    shop.github.add(made)
    assert (await shop.sync())["projectsSynced"] == 1
    row = await shop.repository(project)
    assert (row["error"], row["error_at"], row["complete"]) == (None, None, True)


async def test_hostile_text_is_kept_as_text(shop: Shop) -> None:
    made = shop.github.add(Repository())
    texts = ["a\x00b", "'); DROP TABLE projects; --", "\ud800", "$1 :now {x} %s", "x" * 300_000]
    for number, text in enumerate(texts, 1):
        made.put(issue(number, title=text, body=text, labels=(text, text[:9])))
        made.comments.append(Comment(number, number, ago(days=2), body=text))
    made.commit(ago(days=1), message="\x00" * 5000, files=(("a\x00.py", 1, 1), ("'\"\\", 1, 0)))
    project = await shop.project(made)
    data = await shop.sync()
    assert data["errors"] == []
    issues = {row["number"]: row for row in await shop.rows("issues", project)}
    assert issues[2]["title"] == texts[1]
    assert issues[1]["title"] == "a\N{REPLACEMENT CHARACTER}b"
    assert len(issues[5]["body"]) == 20_000


@pytest.mark.parametrize("body", ["[1]", "{}", '[{"number": "x"}]', "null", '"text"'])
async def test_an_answer_that_is_not_as_documented_is_the_projects_error(
    shop: Shop, body: str
) -> None:
    project = await shop.project(shop.github.add(small()))
    shop.github.misfortune = lambda r: (
        Misfortune(200, body=body) if r.path.endswith("/issues") else None
    )
    data = await shop.sync()
    assert data["projectsFailed"] == 1
    assert "GitHub's" in (await shop.repository(project))["error"]
