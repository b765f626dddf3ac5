"""Are webhooks called as promised: signed, at least once, and nowhere but where they may?"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from pydantic import SecretStr

from jobs.sequences.calling import MOST_ANSWER, Caller, CallError
from scheduler.errors import LeaseLostError
from scheduler.outbound.address import is_public
from scheduler.services import Services, Webhooks
from tests.support.sequences import A_DAY, A_MINUTE, A_MOMENT, AN_HOUR, SEEN, Letters

HOST = "hooks.example.com"
KEY = SecretStr("a signing key of some length")
CERTIFICATES = Path(__file__).parent / "certificates"


@dataclass
class Receiver:
    """A real https server on loopback, under a certificate for `HOST` of a CA of the tests."""

    port: int
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}/hook"

    def ids(self) -> list[str]:
        return [headers["Idempotency-Key"] for headers, _ in self.calls]

    def caller(
        self,
        *,
        hosts: frozenset[str] | None = None,
        addresses: Sequence[str] = ("127.0.0.1",),
        may_reach: Callable[[str], bool] = lambda address: address == "127.0.0.1",
        seconds: float = 5,
    ) -> Caller:
        async def resolve(host: str, port: int) -> Sequence[str]:
            return addresses

        return Caller(
            hosts or frozenset({f"{HOST}:{self.port}"}),
            KEY,
            resolve=resolve,
            may_reach=may_reach,
            tls=ssl.create_default_context(cafile=CERTIFICATES / "ca.pem"),
            seconds=seconds,
        )


async def good(request: web.Request) -> web.StreamResponse:
    return web.Response(text="thanks")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Receiver(port, good)

    async def handle(request: web.Request) -> web.StreamResponse:
        made.calls.append((dict(request.headers), await request.read()))
        return await made.answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(CERTIFICATES / "server.pem")
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    yield made
    await runner.cleanup()


@pytest.fixture
async def calling(letters: Letters, receiver: Receiver) -> Letters:
    """Letters whose sequence calls the receiver, and then writes."""
    letters.services = Services(webhooks=Webhooks(frozenset({f"{HOST}:{receiver.port}"}), KEY))
    letters.make_caller = lambda _: receiver.caller()
    await letters.sequence(
        "hooked",
        steps=(
            {"action_type": "webhook", "action_config": {"url": receiver.url}, "name": "Tell"},
            {},
        ),
    )
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT, first_name="Anna")
    letters.now += A_MINUTE
    return letters


def answering(*answers: int) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """These statuses, one after the other."""
    left = iter(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=next(left))

    return answer


async def test_a_call_is_signed_and_says_who(calling: Letters, receiver: Receiver) -> None:
    data = await calling.run()
    assert (data["webhooksCalled"], data["processed"], data["queued"]) == (1, 2, 1)
    ((headers, body),) = receiver.calls
    signed = headers["X-Lamplighter-Timestamp"].encode() + b"." + body
    expected = hmac.new(KEY.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-Lamplighter-Signature"] == f"v1={expected}"
    assert int(headers["X-Lamplighter-Timestamp"]) == int(calling.now.timestamp())
    (enrolment,) = await calling.enrolments()
    document = json.loads(body)
    assert document["email"] == "anna@example.com"
    assert document["enrollmentId"] == str(enrolment["id"])
    assert (document["sequence"], document["step"]) == ("Hooked", "Tell")
    assert (await calling.run())["webhooksCalled"] == 0
    assert len(receiver.calls) == 1


async def test_a_body_of_its_own_is_sent_as_it_is(letters: Letters, receiver: Receiver) -> None:
    letters.services = Services(webhooks=Webhooks(frozenset({f"{HOST}:{receiver.port}"}), KEY))
    letters.make_caller = lambda _: receiver.caller()
    config = {"url": receiver.url, "body": {"text": "New: {{ email }}", "n": [1, None]}}
    await letters.sequence("hooked", steps=({"action_type": "webhook", "action_config": config},))
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    data = await letters.later(A_MINUTE)
    assert data["completed"] == 1
    assert json.loads(receiver.calls[0][1]) == {"text": "New: anna@example.com", "n": [1, None]}
    assert await letters.statuses() == ["completed"]


async def test_it_is_tried_again_at_growing_distances(calling: Letters, receiver: Receiver) -> None:
    receiver.answer = answering(500, 429, 404, 204)
    data = await calling.run()
    assert (data["webhooksFailed"], data["failed"], data["processed"]) == (1, 0, 0)
    (call,) = [row async for row in calling.sql.calls(calling.pool)]
    assert call["error"] == "answered 500"
    assert (await calling.later(A_MINUTE - A_MOMENT))["webhooksFailed"] == 0
    assert (await calling.later(A_MOMENT))["webhooksFailed"] == 1
    assert (await calling.later(2 * A_MINUTE - A_MOMENT))["webhooksFailed"] == 0
    assert (await calling.later(A_MOMENT))["webhooksFailed"] == 1
    data = await calling.later(4 * A_MINUTE)
    assert (data["webhooksCalled"], data["queued"], data["completed"]) == (1, 1, 1)
    assert len(receiver.calls) == 4
    assert len(set(receiver.ids())) == 1


async def test_after_so_many_attempts_it_fails(calling: Letters, receiver: Receiver) -> None:
    receiver.answer = answering(*[500] * 3)
    for _ in range(2):
        assert (await calling.later(A_DAY, webhook_attempts=3))["failed"] == 0
    assert (await calling.later(A_DAY, webhook_attempts=3))["failed"] == 1
    assert await calling.statuses() == ["failed"]
    data = await calling.later(30 * A_DAY, webhook_attempts=3)
    assert (data["failed"], data["queued"], len(receiver.calls)) == (0, 0, 3)
    assert tuple(await calling.sql.totals(calling.pool, slug="hooked")) == (1, 0, 0)
    # Set going again by the product's people, it is called again.
    receiver.answer = good
    await calling.sql.revive(calling.pool, at=calling.now)
    data = await calling.run()
    assert (data["webhooksCalled"], data["queued"]) == (1, 1)


async def test_whoever_left_is_not_told_of(calling: Letters, receiver: Receiver) -> None:
    receiver.answer = answering(500)
    await calling.run()
    await calling.suppress("anna@example.com")
    data = await calling.later(A_DAY)
    assert (data["cancelled"], data["webhooksCalled"]) == (1, 0)
    assert len(receiver.calls) == 1
    (call,) = [row async for row in calling.sql.calls(calling.pool)]
    assert call["done_at"] is not None


async def test_a_paused_sequence_calls_nobody(calling: Letters, receiver: Receiver) -> None:
    receiver.answer = answering(500, 200)
    await calling.run()
    await calling.sql.set_status(calling.pool, slug="hooked", status="paused")
    await calling.later(A_DAY)
    assert len(receiver.calls) == 1
    await calling.sql.set_status(calling.pool, slug="hooked", status="active")
    assert (await calling.later(A_DAY))["webhooksCalled"] == 1


async def test_a_step_removed_is_waited_for_no_longer(calling: Letters, receiver: Receiver) -> None:
    receiver.answer = answering(500)
    await calling.run()
    (call,) = [row async for row in calling.sql.calls(calling.pool)]
    await calling.sql.delete_step(calling.pool, id=call["step_id"])
    await calling.later(A_DAY)
    assert (await calling.later(A_DAY))["queued"] + len(await calling.messages()) >= 1
    assert len(await calling.messages()) == 1


async def test_killed_at_every_commit_it_is_called_under_one_key(
    calling: Letters, receiver: Receiver
) -> None:
    await calling.subscriber("berta", SEEN + A_MOMENT)
    killed = 0
    while True:
        try:
            await calling.run(commits_left=killed)
        except LeaseLostError:
            killed += 1
            # A call that was cut off counts as an attempt, and its next one has its time.
            calling.now += 10 * AN_HOUR
            continue
        break
    assert killed > 8
    await calling.later(A_DAY)
    assert len(set(receiver.ids())) == 2
    assert len(receiver.calls) >= 2
    assert sorted(await calling.subjects()) == ["Message 2", "Message 2"]
    assert await calling.statuses() == ["completed", "completed"]


async def call(caller: Caller, url: str) -> None:
    async with caller:
        await caller.call(url, b"{}", UUID(int=1), SEEN)


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"https://{HOST}:{receiver.port}/elsewhere")

    receiver.answer = away
    with pytest.raises(CallError, match="answered 302"):
        await call(receiver.caller(), receiver.url)
    assert len(receiver.calls) == 1


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["10.1.2.3"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%lo"],
        ["93.184.216.34", "127.0.0.1"],
        ["127.0.0.1", "93.184.216.34"],
        ["2130706433"],
        [],
    ],
)
async def test_a_name_that_leads_inside_is_not_called(
    receiver: Receiver, addresses: list[str]
) -> None:
    caller = receiver.caller(addresses=addresses, may_reach=is_public)
    with pytest.raises(CallError, match="not of the open internet"):
        await call(caller, receiver.url)
    assert receiver.calls == []


async def test_the_machine_is_refused_by_the_real_resolver(receiver: Receiver) -> None:
    caller = Caller(frozenset({f"localhost:{receiver.port}"}), KEY)
    with pytest.raises(CallError, match="not of the open internet"):
        await call(caller, f"https://localhost:{receiver.port}/")
    assert receiver.calls == []


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:{port}/",
        "https://2130706433:{port}/",
        "https://0x7f.1:{port}/",
        "https://[::1]:{port}/",
        "https://[::ffff:127.0.0.1]:{port}/",
        "https://hooks.example.com@127.0.0.1:{port}/",
        "https://hooks.example.com:1/",
        "http://hooks.example.com:{port}/",
    ],
)
async def test_an_address_that_may_not_be_called_is_not(receiver: Receiver, url: str) -> None:
    hosts = {f"{host}:{receiver.port}" for host in ("127.0.0.1", "2130706433", "0x7f.1", "::1")}
    caller = receiver.caller(hosts=frozenset({*hosts, f"{HOST}:{receiver.port}"}))
    with pytest.raises(CallError, match="the address"):
        await call(caller, url.format(port=receiver.port))
    assert receiver.calls == []


async def test_a_certificate_of_somebody_else_is_refused(receiver: Receiver) -> None:
    caller = Caller(
        frozenset({f"{HOST}:{receiver.port}"}),
        KEY,
        resolve=lambda host, port: asyncio.sleep(0, ["127.0.0.1"]),
        may_reach=lambda address: True,
    )
    with pytest.raises(CallError, match=r"(?i:certificate)"):
        await call(caller, receiver.url)
    other = f"https://other.example.com:{receiver.port}/"
    caller = receiver.caller(hosts=frozenset({f"other.example.com:{receiver.port}"}))
    with pytest.raises(CallError, match=r"(?i:certificate)"):
        await call(caller, other)
    assert receiver.calls == []


async def test_a_silent_receiver_is_given_up(receiver: Receiver) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    receiver.answer = silent
    with pytest.raises(CallError, match="did not answer within"):
        await call(receiver.caller(seconds=0.3), receiver.url)


async def test_an_endless_answer_is_cut_off(receiver: Receiver) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 1000 * MOST_ANSWER:
            await response.write(b"x" * 65536)
            sent += 65536
        return response

    receiver.answer = endless
    await call(receiver.caller(), receiver.url)
    assert sent < 200 * MOST_ANSWER


async def test_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(CallError):
        await call(Receiver(port, good).caller(), f"https://{HOST}:{port}/")


async def test_without_a_key_nobody_is_called(letters: Letters, receiver: Receiver) -> None:
    letters.services = Services(webhooks=Webhooks(frozenset({HOST})))
    await letters.sequence(
        "hooked",
        steps=({"action_type": "webhook", "action_config": {"url": f"https://{HOST}/"}},),
    )
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    data = await letters.later(A_DAY + timedelta(0))
    assert data["errorDetails"][0]["message"] == "WEBHOOK_SIGNING_KEY is not set"
    assert await letters.statuses() == ["active"]


async def test_many_calls_are_made_side_by_side(calling: Letters, receiver: Receiver) -> None:
    at_once = most = 0

    async def slow(request: web.Request) -> web.StreamResponse:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1
        return web.Response()

    receiver.answer = slow
    for n in range(120):
        await calling.subscriber(f"reader-{n}", SEEN + A_MOMENT)
    data: dict[str, Any] = await calling.run()
    assert data["webhooksCalled"] == 121
    assert 1 < most <= 10
    assert len(set(receiver.ids())) == 121
