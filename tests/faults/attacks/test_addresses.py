"""Does an address that somebody wrote down ever lead to this machine or its network?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from pydantic import SecretStr

from jobs.sequences.calling import Caller, CallError
from scheduler.outbound.address import AddressError, check_url, is_public, split_url
from scheduler.settings import Settings
from tests.faults.conftest import Report

LISTED = frozenset({"hooks.example.com"})
LOCAL_NAMES = [
    *("127.0.0.1", "localhost", "127.1", "127.0.1", "0", "0.0.0.0", "2130706433", "0x7f000001"),
    *("0x7f.1", "0x7f.0.0.1", "017700000001", "0177.0.0.1", "0177.1", "127.0.0.1.", "localhost."),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]"),
    *("[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fe80::1%25lo]", "[fc00::1]"),
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "10.0.0.1", "0xa.1"),
    *("192.168.1.1", "3232235777", "172.16.0.1", "100.64.0.1", "224.0.0.1", "255.255.255.255"),
    *("\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "\uff11\uff12\uff17.0.0.1"),
    *("\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3", "loc\u00adalhost", "127.0.0.1%00"),
    *("hooks.example.com.evil.example", "evil.example", "xhooks.example.com", "hooks.example.com."),
    *("hooks-example.com", "hooks.example.com%2eevil.example", "hooks.ex\u0430mple.com"),
    *("xn--hooks-example.com", "metadata.google.internal", "[::1", "", ".", "..", "*.example.com"),
]
FORMS = [
    *("https://{}/", "https://{}:443/", "https://{}:80/", "https://{}:22/", "https://{}:0/"),
    *(
        "https://hooks.example.com@{}/",
        "https://hooks.example.com:443@{}/",
        "https://{}\\@hooks.example.com/",
    ),
    *(
        "https://{}#@hooks.example.com/",
        "https://{}?@hooks.example.com/",
        "https://{}/hooks.example.com",
    ),
    *(
        "https:\\\\{}\\",
        "https:/{}/",
        "https:{}/",
        "//{}/",
        "https:///{}/",
        "https://\t{}/",
        " https://{}/",
    ),
    *(
        "https://{}\n/",
        "https://{}\r\nHost: hooks.example.com/",
        "HTTPS://{}/",
        "http://{}/",
        "ftp://{}/",
    ),
    *(
        "file://{}/etc/passwd",
        "gopher://{}:25/_x",
        "https://{}%2f@hooks.example.com/",
        "https://{} /",
    ),
    *("https://hooks.example.com#@{}:443@x/", "https://hooks.example.com;@{}/", "jar:https://{}!/"),
]
LISTED_ODDLY = [
    *(
        "https://u@hooks.example.com/",
        "https://u:p@hooks.example.com/",
        "http://hooks.example.com/",
    ),
    *(
        "https://hooks.example.com:80/",
        "https://hooks.example.com:8443/",
        "https://hooks.example.com./",
    ),
    *(
        "https://hooks.example.com\\/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:-1/",
    ),
    *(
        "https://hooks.example.com:0/",
        "https://hooks.example.com:x/",
        "https://@hooks.example.com/",
    ),
    *(
        "https://hooks.example.com /",
        "https://hooks\u3002example\u3002com/",
        "https://\uff48ooks.example.com/",
    ),
]
NOT_PUBLIC = [
    *(
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "169.254.169.254",
    ),
    *(
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
    ),
    *(
        "198.51.100.1",
        "203.0.113.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
    ),
    *("fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::1"),
    *(
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "::7f00:1",
        "::10.0.0.1",
        "fe80::1%eth0",
        "100::1",
        "nonsense",
    ),
    *("", "127.1", "2130706433", "0x7f000001", "::ffff:0:127.0.0.1", "2001:2::1", "2001:10::1"),
]


@asynccontextmanager
async def trap() -> AsyncIterator[tuple[int, list[object]]]:
    """A server on this machine that nobody should reach; who did."""
    reached: list[object] = []

    async def handle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], reached
    finally:
        server.close()
        await server.wait_closed()


def test_which_addresses_are_of_the_open_internet() -> None:
    assert [address for address in NOT_PUBLIC if is_public(address)] == []
    for address in ("8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"):
        assert is_public(address), address


def test_no_form_of_an_address_is_taken_for_another(report: Report) -> None:
    urls = [form.format(name) for form in FORMS for name in LOCAL_NAMES] + LISTED_ODDLY
    taken = []
    for url in urls:
        try:
            host, port = check_url(url, LISTED)
        except AddressError:
            continue
        # What stands behind # or in the path is no part of where it leads.
        is_ours = (
            url.lower().startswith("https://hooks.example.com") and "@" not in url.split("#")[0]
        )
        if is_ours and (host, port) == ("hooks.example.com", 443):
            continue
        taken.append(url)
    report.of("addresses that say one host and mean another (webhooks)", len(urls), "refused")
    assert taken == []
    assert check_url("https://hooks.example.com/x?y#z", LISTED) == ("hooks.example.com", 443)
    with pytest.raises(AddressError):
        split_url("https://127.0.0.1/")


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["0.0.0.0"],
        [],
    ],
)
async def test_a_listed_name_that_leads_inside_is_not_called(answers: Sequence[str]) -> None:
    async with trap() as (port, reached):

        async def resolve(_host: str, _port: int) -> Sequence[str]:
            return answers

        hosts = {f"hooks.example.com:{port}"}
        async with Caller(hosts, SecretStr("x"), resolve=resolve, seconds=5) as caller:
            url = f"https://hooks.example.com:{port}/"
            with pytest.raises(CallError):
                await caller.call(url, b"{}", uuid4(), datetime.now(UTC))
        assert reached == []


async def test_a_name_that_changes_between_look_and_call_gains_nothing() -> None:
    """The address that was looked at is the one that is connected to: the name is asked once."""
    asked = []
    async with trap() as (port, reached):

        async def resolve(_host: str, _port: int) -> Sequence[str]:
            asked.append(1)
            # (192.0.2.1 is of nobody; the look lets it pass here, and nothing answers there.)
            return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

        caller = Caller(
            {f"hooks.example.com:{port}"},
            SecretStr("x"),
            resolve=resolve,
            may_reach=lambda address: address == "192.0.2.1",
            seconds=0.5,
        )
        async with caller:
            url = f"https://hooks.example.com:{port}/"
            with pytest.raises(CallError):
                await caller.call(url, b"{}", uuid4(), datetime.now(UTC))
        assert (reached, len(asked)) == ([], 1)


@pytest.mark.parametrize(
    "name", ["GITHUB_API_URL", "OPENAI_BASE_URL", "BREVO_API_URL", "PUBLIC_URL"]
)
@pytest.mark.parametrize(
    "url",
    [
        *("ftp://x/", "file:///etc/passwd", "https://u:p@x/", "https://x/?a=b", "https://x/#a"),
        *("javascript:alert(1)", "https://", "//x/", "https://x:0/", "https://[::1/", "x"),
    ],
)
def test_an_operators_address_is_whole(name: str, url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        Settings.model_validate({name.lower(): url})


def test_the_machine_reads_such_numbers_as_addresses() -> None:
    """Else the names above would be harmless by themselves."""
    assert socket.inet_aton("127.1") == socket.inet_aton("0x7f000001") == b"\x7f\x00\x00\x01"
