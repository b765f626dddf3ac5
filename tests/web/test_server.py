"""Does the server hold its limits against callers that are slow, many, or no HTTP at all?"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from scheduler.errors import LamplighterError
from scheduler.web.app import make_app
from scheduler.web.server import Limits, serving
from tests.support.machine import Stage
from tests.web.site import OpenSite, open_site

SECRET = b"Authorization: Bearer the-secret-of-the-crontab\r\n"
COUNT = b"POST /api/v1/workers/count HTTP/1.1\r\nHost: x\r\n" + SECRET
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
QUICK = Limits(request_seconds=0.2, reserve_seconds=0.2)


def parsed(said: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """The one answer in `said`."""
    head, _, body = said.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, json.loads(body)


async def one_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], dict[str, Any]]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return parsed(head + await reader.readexactly(length))


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nHo st: y\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nX: a\x00b\r\n\r\n",
        b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(200)) + b"\r\n",
        COUNT + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        COUNT + b"Content-Length: 2\r\nTransfer-Encoding:\r\n\r\n{}",
        COUNT + b"Content-Length: 2\r\nTransfer-Encoding: identity\r\n\r\n{}",
        COUNT + b"Content-Length: -1\r\n\r\n",
        COUNT + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        COUNT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_request_is_400_in_the_usual_form(site: OpenSite, data: bytes) -> None:
    one = await site(limits=QUICK)
    with capture_logs() as logs:
        status, headers, body = parsed(await one.raw(data))
    assert status == 400
    assert body["success"] is False
    assert "server" not in headers
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert await one.machine.record() == []
    assert not [line for line in logs if line["log_level"] not in {"debug", "info"}]


@pytest.mark.parametrize("version", [b"0.9", b"2.0"])
async def test_another_version_is_answered_in_one_that_is_spoken(
    site: OpenSite, version: bytes
) -> None:
    one = await site()
    said = await one.raw(LIVEZ.replace(b"1.1", version))
    assert said.startswith(b"HTTP/1.0 400 ")
    assert parsed(said)[2]["success"] is False


async def test_no_answer_says_what_made_it(site: OpenSite) -> None:
    one = await site()
    paths = ("/livez", "/nowhere", "/api/v1/workers/count", "/openapi.json", "/api/v1/jobs")
    for path in paths:
        for method in ("GET", "POST"):
            answer = await one.call(path, method)
            assert "Server" not in answer.headers, path
            assert "aiohttp" not in answer.text.lower(), path


async def test_a_request_header_has_so_long_from_its_connection(site: OpenSite) -> None:
    one = await site(limits=QUICK)
    status, headers, body = parsed(await one.raw(b"GET /livez HTTP/1.1\r\nHost:"))
    assert status == 408
    assert body == {"success": False, "error": "the request did not arrive in time"}
    assert "server" not in headers


async def test_bytes_that_trickle_in_do_not_lengthen_it(site: OpenSite) -> None:
    one = await site(limits=QUICK)
    reader, writer = await one.connect()

    async def trickle() -> None:
        writer.write(b"GET /livez HTTP/1.1\r\nX: ")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    sender = asyncio.create_task(trickle())
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    sender.cancel()
    writer.close()


async def test_a_connection_that_says_nothing_is_closed_without_a_word(site: OpenSite) -> None:
    one = await site(limits=QUICK)
    assert await one.raw(b"") == b""


@pytest.mark.parametrize(
    "start", [b"Content-Length: 100\r\n\r\n{", b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"da']
)
async def test_the_body_belongs_to_that_time(site: OpenSite, start: bytes) -> None:
    one = await site(limits=QUICK)
    status, headers, body = parsed(await one.raw(COUNT + start))
    assert status == 408
    assert body == {"success": False, "error": "the request did not arrive in time"}
    assert headers["connection"] == "close"
    assert await one.machine.record() == []


@pytest.mark.parametrize("path", [b"count", b"nope"])
async def test_a_body_that_breaks_while_it_is_read_is_answered(site: OpenSite, path: bytes) -> None:
    one = await site(limits=Limits(request_seconds=30, keepalive_seconds=30))
    reader, writer = await one.connect()
    head = COUNT.replace(b"/count", b"/" + path) + b"Transfer-Encoding: chunked\r\n\r\n"
    writer.write(head + b"4\r\nxx")
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write(b"xxxxx")
    # It is not waited for: neither for the rest of it, nor for the request's time.
    async with asyncio.timeout(10):
        said = await reader.read()
    assert parsed(said)[0] == (400 if path == b"count" else 404)
    assert await one.machine.record() == []
    writer.close()


async def test_a_body_that_nobody_reads_does_not_hold_the_connection(site: OpenSite) -> None:
    one = await site(limits=QUICK)
    said = await one.raw(LIVEZ[:-2] + b"Content-Length: 100\r\n\r\n{")
    assert parsed(said)[0] == 200
    said = await one.raw(COUNT.replace(SECRET, b"") + b"Content-Length: 100\r\n\r\n{")
    assert parsed(said)[0] == 401


async def test_the_next_request_of_a_connection_has_its_own_time(site: OpenSite) -> None:
    one = await site(limits=Limits(request_seconds=0.2, keepalive_seconds=30))
    reader, writer = await one.connect()
    writer.write(LIVEZ)
    assert (await one_answer(reader))[0] == 200
    writer.write(LIVEZ[:10])
    assert (await one_answer(reader))[0] == 408
    assert await reader.read() == b""
    writer.close()


async def test_a_run_that_takes_longer_than_a_request_may_is_answered(site: OpenSite) -> None:
    stage = Stage()
    one = await site({"slow": stage}, limits=QUICK)
    reader, writer = await one.connect()
    writer.write(COUNT.replace(b"count", b"slow") + b"Content-Length: 2\r\n\r\n{}")
    await stage.begin()
    # A second connection of this test outlives the limit: so has the first one by then.
    assert parsed(await one.raw(b"GET /livez"))[0] == 408
    stage.may_end.set()
    assert (await one_answer(reader))[0] == 200
    writer.close()


async def test_an_idle_connection_is_closed(site: OpenSite) -> None:
    one = await site(limits=Limits(keepalive_seconds=0.2))
    status, headers, _ = parsed(await one.raw(LIVEZ))
    assert status == 200
    assert "connection" not in headers


async def test_requests_that_come_at_once_are_answered_in_their_order(site: OpenSite) -> None:
    one = await site(limits=Limits(keepalive_seconds=0.2))
    requests = [
        COUNT.replace(b"count", b"count?days=%d" % n) + b"Content-Length: 2\r\n\r\n{}"
        for n in range(1, 4)
    ]
    reader, writer = await one.connect()
    writer.write(b"".join(requests))
    answers = [await one_answer(reader) for _ in requests]
    assert [body["data"]["days"] for _, _, body in answers] == [1, 2, 3]
    writer.close()


async def test_past_the_cap_there_is_503_but_for_probes(site: OpenSite) -> None:
    one = await site(limits=Limits(connections=2, reserve=2))
    kept = [await one.connect() for _ in range(2)]
    for reader, writer in kept:
        writer.write(LIVEZ)
        assert (await one_answer(reader))[0] == 200
    status, headers, body = parsed(await one.raw(COUNT + b"\r\n"))
    assert (status, body["error"]) == (503, "too many connections; try again in a moment")
    assert headers["connection"] == "close"
    assert parsed(await one.raw(LIVEZ))[0] == 200
    assert parsed(await one.raw(LIVEZ.replace(b"livez", b"readyz")))[0] == 200
    assert parsed(await one.raw(LIVEZ.replace(b"livez", b"health")))[0] == 503
    reader, writer = kept.pop()
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    while (await one.work("count")).status == 503:
        await asyncio.sleep(0)
    for _, writer in kept:
        writer.close()


async def test_past_the_reserve_there_is_503_for_everyone(site: OpenSite) -> None:
    one = await site(limits=Limits(connections=1, reserve=1, reserve_seconds=30))
    kept = [await one.connect() for _ in range(2)]
    kept[0][1].write(LIVEZ)
    await one_answer(kept[0][0])
    reader, writer = await one.connect()
    status, headers, body = await one_answer(reader)
    assert (status, body["error"]) == (503, "too many connections; try again in a moment")
    assert "server" not in headers
    assert await reader.read() == b""
    for _, open_writer in [*kept, (reader, writer)]:
        open_writer.close()


async def test_connections_that_were_closed_are_not_counted(site: OpenSite) -> None:
    one = await site(limits=Limits(connections=2, reserve=0))
    for _ in range(20):
        while parsed(await one.raw(LIVEZ[:-2] + b"Connection: close\r\n\r\n"))[0] != 200:
            await asyncio.sleep(0)


async def test_an_expectation_that_is_not_known_is_417(site: OpenSite) -> None:
    one = await site()
    answer = await one.work("count", headers={"Expect": "a miracle"})
    assert answer.status == 417
    assert answer.error


async def test_curl_gets_its_100_continue(site: OpenSite) -> None:
    one = await site()
    reader, writer = await one.connect()
    writer.write(COUNT + b"Expect: 100-continue\r\nContent-Length: 11\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b'{"days": 3}')
    status, _, body = await one_answer(reader)
    assert (status, body["data"]["days"]) == (200, 3)
    writer.close()


async def test_an_upgrade_is_not_taken(site: OpenSite) -> None:
    one = await site(limits=Limits(keepalive_seconds=0.2))
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    said = await one.raw(LIVEZ[:-2] + upgrade)
    assert said.startswith(b"HTTP/1.1 200 ")


async def test_random_bytes_never_break_the_server(site: OpenSite) -> None:
    one = await site(limits=QUICK)
    with capture_logs() as logs:
        for size in (1, 10, 1_000, 100_000):
            for start in (b"", b"GET ", b"GET / HTTP/1.1\r\n", COUNT + b"\r\n"):
                reader, writer = await one.connect()
                writer.write(start + os.urandom(size))
                try:
                    said = await reader.read()
                except ConnectionResetError:
                    said = b""
                assert b"Traceback" not in said
                writer.close()
    assert not [line for line in logs if line["log_level"] == "error"]
    assert parsed(await one.raw(LIVEZ[:-2] + b"Connection: close\r\n\r\n"))[0] == 200


async def test_an_address_that_is_taken_is_a_sentence(site: OpenSite) -> None:
    one = await site()
    with pytest.raises(LamplighterError) as raised:
        async with serving(make_app(one.daemon), "127.0.0.1", one.port):
            pass
    assert str(raised.value).startswith(f"cannot listen on 127.0.0.1:{one.port} (HOST and PORT): ")


async def test_at_the_stop_who_waits_for_a_run_is_answered_first(
    database: str, session: aiohttp.ClientSession
) -> None:
    stage = Stage()
    async with open_site(database, session, {"slow": stage}) as one:
        call = asyncio.create_task(one.work("slow"))
        await stage.begin()
        one.conditions.draining = True
        await one.machine.runner.drain(0)
        # The context ends here, as the daemon does: the call is still open.
        assert not call.done()
    assert (await call).status == 503
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", one.port)) != 0
