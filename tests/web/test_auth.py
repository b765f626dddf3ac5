"""Does only the right secret open a route, and does guessing at it lead nowhere?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from multidict import CIMultiDict
from structlog.testing import capture_logs

from scheduler.settings import DEV_SECRET
from scheduler.web.guesses import LIMIT, MOST_ADDRESSES, WINDOW, Guesses
from scheduler.web.peers import Peers
from tests.web.site import ADMIN, CRON, OpenSite

BODY = {
    "success": False,
    "error": "the Authorization header must be 'Bearer' and the right secret",
}
LOCAL = {"cron_secret": None, "admin_secret": None}


@pytest.mark.parametrize("path", ["workers/count", "workers/nope", "workers/runs/x", "jobs", "x"])
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer the-secret-of-the-crontabs",
        "Bearer the-secret-of-the-cronta",
        "Bearer caf\u00e9",
        f"Basic {CRON}",
        CRON,
        f"Bearer {CRON} {CRON}",
    ],
)
async def test_any_wrong_secret_gets_the_same_401_everywhere(
    site: OpenSite, path: str, header: str | None
) -> None:
    one = await site()
    headers = {} if header is None else {"Authorization": header}
    answer = await one.call(f"/api/v1/{path}", "POST", secret=None, headers=headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.body == BODY
    assert await one.machine.record() == []


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT"])
async def test_the_secret_comes_before_the_method(site: OpenSite, method: str) -> None:
    one = await site()
    assert (await one.work("count", method, secret="wrong")).status == 401


@pytest.mark.parametrize(
    "path", ["/api/v1/%77orkers/count", "/%61pi/v1/jobs", "/api%2Fv1/jobs", "/api/v1//jobs"]
)
async def test_no_spelling_of_the_path_goes_around_it(site: OpenSite, path: str) -> None:
    one = await site()
    answer = await one.call(path, secret=None)
    assert answer.status in {401, 404}
    assert await one.machine.record() == []


async def test_the_body_is_not_read_before(site: OpenSite) -> None:
    one = await site()
    reader, writer = await one.connect()
    writer.write(
        b"POST /api/v1/workers/count HTTP/1.1\r\nHost: x\r\n"
        b"Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n"
    )
    # No byte of the body has been sent, and none was asked for.
    assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()


async def test_the_scheme_may_be_spelled_in_any_case(site: OpenSite) -> None:
    one = await site()
    answer = await one.call(
        "/api/v1/workers/count", secret=None, headers={"Authorization": f"bearer  {CRON}"}
    )
    assert answer.status == 200


async def test_two_secrets_are_none(site: OpenSite) -> None:
    one = await site()
    line = b"Authorization: Bearer the-secret-of-the-crontab\r\n"
    said = await one.raw(
        b"GET /api/v1/workers/count HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        + line * 2
        + b"\r\n"
    )
    assert said.startswith(b"HTTP/1.1 401 ")


async def test_each_secret_opens_its_own_and_nothing_else(site: OpenSite) -> None:
    one = await site()
    assert (await one.work("count", secret=CRON)).status == 200
    assert (await one.work("count", secret=ADMIN)).status == 401
    assert (await one.call("/api/v1/jobs", secret=ADMIN)).status == 200
    assert (await one.call("/api/v1/jobs", secret=CRON)).status == 401
    assert (await one.work("count", secret=DEV_SECRET)).status == 401


async def test_the_previous_secret_is_accepted_during_rotation(site: OpenSite) -> None:
    one = await site(cron_secret_previous="the-secret-of-last-year")
    assert (await one.work("count", secret="the-secret-of-last-year")).status == 200
    assert (await one.work("count", secret=CRON)).status == 200
    assert (await one.call("/api/v1/jobs", secret="the-secret-of-last-year")).status == 401


async def test_without_an_admin_secret_the_cron_secret_serves_for_both(site: OpenSite) -> None:
    one = await site(admin_secret=None)
    assert (await one.call("/api/v1/jobs", secret=CRON)).status == 200
    assert (await one.work("count", secret=CRON)).status == 200


async def test_without_a_cron_secret_the_worker_routes_stay_closed(site: OpenSite) -> None:
    one = await site(cron_secret=None)
    assert (await one.work("count", secret=ADMIN)).status == 401
    assert (await one.work("count", secret=DEV_SECRET)).status == 401
    assert (await one.call("/api/v1/jobs", secret=ADMIN)).status == 200


async def test_what_is_open_needs_no_secret(site: OpenSite) -> None:
    one = await site()
    paths = ("/livez", "/readyz", "/health", "/api/v1/workers/health", "/openapi.json")
    for path in paths:
        assert (await one.call(path, secret=None)).status == 200, path
        assert (await one.call(path, secret="wrong")).status == 200, path


async def test_wrong_secrets_are_429_after_ten_and_a_right_one_never(site: OpenSite) -> None:
    one = await site()
    for _ in range(LIMIT):
        assert (await one.work("count", secret="wrong")).status == 401
    answer = await one.work("count", secret="wrong")
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "60"
    assert answer.error == "too many wrong secrets from this address"
    assert (await one.call("/api/v1/jobs", secret="wrong")).status == 429
    assert (await one.work("count", secret=None)).status == 401
    assert (await one.work("count", secret=CRON)).status == 200
    assert (await one.admin("/api/v1/jobs")).status == 200
    one.seconds[0] += WINDOW
    assert (await one.work("count", secret="wrong")).status == 401


async def test_addresses_behind_a_trusted_proxy_are_told_apart(site: OpenSite) -> None:
    one = await site(trusted_proxies=("127.0.0.0/8",))
    for _ in range(LIMIT):
        await one.work("count", secret="wrong", headers={"X-Forwarded-For": "192.0.2.1"})

    async def status(forwarded: str) -> int:
        headers = {"X-Forwarded-For": forwarded}
        return (await one.work("count", secret="wrong", headers=headers)).status

    assert await status("192.0.2.1") == 429
    assert await status("192.0.2.2") == 401
    assert await status("192.0.2.2, 192.0.2.1") == 429
    assert await status("192.0.2.1, 127.0.0.9") == 429


async def test_a_forwarded_address_is_not_believed_from_anyone_else(site: OpenSite) -> None:
    one = await site()
    for n in range(LIMIT):
        await one.work("count", secret="wrong", headers={"X-Forwarded-For": f"192.0.2.{n}"})
    headers = {"X-Forwarded-For": "192.0.2.99"}
    assert (await one.work("count", secret="wrong", headers=headers)).status == 429


async def test_a_secret_is_in_no_answer_and_no_log(site: OpenSite) -> None:
    one = await site()
    guess = "a-guess-that-is-nearly-right"
    with capture_logs() as logs:
        answers = [await one.work("count", secret=guess) for _ in range(LIMIT + 1)]
        answers.append(await one.work("count", secret=CRON))
        answers.append(await one.work("count?days=0", secret=CRON))
    said = repr(logs) + "".join(f"{answer.text}{answer.headers}" for answer in answers)
    assert guess not in said
    assert CRON not in said
    assert [line["event"] for line in logs].count("authentication_failed") == LIMIT


async def test_without_any_secret_the_published_one_opens_everything(site: OpenSite) -> None:
    one = await site(**LOCAL)
    assert (await one.work("count", secret=DEV_SECRET)).status == 200
    assert (await one.call("/api/v1/jobs", secret=DEV_SECRET)).status == 200
    assert (await one.work("count", secret="wrong")).status == 401


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:3003", "LOCALHOST:80", "127.0.0.1", "127.9.9.9:1", "[::1]:3003"],
)
async def test_without_a_secret_loopback_names_are_answered(site: OpenSite, host: str) -> None:
    one = await site(**LOCAL)
    assert (await one.work("count", secret=DEV_SECRET, headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1", "[::2]", ""]
    + ["localhost:80@evil.example", "[::1", "localhost:x", "evil.example:3003", "0.0.0.0"],
)
@pytest.mark.parametrize("path", ["/api/v1/workers/count", "/livez", "/nowhere"])
async def test_without_a_secret_other_names_are_403(site: OpenSite, host: str, path: str) -> None:
    one = await site(**LOCAL)
    answer = await one.call(path, secret=DEV_SECRET, headers={"Host": host})
    assert answer.status == 403
    assert "set CRON_SECRET" in answer.error


@pytest.mark.parametrize(
    "name",
    ["Forwarded", "X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-X", "X-Real-IP", "Via"],
)
async def test_without_a_secret_forwarded_requests_are_403(site: OpenSite, name: str) -> None:
    one = await site(**LOCAL)
    answer = await one.work("count", secret=DEV_SECRET, headers={name: "x"})
    assert answer.status == 403
    assert "proxy" in answer.error


async def test_without_a_secret_a_request_without_host_is_403(site: OpenSite) -> None:
    one = await site(**LOCAL)
    assert (await one.raw(b"GET /livez HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.0 403 ")


async def test_with_a_public_url_and_no_secret_nothing_opens(site: OpenSite) -> None:
    one = await site(**LOCAL, public_url="https://jobs.example")
    assert (await one.work("count", secret=DEV_SECRET)).status == 401
    assert (await one.call("/api/v1/jobs", secret=DEV_SECRET)).status == 401


async def test_with_a_secret_any_host_and_proxy_is_answered(site: OpenSite) -> None:
    one = await site()
    headers = {"Host": "jobs.example", "Via": "1.1 proxy", "X-Forwarded-For": "192.0.2.1"}
    assert (await one.work("count", headers=headers)).status == 200


def test_guesses_are_remembered_in_bounded_memory() -> None:
    guesses = Guesses(lambda: 0.0)
    for n in range(MOST_ADDRESSES * 2):
        guesses.failed(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(guesses._failures) == MOST_ADDRESSES


def test_the_addresses_of_one_ipv6_network_count_together() -> None:
    guesses = Guesses(lambda: 0.0)
    waits = [guesses.failed(f"2001:db8:1:2::{n}") for n in range(LIMIT + 1)]
    assert waits == [0] * LIMIT + [60]
    assert guesses.failed("2001:db8:1:3::1") == 0


def test_failures_age_out_one_by_one() -> None:
    now = 0.0
    guesses = Guesses(lambda: now)
    for n in range(LIMIT):
        now = float(n)
        assert guesses.failed("192.0.2.1") == 0
    assert guesses.failed("192.0.2.1") == WINDOW - now
    now = WINDOW
    assert guesses.failed("192.0.2.1") == 0
    assert guesses.failed("192.0.2.1") == 1


@pytest.mark.parametrize(
    ("peer", "told", "address"),
    [
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.9, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1", "10.0.0.2"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["nonsense, 10.0.0.2"], "10.0.0.2"),
        ("::ffff:10.0.0.1", ["::ffff:192.0.2.1"], "192.0.2.1"),
        ("192.0.2.7", ["192.0.2.1"], "192.0.2.7"),
        ("10.0.0.1", [", ".join(["10.0.0.2"] * 1000)], "10.0.0.2"),
        (None, ["192.0.2.1"], "local"),
    ],
)
def test_the_address_is_the_nearest_that_is_no_trusted_proxy(
    peer: str, told: list[str], address: str
) -> None:
    headers = CIMultiDict([("X-Forwarded-For", value) for value in told])
    asked: Any = SimpleNamespace(remote=peer, headers=headers)
    assert Peers(["10.0.0.0/8"]).address(asked) == address
