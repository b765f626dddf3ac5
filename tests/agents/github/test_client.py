"""Is GitHub asked within its limits, and does a token never go anywhere else?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from agents.github import client as module
from agents.github.client import GitHubClient
from agents.github.errors import (
    GitHubError,
    LimitedError,
    RefusedError,
    SpentError,
    UnreachableError,
)
from agents.github.limits import Limits, quota_of
from agents.github.terms import Budget, Pace
from agents.github.tokens import FixedToken
from scheduler.services import GitHub
from tests.support.github import GitHubDouble, Misfortune, github_double
from tests.support.github_repository import Repository
from tests.support.jobs import Log

TOKEN = "token-of-tests"
REPOSITORY = "/repos/octocat/hello-world"
RECORDED = Path(__file__).parents[2] / "fixtures" / "github" / "recorded"


class Naps:
    """A clock that a sleep moves, and nothing else; the sleeps are written down."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def clock(self) -> float:
        return 1000 + sum(self.seconds)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Client:
    def __init__(self, client: GitHubClient, naps: Naps, log: Log) -> None:
        self.client = client
        self.naps = naps
        self.log = log
        self.token = FixedToken(SecretStr(TOKEN))
        self.budget = Budget(100)

    async def read(self, path: str = REPOSITORY, etag: str | None = None) -> Any:
        return await self.client.read(path, self.token, self.budget, etag)

    async def write(self, path: str = f"{REPOSITORY}/issues") -> Any:
        return await self.client.write("POST", path, self.token, self.budget, {"title": "x"})


@asynccontextmanager
async def client_of(double: GitHubDouble, **pace: Any) -> AsyncIterator[Client]:
    naps, log = Naps(), Log()
    github = GitHub(api_url=double.url, token=SecretStr(TOKEN))
    async with GitHubClient(
        github, log, Pace(**{"sleep": naps, "clock": naps.clock, **pace})
    ) as client:
        yield Client(client, naps, log)


@pytest.fixture
async def one(github: GitHubDouble) -> AsyncIterator[Client]:
    github.add(Repository())
    async with client_of(github) as made:
        yield made


def first(times: int, fate: Misfortune) -> Callable[[web.Request], Misfortune | None]:
    """The first so many requests meet it."""
    left = [times]

    def misfortune(_: web.Request) -> Misfortune | None:
        left[0] -= 1
        return fate if left[0] >= 0 else None

    return misfortune


async def test_a_request_says_who_asks_and_which_version_it_means(
    github: GitHubDouble, one: Client
) -> None:
    answer = await one.read()
    assert answer.status == 200
    assert answer.data["full_name"] == "octocat/hello-world"
    headers = github.asked[0].headers
    assert headers["x-github-api-version"] == "2022-11-28"
    assert headers["accept"] == "application/vnd.github+json"
    assert headers["user-agent"] == "lamplighter"
    assert github.asked[0].token == TOKEN


async def test_a_tag_makes_the_answer_free(github: GitHubDouble, one: Client) -> None:
    tag = (await one.read()).etag
    answer = await one.read(etag=tag)
    assert (answer.unchanged, answer.data, answer.etag) == (True, None, tag)
    assert one.client.limits[one.token.hash].quotas["core"].remaining == github.limit - 1
    assert (one.budget.made, one.budget.unchanged) == (2, 1)
    assert not (await one.read(etag='"another"')).unchanged


@pytest.mark.parametrize("fate", [Misfortune(502, body="<html>"), Misfortune(cut=True)])
async def test_what_may_pass_is_tried_again(
    github: GitHubDouble, one: Client, fate: Misfortune
) -> None:
    github.misfortune = first(3, fate)
    assert (await one.read()).status == 200
    assert len(github.asked) + (3 if fate.cut else 0) >= 4
    assert one.budget.made == 4
    assert [round(s) >= n for s, n in zip(one.naps.seconds, (1, 2, 4), strict=True)] == [True] * 3
    assert all(s <= 8 for s in one.naps.seconds)


async def test_each_try_is_metered_by_how_it_ended(github: GitHubDouble, one: Client) -> None:
    tag = (await one.read()).etag
    await one.read(etag=tag)
    github.misfortune = first(2, Misfortune(502, body="<html>"))
    await one.read()
    with pytest.raises(GitHubError):
        await one.read("/repos/octocat/nothing-there")
    github.misfortune = first(1, Misfortune(429, headers={"retry-after": "1"}))
    await one.read()
    github.misfortune = first(1, Misfortune(cut=True))
    await one.read()
    assert {str(ending): n for (_, ending), n in one.client.meter.requests.items()} == {
        "ok": 5,
        "failed": 2,
        "refused": 1,
        "limited": 1,
        "unanswered": 1,
    }


async def test_what_does_not_pass_is_given_up(github: GitHubDouble, one: Client) -> None:
    github.misfortune = lambda _: Misfortune(500)
    with pytest.raises(UnreachableError, match=r"status 500, 4 tries"):
        await one.read()
    assert one.budget.made == 4


async def test_a_body_that_stops_coming_is_given_up(github: GitHubDouble) -> None:
    github.add(Repository())
    github.misfortune = lambda _: Misfortune(slow=5)
    async with client_of(github, silence=0.05, tries=2) as one:
        with pytest.raises(UnreachableError, match="2 tries"):
            await one.read()


@pytest.mark.parametrize("status", [403, 429])
async def test_retry_after_is_waited_for(github: GitHubDouble, one: Client, status: int) -> None:
    github.misfortune = first(
        1, Misfortune(status, {"Retry-After": "17"}, '{"message": "secondary rate limit"}')
    )
    assert (await one.read()).status == 200
    assert one.naps.seconds == [17]
    assert one.log.events() == ["github_limit_waited_for"]


async def test_a_secondary_limit_without_a_time_doubles_from_a_minute() -> None:
    limits = Limits()
    body = b'{"message": "You have exceeded a secondary rate limit."}'
    waits = []
    for _ in range(3):
        assert limits.note(403, {}, body, 0.0)
        waits.append(limits.free_at)
    assert waits == [60, 120, 240]
    assert not limits.note(200, {}, b"[]", 0.0)
    limits.free_at = 0
    assert limits.note(429, {}, b"", 0.0)
    assert limits.free_at == 60


def spent(**values: str) -> dict[str, str]:
    return {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", **values}


async def test_a_primary_limit_is_told_by_githubs_own_clock() -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC)  # far from the machine's
    headers = spent(
        **{
            "x-ratelimit-reset": str(int((now + timedelta(minutes=3)).timestamp())),
            "date": format_datetime(now, usegmt=True),
        }
    )
    limits = Limits()
    assert limits.note(403, headers, b"{}", 1000.0)
    assert limits.free_at == 1181
    # The last request of the hour is an answer, and the next has to wait all the same.
    limits = Limits()
    assert not limits.note(200, headers, b"{}", 1000.0)
    assert limits.free_at == 1181
    # What is refused for another reason is no limit.
    assert not Limits().note(403, {}, b'{"message": "Resource not accessible"}', 0.0)
    # A limit of searches does not hold up anything else.
    limits = Limits()
    assert not limits.note(200, {**headers, "x-ratelimit-resource": "search"}, b"{}", 1000.0)
    assert limits.free_at == 0


async def test_retry_after_may_be_a_date() -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC)
    headers = {
        "retry-after": format_datetime(now + timedelta(seconds=42), usegmt=True),
        "date": format_datetime(now, usegmt=True),
    }
    limits = Limits()
    assert limits.note(429, headers, b"", 0.0)
    assert limits.free_at == 42


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-limit": "x", "x-ratelimit-remaining": "", "x-ratelimit-reset": "-"},
        {"retry-after": "soon"},
        spent(**{"x-ratelimit-reset": "1507651200000"}),
    ],
)
async def test_odd_headers_are_no_harm(
    github: GitHubDouble, one: Client, headers: dict[str, str]
) -> None:
    github.misfortune = lambda _: Misfortune(200, headers, "[1]")
    assert (await one.read()).data == [1]


def test_what_of_headers_cannot_be_kept_is_not() -> None:
    for tag in ('"\udcff"', '"' + "x" * 300 + '"', '"a\nb: c"', ""):
        assert module.etag_of({"etag": tag}) is None
    assert module.etag_of({"etag": 'W/"ab"'}) == 'W/"ab"'
    quota = quota_of(spent(**{"x-ratelimit-reset": "9", "x-ratelimit-resource": "\udcff"}))
    assert quota is not None
    assert quota.resource == "unknown"


async def test_a_limit_that_outlasts_the_run_ends_it(github: GitHubDouble) -> None:
    github.add(Repository())
    github.limit = 1
    async with client_of(github, most_wait=60) as one:
        assert (await one.read()).status == 200
        with pytest.raises(LimitedError, match="for 60 min more"):
            await one.read()
    async with client_of(github, most_wait=7200, seconds_left=lambda: 30.0) as one:
        with pytest.raises(LimitedError, match="longer than this run"):
            await one.read()
    assert len(github.asked) == 2, "who knows that the quota is spent does not ask"


async def test_a_limit_holds_for_all_requests_of_the_token_and_for_no_other(
    github: GitHubDouble,
) -> None:
    github.add(Repository())
    github.tokens.add("another")
    async with client_of(github, most_wait=10) as one:
        one.client.limits[one.token.hash] = Limits(one.naps.clock() + 100)
        with pytest.raises(LimitedError):
            await one.read()
        other = FixedToken(SecretStr("another"))
        assert (await one.client.read(REPOSITORY, other, one.budget)).status == 200
    assert [asked.token for asked in github.asked] == ["another"]


async def test_who_is_refused_again_and_again_stops_asking(
    github: GitHubDouble, one: Client
) -> None:
    github.misfortune = lambda _: Misfortune(429, {"Retry-After": "2"})
    with pytest.raises(LimitedError, match="keeps refusing"):
        await one.read()
    assert len(github.asked) == module.LIMIT_TRIES
    assert one.naps.seconds == [2] * (module.LIMIT_TRIES - 1)


async def test_so_many_requests_at_once_and_no_more(github: GitHubDouble) -> None:
    github.add(Repository())
    now, most = [0], [0]

    def count(_: web.Request) -> Misfortune | None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        return None

    github.misfortune = count
    async with client_of(github, concurrent=3) as one:

        async def read() -> None:
            await one.read()
            now[0] -= 1

        await asyncio.gather(*(read() for _ in range(30)))
    assert most[0] == 3
    assert len(github.asked) == 30


async def test_a_budget_is_not_exceeded_by_tries_or_redirects(
    github: GitHubDouble, one: Client
) -> None:
    one.budget = Budget(2)
    github.misfortune = lambda _: Misfortune(500)
    with pytest.raises(SpentError):
        await one.read()
    assert len(github.asked) == 2


async def test_the_end_of_the_runs_time_leaves_the_rest_to_a_later_run(
    github: GitHubDouble,
) -> None:
    async with client_of(github, seconds_left=lambda: 1.0) as one:
        with pytest.raises(SpentError, match="time"):
            await one.read()
    assert github.asked == []


@pytest.mark.parametrize(
    ("status", "words"), [(401, "not valid"), (404, "no such"), (451, "legal"), (422, "422")]
)
async def test_a_refusal_is_told_in_words_and_is_final(
    github: GitHubDouble, one: Client, status: int, words: str
) -> None:
    github.misfortune = lambda _: Misfortune(status, body='{"message": "<b>secret-ish</b>"}')
    with pytest.raises(RefusedError, match=words) as caught:
        await one.read()
    assert caught.value.status == status
    assert "<b>" not in str(caught.value)
    assert len(github.asked) == 1


@pytest.mark.parametrize("body", ["<html>", "{", "[1,]"])
async def test_an_answer_that_is_no_json_is_an_error(
    github: GitHubDouble, one: Client, body: str
) -> None:
    github.misfortune = lambda _: Misfortune(200, body=body)
    with pytest.raises(GitHubError, match="not JSON"):
        await one.read()


async def test_an_answer_without_end_is_not_read_to_the_end(
    github: GitHubDouble, one: Client
) -> None:
    github.misfortune = lambda _: Misfortune(200, body='"' + "x" * (module.MOST_BYTES + 1) + '"')
    with pytest.raises(GitHubError, match="32 MiB"):
        await one.read()


# Where a token goes ---------------------------------------------------------------------------


async def test_a_moved_repository_is_followed_and_said_to_have_moved(
    github: GitHubDouble, one: Client
) -> None:
    github.moved["octocat/old"] = "octocat/hello-world"
    answer = await one.read("/repos/octocat/old/issues?per_page=1")
    assert (answer.status, answer.moved) == (200, True)
    assert github.statuses() == {301: 1, 200: 1}
    assert github.asked[1].path == "/repositories/1296269/issues?per_page=1"


@pytest.mark.parametrize("way", ["redirect", "link"])
async def test_a_token_goes_to_no_other_origin(github: GitHubDouble, one: Client, way: str) -> None:
    async with github_double() as stranger:
        for address in (f"{stranger.url}/repos/a/b", f"//{stranger.url[7:]}/x", "ftp://x/y"):
            github.elsewhere = address
            if way == "redirect":
                with pytest.raises(GitHubError, match="outside"):
                    await one.read("/elsewhere")
            else:
                link = {"Link": f'<{address}>; rel="next"'}
                github.misfortune = lambda _, link=link: Misfortune(200, link, "[]")  # type: ignore[misc]
                with pytest.raises(GitHubError, match="outside"):
                    await one.read()
        assert stranger.asked == []


async def test_a_base_with_a_path_is_not_left(github: GitHubDouble) -> None:
    github.elsewhere = "/repos/octocat/hello-world"
    async with client_of(github) as one:
        enterprise = GitHubClient(GitHub(api_url=f"{github.url}/api/v3"), Log())
        assert enterprise._inside(f"{github.url}/api/v3/x?y=1") == "/x?y=1"
        for out in (f"{github.url}/api/v3x", f"{github.url}/other", "https://x/api/v3/x"):
            with pytest.raises(GitHubError, match="outside"):
                enterprise._inside(out)
        for odd in ("@evil.example/x", ".evil.example/x", ":1/x"):
            with pytest.raises((GitHubError, ValueError)):
                await one.read(odd)
    assert github.asked == []


async def test_redirects_without_end_are_not_followed_without_end(
    github: GitHubDouble, one: Client
) -> None:
    github.elsewhere = "/elsewhere"
    with pytest.raises(GitHubError, match="without end"):
        await one.read("/elsewhere")
    assert len(github.asked) == module.HOPS + 1


async def test_a_write_is_not_sent_to_where_it_is_redirected(
    github: GitHubDouble, one: Client
) -> None:
    github.moved["octocat/old"] = "octocat/hello-world"
    assert (await one.write()).status == 201
    with pytest.raises(RefusedError, match="nothing was written"):
        await one.write("/repos/octocat/old/issues")
    assert [asked.method for asked in github.asked] == ["POST", "POST"]


async def test_a_write_is_not_sent_twice(github: GitHubDouble, one: Client) -> None:
    github.misfortune = lambda _: Misfortune(502)
    with pytest.raises(UnreachableError, match="1 tries"):
        await one.write()
    assert len(github.asked) == 1


async def test_no_token_in_any_error_or_log_line(github: GitHubDouble, one: Client) -> None:
    said = []
    for fate in (Misfortune(401), Misfortune(500), Misfortune(cut=True), Misfortune(200, body="{")):
        github.misfortune = lambda _, fate=fate: fate  # type: ignore[misc]
        with pytest.raises(GitHubError) as caught:
            await one.read()
        said.append(repr(caught.value) + str(caught.value) + repr(caught.value.__cause__))
    said.append(repr(one.client) + repr(one.token) + repr(one.log.lines) + repr(one.client.limits))
    assert TOKEN not in "".join(said)


# As GitHub has answered -----------------------------------------------------------------------


async def test_recorded_pages_are_followed_to_the_last(github: GitHubDouble) -> None:
    """What GitHub said when it was recorded, with its address changed to the double's."""
    text = (RECORDED / "paginate-issues.json").read_text("utf-8")
    pages = json.loads(text.replace("https://api.github.com", github.url))
    by_path = {page["path"]: page for page in pages}

    def serve(request: web.Request) -> Misfortune:
        page = by_path[request.path_qs]
        keep = {"link": "Link", "x-ratelimit-remaining": "X-RateLimit-Remaining"}
        headers = {keep[n]: v for n, v in page["headers"].items() if n in keep}
        return Misfortune(page["status"], headers, json.dumps(page["response"]))

    github.misfortune = serve
    path: str | None = "/repos/octokit-fixture-org/paginate-issues/issues?per_page=3"
    titles = []
    async with client_of(github) as one:
        while path is not None:
            answer = await one.read(path)
            titles += [issue["title"] for issue in answer.data]
            path = answer.next
    assert len(titles) == 13
    assert len(set(titles)) == 13
    assert len(github.asked) == 5


async def test_a_recorded_rename_is_followed(github: GitHubDouble) -> None:
    text = (RECORDED / "rename-repository.json").read_text("utf-8")
    recorded = json.loads(text.replace("https://api.github.com", github.url))
    by_path = {page["path"]: page for page in recorded if page["method"] == "get"}

    def serve(request: web.Request) -> Misfortune:
        page = by_path[request.path_qs]
        location = page["headers"].get("location")
        headers = {"Location": location} if location else {}
        return Misfortune(page["status"], headers, json.dumps(page["response"]))

    github.misfortune = serve
    async with client_of(github) as one:
        answer = await one.read("/repos/octokit-fixture-org/rename-repository")
    assert answer.moved
    assert answer.data["full_name"] == "octokit-fixture-org/rename-repository-newname"
