"""Does http-request send what the file says, judge the answer, and keep every secret to itself?"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import re
import socket
import ssl
import struct
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from jobs.calls.answers import kept, on_one_line
from jobs.calls.preparing import prepared
from jobs.calls.secrecy import Redactor
from jobs.calls.sending import MOST_READ, Request, send
from jobs.http_request import job
from scheduler.errors import JobError, LamplighterError, PermanentError, VariableError
from scheduler.job import Done, JobContext, Outcome, RetryLater
from scheduler.params import ParamsError, read_params
from scheduler.services import Services
from scheduler.timing.schedule import read_schedule
from tests.support.http import Heard, Speak, answering, saying
from tests.support.jobs import NOW, UTC_ZONE, Log

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "s3cr3t/with+odd=characters&more"


def variables(**values: str) -> Services:
    def look(name: str) -> SecretStr:
        if name in values:
            return SecretStr(values[name])
        raise VariableError(f"{name} is not set")

    return Services(variable=look)


class Nothing:
    def transaction(self) -> Any:
        raise AssertionError("no database is needed")


def context(
    services: Services, *, seconds: float = 30, log: Log | None = None, run: UUID | None = None
) -> JobContext:
    return JobContext(
        run_id=run or uuid4(),
        job="report",
        attempt=1,
        scheduled_for=datetime(2026, 1, 31, tzinfo=UTC),
        timezone=UTC_ZONE,
        now=lambda: NOW,
        db=Nothing(),
        tables={},
        scheduled_jobs=frozenset(),
        log=log or Log(),
        progress=lambda *_: None,
        services=services,
        seconds_left=lambda: seconds,
    )


async def ask(ctx: JobContext | None = None, **params: Any) -> Outcome:
    return await job.run(ctx or context(variables()), read_params(job.params, params))


async def done(ctx: JobContext | None = None, **params: Any) -> Mapping[str, Any]:
    outcome = await ask(ctx, **params)
    assert isinstance(outcome, Done), outcome
    return outcome.data


async def refused(ctx: JobContext | None = None, **params: Any) -> JobError:
    with pytest.raises(JobError) as caught:
        await ask(ctx, **params)
    assert caught.value.__cause__ is None, "what caused it may hold what was sent"
    return caught.value


async def test_the_request_is_as_the_file_says() -> None:
    run = uuid4()
    services = variables(CRON_SECRET=SECRET, BASE="x", NAME='Ann "A"')
    async with answering(saying("200 OK", '{"ok": true}')) as there:
        data = await done(
            context(services, run=run),
            url=there.url + "/%2Fa/../${BASE}?q=${BASE}&cost=$$5",
            method="post",
            headers={"Authorization": "Bearer ${CRON_SECRET}", "X-Note": "costs $$5"},
            body={"name": "${NAME}", "list": [1, None, "$$"], "${KEY}": True},
        )
    assert data["status"] == 200
    assert data["bytes"] == 12
    assert data["answer"] == '{"ok": true}'
    assert 0 <= data["durationMs"] < 30_000
    [heard] = there.heard
    assert (heard.method, heard.target) == ("POST", "/%2Fa/../x?q=x&cost=$5")
    assert heard.headers["authorization"] == f"Bearer {SECRET}"
    assert heard.headers["x-note"] == "costs $5"
    assert heard.headers["idempotency-key"] == str(run)
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["accept-encoding"] == "identity"
    assert heard.headers["user-agent"] == "lamplighter"
    assert "cookie" not in heard.headers
    assert json.loads(heard.body) == {"name": 'Ann "A"', "list": [1, None, "$"], "${KEY}": True}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
async def test_every_method(method: str) -> None:
    body = "" if method == "HEAD" else "fine"
    async with answering(saying("204 No Content" if not body else "200 OK", body)) as there:
        data = await done(url=there.url, method=method)
    assert there.heard[0].method == method
    assert data["answer"] == body


async def test_a_text_is_sent_as_it_is_and_headers_of_ours_can_be_replaced() -> None:
    async with answering(saying("200 OK")) as there:
        await done(
            url=there.url,
            method="PUT",
            headers={
                "content-type": "application/x-www-form-urlencoded",
                "idempotency-key": "always-the-same",
                "User-Agent": "me",
            },
            body="a=1&b=ü",
        )
    [heard] = there.heard
    assert heard.body == "a=1&b=ü".encode()
    assert heard.headers["content-type"] == "application/x-www-form-urlencoded"
    assert heard.headers["idempotency-key"] == "always-the-same"
    assert heard.headers["user-agent"] == "me"


@pytest.mark.parametrize(
    ("status", "expected", "accepted"),
    [
        (200, [], True),
        (299, [], True),
        (302, [], False),
        (404, [], False),
        (404, 404, True),
        (200, 404, False),
        (204, [200, 204], True),
        (302, [302], True),
    ],
)
async def test_the_status_that_is_wanted(status: int, expected: Any, accepted: bool) -> None:
    async with answering(saying(f"{status} Thus")) as there:
        if accepted:
            assert (await done(url=there.url, expect_status=expected))["status"] == status
        else:
            error = await refused(url=there.url, expect_status=expected)
            assert str(error).startswith(f"answered {status}, not ")


async def test_a_redirect_is_a_failure_that_says_where_it_leads() -> None:
    there_to = "Location: https://user:pass@elsewhere.example/login?token=abc#part"
    async with answering(saying("302 Found", "", there_to)) as there:
        error = await refused(url=there.url)
    assert str(error) == (
        "answered 302, not any 2xx, and points to https://elsewhere.example/login; "
        "redirects are not followed"
    )
    assert len(there.heard) == 1


async def test_the_text_that_the_answer_must_hold() -> None:
    async with answering(saying("200 OK", "all is well")) as there:
        await done(url=there.url, contains="is well")
        error = await refused(url=there.url, contains="is bad")
    assert str(error) == "answered 200, but 'is bad' is not in the answer"


@pytest.mark.parametrize("body", [b"\xff\xfe\x00ok", b"ok\x00", b"\x80 ok"])
async def test_what_is_no_text_is_not_kept(body: bytes) -> None:
    async with answering(saying("200 OK", body)) as there:
        assert {**await done(url=there.url), "durationMs": 0} == {
            "status": 200,
            "durationMs": 0,
            "bytes": len(body),
            "answer": None,
        }
        error = await refused(url=there.url, contains="ok")
    assert str(error) == "answered 200 with what is no text, so 'ok' is not in it"


async def test_an_answer_in_another_alphabet_is_read() -> None:
    header = "Content-Type: text/plain; charset=ISO-8859-1"
    async with answering(saying("200 OK", "grün".encode("latin-1"), header)) as there:
        assert (await done(url=there.url, contains="grün"))["answer"] == "grün"


async def test_controls_in_an_answer_are_shown_as_such() -> None:
    async with answering(saying("200 OK", "a\x1b[31mb\u202ec\r\nd")) as there:
        assert (await done(url=there.url))["answer"] == "a\ufffd[31mb\ufffdc\ufffd\nd"


async def test_of_a_huge_answer_a_part_is_read() -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter, _heard: Heard) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            sent += 65536
            await writer.drain()

    async with answering(endless) as there:
        data = await done(url=there.url)
        error = await refused(url=there.url, contains="y")
    assert data["bytes"] == MOST_READ
    assert data["answer"] == "x" * 299 + "…"
    assert str(error) == "answered 200, but 'y' is not in the first MiB of the answer"
    assert sent < 40 * MOST_READ


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
    ],
)
async def test_a_packed_answer_is_unpacked_so_far(
    encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    header = f"Content-Encoding: {encoding}"
    async with answering(saying("200 OK", pack(b"all is well"), header)) as there:
        assert (await done(url=there.url, contains="is well"))["answer"] == "all is well"
    bomb = pack(b"0" * 500_000_000 if encoding == "gzip" else b"0" * 50_000_000)
    assert len(bomb) < MOST_READ
    async with answering(saying("200 OK", bomb, header)) as there:
        data = await done(url=there.url)
        error = await refused(url=there.url, contains="1")
    assert data["bytes"] == len(bomb)
    assert data["answer"] == "0" * 299 + "…"
    assert str(error) == "answered 200, but '1' is not in the first MiB of the answer"


@pytest.mark.parametrize("encoding", ["br", "gzip"])
async def test_what_cannot_be_unpacked_is_said(encoding: str) -> None:
    header = f"Content-Encoding: {encoding}"
    async with answering(saying("200 OK", b"\x01\x02 no gzip", header)) as there:
        assert (await done(url=there.url))["answer"] is None
        error = await refused(url=there.url, contains="1")
    assert str(error) == "answered 200, packed in a way that cannot be looked into for '1'"


async def never(writer: asyncio.StreamWriter, _heard: Heard) -> None:
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter, _heard: Heard) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("speak", "said"),
    [
        (never, "did not answer within 1 s"),
        (drip, "answered 200, but not to its end in 1 s"),
    ],
)
async def test_who_is_slow_is_given_up(speak: Speak, said: str) -> None:
    async with answering(speak) as there:
        assert str(await refused(url=there.url, timeout_seconds=1)) == said


async def test_the_runs_time_is_the_most_that_there_is() -> None:
    async with answering(never) as there:
        error = await refused(context(variables(), seconds=2.0), url=there.url, timeout_seconds=600)
    assert str(error) == "did not answer within 1 s"


async def reset(writer: asyncio.StreamWriter, _heard: Heard) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def half(writer: asyncio.StreamWriter, _heard: Heard) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")


async def nonsense(writer: asyncio.StreamWriter, _heard: Heard) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")


async def long_header(writer: asyncio.StreamWriter, _heard: Heard) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n")


@pytest.mark.parametrize(
    ("speak", "said"),
    [
        (reset, "the connection was closed before an answer came"),
        (half, "answered 200, but the answer broke off"),
        (nonsense, "what came back is no HTTP"),
        (long_header, "what came back is no HTTP"),
    ],
)
async def test_what_is_no_answer(speak: Speak, said: str) -> None:
    async with answering(speak) as there:
        error = await refused(url=there.url)
        assert str(error) == said
        assert not isinstance(error, PermanentError)
        once = await refused(url=there.url, method="POST")
        assert isinstance(once, PermanentError), "it may have been carried out"
        assert str(once).startswith(said)
        again = await refused(url=there.url, method="POST", may_repeat=True)
        assert not isinstance(again, PermanentError)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_where_nobody_is_it_is_tried_again_whatever_it_asks(method: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        port = taken.getsockname()[1]
        error = await refused(url=f"http://127.0.0.1:{port}/", method=method)
    assert str(error).startswith("no connection: ")
    assert str(port) not in str(error)
    assert not isinstance(error, PermanentError)


async def test_a_name_that_leads_nowhere() -> None:
    error = await refused(url="http://nobody.invalid/")
    assert str(error) == "no connection: its name leads to no address"


async def test_certificates_are_verified() -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(tls)
    async with answering(saying("200 OK"), tls) as there:
        error = await refused(url=there.url, method="POST")
    assert str(error).startswith("no connection: its certificate is not accepted (")
    assert not isinstance(error, PermanentError), "nothing was sent"
    assert there.heard == []


async def test_an_authority_that_is_trusted() -> None:
    authority = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    async with answering(saying("200 OK", "safe"), theirs) as there:
        answer = await send(Request("GET", there.url, {}, None), 20, ours)
    assert answer.body == b"safe"


async def test_a_port_that_speaks_no_tls() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Speak plainly\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await refused(url=f"https://127.0.0.1:{port}/")
    server.close()
    assert str(error).startswith("no connection: TLS failed (")


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with answering(saying("200 OK", "direct")) as there:
        assert (await done(url=there.url))["answer"] == "direct"


@pytest.mark.parametrize(
    ("method", "status", "permanent"),
    [
        ("GET", 500, False),
        ("GET", 404, False),
        ("GET", 401, True),
        ("GET", 422, True),
        ("PUT", 502, False),
        ("POST", 500, True),
        ("POST", 503, False),
        ("PATCH", 429, False),
    ],
)
async def test_what_can_be_tried_again(method: str, status: int, permanent: bool) -> None:
    async with answering(saying(f"{status} No", "why not")) as there:
        error = await refused(url=there.url, method=method)
    assert isinstance(error, PermanentError) is permanent
    assert str(error).startswith(f"answered {status}, not any 2xx: why not")


async def test_who_asks_for_time_gets_it() -> None:
    async with answering(saying("429 Slow down", "", "Retry-After: 90")) as there:
        outcome = await ask(url=there.url)
    assert outcome == RetryLater("answered 429, not any 2xx", timedelta(seconds=90))
    async with answering(saying("503 Away", "", "Retry-After: 999999999")) as there:
        outcome = await ask(url=there.url)
    assert isinstance(outcome, RetryLater)
    assert outcome.after == timedelta(hours=1)


def echoes(secret: str) -> list[str]:
    return [
        secret,
        secret.upper(),
        quote(secret, safe=""),
        json.dumps({"got": f"Bearer {secret}"}),
        base64.b64encode(secret.encode()).decode(),
        f"{secret[:5]}" + secret + secret,
        " " * 19_990 + secret,
        "\n".join([secret] * 50),
    ]


@pytest.mark.parametrize("status", ["200 OK", "500 Broken", "302 Found"])
@pytest.mark.parametrize("number", range(len(echoes(""))))
async def test_an_answer_that_echoes_a_secret_is_kept_without_it(
    status: str, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    echo = echoes(SECRET)[number]
    log = Log()
    location = f"Location: /login/{quote(SECRET, safe='')}?t={quote(SECRET)}"
    with caplog.at_level(logging.DEBUG):
        async with answering(saying(status, echo, location)) as there:
            ctx = context(variables(KEY=SECRET), log=log)
            try:
                outcome: object = await ask(
                    ctx, url=there.url + "/a", headers={"X-Api-Key": "${KEY}"}, contains="Bearer"
                )
            except LamplighterError as error:
                outcome = (str(error), repr(error), error.__context__ and str(error.__context__))
    assert there.heard[0].headers["x-api-key"] == SECRET
    everything = f"{outcome!r} {log.lines!r} {caplog.text}".lower()
    for form in echoes(SECRET)[:3] + [echoes(SECRET)[4].rstrip("=")]:
        assert form.lower() not in everything
    assert SECRET[6:].lower() not in everything


async def test_the_parts_of_a_basic_authorization_are_hidden_too() -> None:
    value = base64.b64encode(b"ann:hunter22").decode()
    async with answering(saying("200 OK", "ann:hunter22 and hunter22 alone")) as there:
        data = await done(
            context(variables(BASIC=value)),
            url=there.url,
            headers={"Authorization": "Basic ${BASIC}"},
        )
    assert data["answer"] == "*** and *** alone"


@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
    before=st.text(max_size=60),
    after=st.text(max_size=60),
    most=st.integers(1, 80),
)
def test_no_part_of_a_text_that_is_kept_holds_the_secret(
    secret: str, before: str, after: str, most: int
) -> None:
    hide = Redactor([secret])
    for shown in (
        kept(before + secret + after, hide, most),
        on_one_line(before + secret + after, hide, most),
        hide.beginning(before + secret + after, most),
        hide(before + secret + after),
    ):
        assert secret.lower() not in shown.replace("***", "\x00").lower()
    # What is cut off within a secret shows nothing of it.
    if secret not in before + secret[:-1]:
        assert hide.beginning(before + secret, len(before) + 1).startswith(hide(before))


def problems(services: Services | None = None, **params: Any) -> dict[str, str]:
    try:
        read = read_params(job.params, params)
    except ParamsError as error:
        return {".".join(map(str, p.path)): p.message for p in error.problems}
    assert job.check is not None
    found = job.check(read, services or variables())
    return {".".join(map(str, problem.path)): problem.message for problem in found}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/", "must begin with http:// or https://"),
        ("example.com/x", "must begin with http:// or https://"),
        ("file:///etc/passwd", "must begin with http:// or https://"),
        ("http://ann:pw@example.com/", "may hold no user name or password"),
        ("http:///x", "must name a host"),
        ("http://example.com:99999/", "is no address"),
        ("http://example.com/a b", "printable ASCII"),
        ("http://example.com/ü", "printable ASCII"),
        ("http://example.com\\@evil.example/", "printable ASCII"),
        ("http://example.com/\r\nX: y", "printable ASCII"),
        ("http://example.com/#x", "may hold no #"),
        ("http://example.com/$HOME", "has a $ that begins no variable"),
        ("http://example.com/${}", "has a $ that begins no variable"),
        ("http://example.com/?api_key=abc", "'api_key' in it holds a secret"),
        ("http://example.com/?x=ghp_abcdefghijklmnop", "holds a secret"),
    ],
)
def test_an_address_that_cannot_be(url: str, why: str) -> None:
    assert why in problems(url=url)["url"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer abc"),
        ("authorization", "whatever"),
        ("X-Api-Key", "1234"),
        ("X-Auth-Token", "1234"),
        ("PRIVATE-TOKEN", "1234"),
        ("Cookie", "session=1"),
        ("apikey", "1234"),
        ("X-Plain", "Bearer abcdefgh"),
        ("X-Plain", "sk-abcdefghijklmnop"),
        ("X-Plain", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"),
    ],
)
def test_a_secret_that_is_written_out_is_refused(name: str, value: str) -> None:
    said = problems(url="http://a.example/", headers={name: value})["headers"]
    assert f"{name!r} holds a secret" in said
    assert value not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer ${TOKEN}"),
        ("Authorization", "${TOKEN}"),
        ("X-Author", "Ann"),
        ("X-Keyboard", "qwerty"),
        ("Idempotency-Key", "monthly-report"),
        ("Accept", "application/json"),
    ],
)
def test_what_is_no_secret_may_be_written_out(name: str, value: str) -> None:
    services = variables(TOKEN="t")
    assert problems(services, url="http://a.example/", headers={name: value}) == {}


@pytest.mark.parametrize(
    ("params", "place", "why"),
    [
        ({"headers": {"Bad Name": "x"}}, "headers", "is no name of a header"),
        ({"headers": {"X": "a\r\nY: b"}}, "headers", "on one line"),
        ({"headers": {"Content-Length": "3"}}, "headers", "not for the file to set"),
        ({"headers": {"A": "1", "a": "2"}}, "headers", "is here twice"),
        ({"headers": {"X": 3}}, "headers.X", "must be text"),
        ({"method": "TRACE"}, "method", "must be one of"),
        ({"body": 3}, "body", "must be text in quotes, a mapping or a list"),
        ({"body": ["$x"]}, "body", "has a $ that begins no variable"),
        ({"body": "x" * 300_000}, "body", "is too long"),
        ({"expect_status": 99}, "expect_status.0", "greater than or equal to 200"),
        ({"expect_status": "ok"}, "expect_status.0", "whole number"),
        ({"contains": ""}, "contains", "at least 1 character"),
        ({"method": "HEAD", "contains": "x"}, "", "HEAD has no answer"),
        ({"timeout_seconds": 0}, "timeout_seconds", "out of range"),
        ({"follow": True}, "follow", "not a parameter"),
    ],
)
def test_parameters_that_cannot_be(params: dict[str, Any], place: str, why: str) -> None:
    found = problems(url="http://a.example/", **params)
    assert why in found[place]


def test_variables_that_are_not_set_are_named_where_they_stand() -> None:
    assert problems(
        variables(HERE="x"),
        url="${GATEWAY_URL}/x?h=${HERE}",
        headers={"A": "${ONE}", "B": "${HERE}"},
        body={"deep": ["${TWO}"]},
    ) == {
        "url": "GATEWAY_URL is not set",
        "headers.A": "ONE is not set",
        "body": "TWO is not set",
    }


@pytest.mark.parametrize(
    ("params", "values", "place"),
    [
        ({"url": "${U}"}, {"U": "gopher://hidden"}, "url"),
        ({"url": "http://${U}/"}, {"U": "ann:hidden@host"}, "url"),
        ({"url": "http://a.example/${U}"}, {"U": "hidden\r\nX: y"}, "url"),
        ({"url": "http://a.example/", "headers": {"X": "${U}"}}, {"U": "hid\nden"}, "headers.X"),
    ],
)
async def test_what_variables_make_of_it_is_looked_at_and_not_shown(
    params: dict[str, Any], values: dict[str, str], place: str
) -> None:
    services = variables(**values)
    [(where, why)] = problems(services, **params).items()
    assert where == place
    error = await refused(context(services), **params)
    assert isinstance(error, PermanentError)
    for text in (why, str(error)):
        assert "hid" not in text
        assert "with its variables" in text


async def test_a_variable_that_is_gone_fails_the_run_with_its_name() -> None:
    async with answering(saying("200 OK")) as there:
        error = await refused(url=there.url, headers={"X-Token": "${GONE}"})
    assert str(error) == "GONE is not set"
    assert isinstance(error, PermanentError)
    assert there.heard == []


GUIDE = (ROOT / "docs" / "moving-over.md").read_text()


def test_the_guide_has_every_parameter_and_its_default() -> None:
    table = dict(re.findall(r"^\| `([a-z_]+)` \| (.*?) \|", GUIDE, re.MULTILINE))
    assert list(table) == list(job.params.model_fields)
    assert table["url"] == "required"
    assert table["method"] == "`GET`"


def test_the_example_of_the_guide_is_right() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    entries = read_schedule(example, "config.yaml", {"http-request": job.params}).entries
    params = entries["monthly-report"].params
    assert isinstance(params, job.params)
    assert job.check is not None
    services = variables(GATEWAY_URL="http://gateway:3000", REPORTS_TOKEN="abc")
    assert list(job.check(params, services)) == []
    assert (
        prepared(params, services, "1").request.url == "http://gateway:3000/api/v1/reports/monthly"
    )
