"""Is what was approved published once, as it was shown, where it was to be, and nothing else?"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from agents.approvals import By, approve, edit
from agents.github.errors import GitHubError
from agents.github.terms import Pace
from agents.kit import autonomy
from agents.publish import Outcome, publish, publish_ready
from jobs.orchestration.publish import Publish, job
from scheduler.errors import BusyError, ConflictError, NotFoundError, PermanentError
from scheduler.job import Done
from scheduler.policy import AgentPolicy
from tests.support.agents import NOW, REPOSITORY, Bench, proposal
from tests.support.github import GitHubDouble, Misfortune
from tests.support.github_repository import Item as Made
from tests.support.github_repository import Repository
from tests.support.github_shop import Shop
from tests.support.jobs import product

KILLS = int(os.environ.get("LAMPLIGHTER_KILLS", "50"))
ROOT = Path(__file__).parents[2]
ANA = By("admin", "10.0.0.7")
KINDS = {
    "pr_review": "pull:12",
    "answer": "issue:7",
    "report": "issue:7",
    "release_notes": "release:v1.2",
}
MARK = "<!-- lamplighter:"
MOVED = (
    "INSERT INTO lamplighter.github_repositories (project_id, full_name, moved_to)"
    " SELECT id, github_repo, 'octocat/new' FROM projects"
)


@dataclass
class Press:
    bench: Bench
    github: GitHubDouble
    repository: Repository

    async def approved(self, kind: str = "report", title: str = "Billing needs work") -> UUID:
        ref = KINDS.get(kind, "issue:7")
        made = await self.bench.one(title, ref, kind=kind, cooldown_hours=0)
        await self.bench.call(approve, made, ANA)
        return made

    async def publish(self, suggestion: UUID, **changes: Any) -> Outcome:
        return await publish(replace(self.bench.context(), **changes), suggestion, self.pace)

    async def ready(self, project: UUID | None = None) -> list[Outcome]:
        return await publish_ready(self.bench.context(), project, self.pace)

    @property
    def pace(self) -> Pace:
        return Pace(sleep=self._sleep, backoff=0)

    async def _sleep(self, seconds: float) -> None:
        if seconds > 20:
            self.github.writes.catch_up()

    async def open(self) -> int:
        query = "SELECT count(*) FROM lamplighter.publications WHERE done_at IS NULL"
        count: int = await self.bench.product.pool.fetchval(query)
        return count


@pytest.fixture
def press(bench: Bench, shop: Shop) -> Press:
    repository = shop.github.add(Repository())
    repository.items[7] = Made(7, NOW, NOW)
    repository.items[12] = Made(12, NOW, NOW, is_pull=True)
    shop.github.writes.now = lambda: NOW
    return Press(bench, shop.github, repository)


@pytest.mark.parametrize(
    ("kind", "method", "data"),
    [
        ("pr_review", "/pulls/12/reviews", {"event": "COMMENT"}),
        ("answer", "/issues/7/comments", {}),
        ("report", "/issues", {"title": "Billing needs work"}),
        (
            *("release_notes", "/releases"),
            {"tag_name": "v1.2", "name": "Billing needs work", "draft": True},
        ),
    ],
)
async def test_each_action_is_one_request_with_what_was_shown(
    press: Press, kind: str, method: str, data: dict[str, Any]
) -> None:
    made = await press.approved(kind)
    outcome = await press.publish(made)
    [asked] = [one for one in press.github.asked if one.method != "GET"]
    assert (asked.method, asked.path) == ("POST", f"/repos/{REPOSITORY}{method}")
    [sent] = press.github.written
    row = await press.bench.row(made)
    marker = await press.bench.product.pool.fetchval("SELECT marker FROM lamplighter.publications")
    assert sent == {**data, "body": f"{MARK}{marker} -->\n\n{row['body']}"}
    assert (row["status"], row["published_at"]) == ("published", NOW)
    assert row["published_url"] == outcome.url
    assert str(outcome.url).startswith(f"https://github.com/{REPOSITORY}/")
    assert outcome == Outcome(made, "published", outcome.url)
    events = [event[0] for event in await press.bench.events(made)]
    assert events == ["created", "approved", "publishing", "published"]
    with pytest.raises(ConflictError, match="it is published; what is approved can be"):
        await press.publish(made)
    assert len(press.github.writes.made) == 1
    assert await press.open() == 0


async def test_the_token_for_writing_writes_and_looks_up_and_the_other_does_not(
    press: Press,
) -> None:
    press.github.tokens.add("token-that-writes")
    press.github.writes.readers.add("token-of-tests")
    made = await press.approved()
    refused = await press.publish(made)
    assert refused.status == "publish_failed"
    assert "the token may not write to octocat/hello-world" in str(refused.error)
    await press.bench.call(approve, made, ANA)
    github = replace(press.bench.services.github, write_token=SecretStr("token-that-writes"))
    press.bench.services = replace(press.bench.services, github=github)
    assert (await press.publish(made)).status == "published"
    assert press.github.writes.made[0].by == "token-that-writes"


async def test_only_what_is_approved_is_published(press: Press) -> None:
    made = await press.bench.one()
    with pytest.raises(ConflictError, match="it is pending; what is approved can be published"):
        await press.publish(made)
    with pytest.raises(NotFoundError, match="there is no such suggestion"):
        await press.publish(uuid4())
    await press.bench.call(approve, made, ANA)
    press.bench.now += timedelta(hours=72)
    with pytest.raises(ConflictError, match="it is pending"):
        await press.publish(made)
    await press.bench.call(approve, made, ANA)
    await press.bench.product.pool.execute(
        "UPDATE lamplighter.suggestions SET body = body || ' and more'"
    )
    with pytest.raises(ConflictError, match="it was changed after it was approved"):
        await press.publish(made)
    await press.bench.call(edit, made, ANA, body="What stands here now is what is meant.")
    with pytest.raises(ConflictError, match="it is pending"):
        await press.publish(made)
    assert press.github.asked == []


async def test_samples_are_never_published(press: Press) -> None:
    made = await press.approved()
    await press.bench.product.pool.execute("UPDATE lamplighter.suggestions SET is_sample = true")
    with pytest.raises(ConflictError, match="a sample is never published"):
        await press.publish(made)
    await press.bench.product.pool.execute("UPDATE lamplighter.suggestions SET is_sample = false")
    await press.bench.product.pool.execute(
        "INSERT INTO lamplighter.github_repositories (project_id, full_name, is_sample)"
        " VALUES ($1, $2, true)",
        *(press.bench.project, REPOSITORY),
    )
    with pytest.raises(ConflictError, match="a sample is never published"):
        await press.publish(made)
    assert press.github.asked == []
    assert (await press.bench.row(made))["status"] == "approved"


async def fails(press: Press, made: UUID) -> str:
    outcome = await press.publish(made)
    assert outcome.status == "publish_failed"
    row = await press.bench.row(made)
    assert (row["status"], row["publish_error"]) == ("publish_failed", outcome.error)
    assert (await press.bench.events(made))[-1][0] == "publish_failed"
    assert await press.open() == 0
    return str(outcome.error)


@pytest.mark.parametrize(
    ("change", "kind", "why"),
    [
        (lambda p: p.github.writes.__setattr__("archived", True), "report", "may not write to"),
        (lambda p: p.github.writes.__setattr__("without_issues", True), "report", "switched off"),
        (lambda p: p.github.writes.locked.add(7), "answer", "or nobody may (archived, locked)"),
        (lambda p: p.repository.items.pop(12), "pr_review", "no such pull request or issue 12"),
        (lambda p: p.repository.deleted.add(7), "answer", "or it was deleted"),
        (lambda p: p.github.tokens.clear(), "report", "does not take the token"),
        (lambda p: p.github.repositories.clear(), "report", "there is no such repository in"),
        (
            lambda p: (
                p.github.moved.update({REPOSITORY: "octocat/new"})
                or p.github.add(Repository("octocat/new"))
            ),
            *("report", "the repository has moved: nothing was written"),
        ),
        (
            lambda p: setattr(
                p.github, "misfortune", lambda r: Misfortune(422) if r.method == "POST" else None
            ),
            *("report", "does not take it as it is"),
        ),
    ],
)
async def test_what_github_refuses_is_said_in_words_and_may_be_approved_again(
    press: Press, change: Callable[[Press], object], kind: str, why: str
) -> None:
    made = await press.approved(kind)
    change(press)
    assert why in await fails(press, made)
    assert press.github.writes.made == []
    assert (await press.bench.call(approve, made, ANA)).publish_error is None


async def test_once_it_can_be_it_is_published_after_a_failure(press: Press) -> None:
    made = await press.approved()
    press.github.writes.archived = True
    await fails(press, made)
    press.github.writes.archived = False
    await press.bench.call(edit, made, ANA, body="Said better than it was before.")
    await press.bench.call(approve, made, ANA)
    assert (await press.publish(made)).status == "published"
    [written] = press.github.writes.made
    assert written.asked["body"].endswith(" -->\n\nSaid better than it was before.")


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE projects SET github_repo = 'mallory/other'", "repository is mallory/other now"),
        ("UPDATE projects SET github_repo = NULL", "has no repository any more"),
        ("DELETE FROM projects", "its project is no longer there"),
        (MOVED, "octocat/hello-world has moved to octocat/new"),
    ],
)
async def test_a_repository_that_is_another_by_now_is_not_written_to(
    press: Press, statement: str, why: str
) -> None:
    made = await press.approved()
    await press.bench.product.pool.execute(statement)
    assert why in await fails(press, made)
    assert press.github.asked == []


async def test_the_same_repository_in_other_letters_is_the_same(press: Press) -> None:
    made = await press.approved()
    press.github.repositories["OctoCat/Hello-World"] = press.repository
    await press.bench.product.pool.execute(
        "UPDATE projects SET github_repo = 'OctoCat/Hello-World'"
    )
    assert (await press.publish(made)).status == "published"


async def test_without_a_token_it_says_which_to_set(press: Press) -> None:
    made = await press.approved()
    github = replace(press.bench.services.github, token=None)
    press.bench.services = replace(press.bench.services, github=github)
    assert "set GITHUB_TOKEN" in await fails(press, made)


# Killed, cut off, and two at once ----------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_is_lost_is_looked_up_and_not_sent_again(
    press: Press, kind: str
) -> None:
    made = await press.approved(kind)
    press.github.writes.behind = True
    press.github.writes.cut = lambda: True
    with pytest.raises(GitHubError):
        await press.publish(made)
    row = await press.bench.row(made)
    assert (row["status"], row["approved_hash"]) == ("approved", None)
    assert await press.open() == 1
    outcome = await press.publish(made)
    assert outcome.status == "published"
    assert outcome.url == press.github.writes.made[0].answer["html_url"]
    assert len(press.github.writes.made) == 1


async def test_what_never_arrived_is_sent_again(press: Press) -> None:
    made = await press.approved()
    press.github.misfortune = lambda request: Misfortune(502) if request.method == "POST" else None
    with pytest.raises(GitHubError, match="does not answer"):
        await press.publish(made)
    press.github.misfortune = lambda request: None
    assert (await press.publish(made)).status == "published"
    assert len(press.github.writes.made) == 1


async def test_where_it_cannot_be_looked_up_it_is_not_sent_again(press: Press) -> None:
    made = await press.approved("answer")
    press.github.writes.cut = lambda: True
    with pytest.raises(GitHubError):
        await press.publish(made)
    tokens = set(press.github.tokens)
    press.github.tokens.clear()
    with pytest.raises(GitHubError, match="cannot be seen whether it is there already: GitHub doe"):
        await press.publish(made)
    press.bench.now += timedelta(hours=72)
    assert (await press.publish(made)).status == "pending"
    press.github.tokens |= tokens
    await press.bench.call(approve, made, ANA)
    assert (await press.publish(made)).status == "published"
    assert len(press.github.writes.made) == 1


async def test_it_is_found_among_hundreds(press: Press) -> None:
    made = await press.approved("pr_review")
    press.github.writes.cut = lambda: True
    with pytest.raises(GitHubError):
        await press.publish(made)
    mine = press.github.writes.made[0]
    body = {"body": "Me too"}
    press.github.writes.made[:0] = [
        replace(mine, asked=body, answer={**mine.answer, **body}) for _ in range(250)
    ]
    press.github.asked.clear()
    assert (await press.publish(made)).status == "published"
    assert [one.method for one in press.github.asked] == ["GET"] * 3
    press.github.writes.made[:0] = [
        replace(mine, asked=body, answer={**mine.answer, **body}) for _ in range(2000)
    ]
    await press.bench.product.pool.execute(
        "UPDATE lamplighter.publications SET done_at = NULL;"
        "UPDATE lamplighter.suggestions SET status = 'approved'"
    )
    with pytest.raises(GitHubError, match="has more than can be looked through"):
        await press.publish(made)


async def test_what_was_left_half_done_too_long_has_to_be_approved_again(press: Press) -> None:
    made = await press.approved()
    press.github.misfortune = lambda request: Misfortune(502) if request.method == "POST" else None
    with pytest.raises(GitHubError):
        await press.publish(made)
    press.github.misfortune = lambda request: None
    press.bench.now += timedelta(hours=72)
    outcome = await press.publish(made)
    assert outcome == Outcome(made, "pending", error="it was approved too long ago")
    assert (await press.bench.row(made))["status"] == "pending"
    assert press.github.writes.made == []


async def running(press: Press, run: UUID) -> None:
    """Put a run on record as the runner does."""
    await press.bench.product.pool.execute(
        "INSERT INTO lamplighter.runs (id, job, job_type, trigger, status, scheduled_for,"
        " overlap_key, params, created_at, attempt, max_attempts) VALUES"
        " ($1, 'p', 'p', 'admin', 'running', $2, $1::uuid::text, '{}', $2, 1, 3)",
        *(run, NOW),
    )


async def test_of_several_runs_at_once_one_publishes(press: Press) -> None:
    made = await press.approved()
    contexts = [press.bench.context() for _ in range(6)]
    for ctx in contexts:
        await running(press, ctx.run_id)
    results = await asyncio.gather(
        *(publish(ctx, made, press.pace) for ctx in contexts), return_exceptions=True
    )
    assert sum(isinstance(one, Outcome) for one in results) == 1
    assert sum(isinstance(one, ConflictError | BusyError) for one in results) == 5
    assert len(press.github.writes.made) == 1
    assert (await press.bench.row(made))["status"] == "published"


async def test_what_a_run_is_working_on_no_other_takes(press: Press) -> None:
    made = await press.approved()
    press.github.writes.cut = lambda: True
    ctx = press.bench.context()
    with pytest.raises(GitHubError):
        await publish(ctx, made, press.pace)
    await running(press, ctx.run_id)
    with pytest.raises(BusyError, match="another run is publishing it"):
        await press.publish(made)
    assert await press.ready() == []
    # The run itself, on its next attempt.
    assert (await publish(ctx, made, press.pace)).status == "published"
    assert len(press.github.writes.made) == 1


@pytest.mark.timeout(300)
async def test_killed_anywhere_it_is_there_once(press: Press, database: str) -> None:
    """`LAMPLIGHTER_KILLS=200` for more kills than by default."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.agents.killed_publisher", database, press.github.url),
        cwd=ROOT,
        stdin=PIPE,
        stdout=PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    press.github.writes.behind = True
    kinds = ["report", "pr_review", "answer", "release_notes", "chore"]
    # There are some 20 steps in one; every kind is killed at every second or third of them.
    turns = [(1 + n // len(kinds) * 20 * len(kinds) // KILLS, n % len(kinds)) for n in range(KILLS)]
    random.Random(5).shuffle(turns)
    killed = 0
    done: dict[UUID, str] = {}
    try:
        for number, (step, kind) in enumerate(turns):
            words = f"{random.Random(number).random():.15f}".translate(
                str.maketrans("0123456789", "qwertyuiop", ".")
            )
            made = await press.approved(kinds[kind], f"{words} {words[::-1]} needs work")
            line = f"{step} {press.bench.project} {made}\n"
            process.stdin.write(line.encode())
            said = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
            assert said in {"killed", "ended 0"}, said
            killed += said == "killed"
            if (await press.bench.row(made))["status"] != "published":
                assert said == "killed"
                assert (await press.publish(made)).status == "published", (step, kind)
            done[made] = kinds[kind]
            # So that the next one is not too much like it.
            await press.bench.product.pool.execute(
                "UPDATE lamplighter.suggestions SET project_id = gen_random_uuid()"
            )
    finally:
        process.kill()
        await process.wait()
    assert killed > KILLS * 0.6
    rows = await press.bench.product.pool.fetch(
        "SELECT suggestion_id, marker FROM lamplighter.publications WHERE done_at IS NOT NULL"
    )
    marks = {row["suggestion_id"]: row["marker"] for row in rows}
    assert set(marks) == set(done)
    for made, what in done.items():
        there = len(press.github.writes.holding(str(marks[made])))
        assert there == (what != "chore"), (what, there)
    todos = [row["id"] for row in await press.bench.product.pool.fetch("SELECT id FROM todos")]
    assert sorted(todos) == sorted(marks[made] for made, what in done.items() if what == "chore")
    sys.stdout.write(f"{killed} kills, {len(done)} publications, each there once\n")


# To do in the product ----------------------------------------------------------------------------


async def test_something_to_do_becomes_a_row_of_the_product(press: Press) -> None:
    made = await press.approved("chore")
    outcome = await press.publish(made)
    assert (outcome.status, outcome.url) == ("published", None)
    row = await press.bench.product.pool.fetchrow("SELECT * FROM todos")
    assert row is not None
    assert row["project_id"] == press.bench.project
    assert row["title"] == "Billing needs work"
    assert row["description"] == (await press.bench.row(made))["body"]
    assert (row["status"], row["priority"], row["issue_type"]) == ("pending", "medium", "task")
    assert row["date_created"] == row["date_updated"] == NOW
    assert press.github.asked == []


async def test_a_product_with_fewer_columns_gets_what_it_has(press: Press, database: str) -> None:
    pool = press.bench.product.pool
    await pool.execute(
        "ALTER TABLE todos DROP description, DROP date_updated, DROP github_pr_number,"
        " DROP github_issue_number, DROP status"
    )
    async with product(database) as lean:
        press.bench.product = lean
        assert (await press.publish(await press.approved("chore"))).status == "published"
    assert await pool.fetchval("SELECT title FROM todos") == "Billing needs work"


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DROP TABLE todos", "the product has no table todos"),
        ("ALTER TABLE todos RENAME title TO headline", "the product's todos have no title"),
        ("DELETE FROM projects", "its project is no longer there"),
        ("ALTER TABLE todos ADD team text NOT NULL", "the product does not take it: null value"),
    ],
)
async def test_a_product_that_cannot_take_it(
    press: Press, database: str, statement: str, why: str
) -> None:
    made = await press.approved("chore")
    await press.bench.product.pool.execute(statement)
    async with product(database) as changed:
        press.bench.product = changed
        assert why in await fails(press, made)


# Without anybody's approval ----------------------------------------------------------------------


async def listed(press: Press, *titles: str, **values: Any) -> list[UUID]:
    press.bench.auto(**{"kinds": {"report"}, "authors": {"octocat"}, **values})
    made: list[UUID] = []
    for n, title in enumerate(titles, 1):
        kept = await press.bench.keep(proposal(title, f"issue:{n}"))
        made += kept.suggestions
    return made


async def test_what_is_listed_is_published_and_what_people_approve_waits_for_them(
    press: Press,
) -> None:
    by_people = await press.approved("answer", "Theirs to decide about")
    made = await listed(press, "Billing needs work", "Search is too slow")
    outcomes = await press.ready()
    assert [(one.suggestion, one.status) for one in outcomes] == [
        (one, "published") for one in made
    ]
    assert (await press.bench.row(by_people))["status"] == "approved"
    assert await press.bench.product.pool.fetchval(
        "SELECT bool_and(by_itself) FROM lamplighter.publications"
    )
    assert await press.ready() == []


async def test_of_one_project_only(press: Press) -> None:
    await listed(press, "Billing needs work")
    assert await press.ready(uuid4()) == []
    assert len(await press.ready(press.bench.project)) == 1


@pytest.mark.parametrize("after", ["approval", "begin"])
async def test_the_switch_is_looked_at_at_the_last_moment(press: Press, after: str) -> None:
    [made] = await listed(press, "Billing needs work")
    if after == "begin":
        press.github.misfortune = lambda request: Misfortune(502)
        [left] = await press.ready()
        assert left.status == "approved"
        press.github.misfortune = lambda request: None
    await press.bench.call(autonomy.switch, enabled=False, by="admin", reason="odd")
    [outcome] = await press.ready()
    assert outcome == Outcome(made, "pending", error="auto_publish was switched off by admin: odd")
    row = await press.bench.row(made)
    assert (row["status"], row["approved_hash"]) == ("pending", None)
    assert (await press.bench.events(made))[-1][0] == "returned"
    assert press.github.writes.made == []
    # Somebody may still approve it.
    await press.bench.call(approve, made, ANA)
    assert (await press.publish(made)).status == "published"


@pytest.mark.parametrize(
    "values", [{"enabled": False}, {"kinds": set()}, {"authors": {"mallory"}}, {"daily_cap": 0}]
)
async def test_what_is_no_longer_listed_is_not_published(
    press: Press, values: dict[str, Any]
) -> None:
    await listed(press, "Billing needs work")
    bounds = press.bench.policy.auto_publish.model_copy(update=values)
    press.bench.policy = AgentPolicy(auto_publish=bounds)
    [outcome] = await press.ready()
    assert outcome.status == "pending"
    assert press.github.asked == []


async def test_the_days_cap_holds_for_what_was_approved_the_day_before(press: Press) -> None:
    press.bench.now = NOW.replace(hour=23)
    await listed(press, "Billing needs work", "Search is too slow", daily_cap=2)
    press.bench.now += timedelta(hours=2)
    await listed(press, "Exports come out empty", "Logins take three tries", daily_cap=2)
    statuses = [outcome.status for outcome in await press.ready()]
    assert statuses.count("published") <= 2


async def test_one_that_fails_does_not_stop_the_others(press: Press) -> None:
    await listed(press, "Billing needs work", "Search is too slow")
    left = [1]

    def misfortune(request: Any) -> Misfortune | None:
        if request.method != "POST":
            return None
        left[0] -= 1
        return Misfortune(422) if left[0] >= 0 else None

    press.github.misfortune = misfortune
    assert [one.status for one in await press.ready()] == ["publish_failed", "published"]


# As a job ----------------------------------------------------------------------------------------


async def test_the_job_publishes_one(press: Press) -> None:
    made = await press.approved("chore")
    outcome = await job.run(press.bench.context(), Publish(suggestion=made))
    assert isinstance(outcome, Done)
    assert outcome.data == {
        "suggestion": str(made),
        "status": "published",
        "url": None,
        "error": None,
    }
    assert job.one_for is not None
    assert job.one_for(Publish(suggestion=made)) == f"suggestion:{made}"
    assert job.one_for(Publish()) == "orchestration/publish"


async def test_the_job_fails_where_it_is_not_published(press: Press) -> None:
    made = await press.approved("chore")
    await press.bench.product.pool.execute("DELETE FROM projects")
    with pytest.raises(PermanentError, match="its project is no longer there"):
        await job.run(press.bench.context(), Publish(suggestion=made))


async def test_attempted_again_after_its_end_a_run_says_what_came_of_it(press: Press) -> None:
    """The answer to the commit was lost, and with it the attempt that had published."""
    made, run = await press.approved(), uuid4()
    first = await press.publish(made, run_id=run)
    assert await press.publish(made, run_id=run) == first
    assert first.status == "published"
    assert len(press.github.writes.made) == 1
    with pytest.raises(ConflictError, match="it is published"):
        await press.publish(made, run_id=uuid4())


async def test_attempted_again_after_it_failed_a_run_says_why(press: Press) -> None:
    press.github.writes.archived = True
    made, run = await press.approved(), uuid4()
    first = await press.publish(made, run_id=run)
    press.github.writes.archived = False
    assert await press.publish(made, run_id=run) == first
    assert (first.status, press.github.writes.made) == ("publish_failed", [])
    # Somebody approves it again: that is another matter.
    await press.bench.call(approve, made, ANA)
    assert (await press.publish(made, run_id=run)).status == "published"


async def test_the_job_without_a_suggestion_takes_all_that_are_ready(press: Press) -> None:
    press.bench.auto(kinds={"chore"}, authors={"octocat"})
    made = await press.bench.one("Billing needs work", "issue:7", kind="chore")
    outcome = await job.run(press.bench.context(), Publish())
    assert isinstance(outcome, Done)
    assert {**outcome.data, "suggestions": None} == {
        "published": 1,
        "failed": 0,
        "returned": 0,
        "left": 0,
        "suggestions": None,
    }
    assert (await press.bench.row(made))["status"] == "published"
