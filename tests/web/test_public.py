"""Are the addresses that modules of jobs declare open to all, bounded, and on the database?"""

from __future__ import annotations

import asyncio

from scheduler.condition import clear_condition, set_condition
from scheduler.endpoint import Call, Desk, Endpoint, Reply
from tests.support.machine import START
from tests.web.site import OpenSite


async def mark(desk: Desk, call: Call) -> Reply:
    """Keeps what came in as a standing condition, which health then shows."""
    async with desk.db.transaction() as connection:
        said = f"{call.method} {call.values['token']} {dict(call.query)} {call.body!r}"
        said += " " + call.headers["x-some-header"]
        await set_condition(connection, "mark", said, desk.now())
    return Reply(202, "<p>kept</p>", headers={"X-Own": "yes"})


async def sleepy(desk: Desk, _call: Call) -> Reply:
    async with desk.db.transaction() as connection:
        await connection.execute("SELECT pg_sleep(30)")
    return Reply()


ENDPOINTS = (
    Endpoint("/marks/{token}", ("GET", "POST"), mark),
    Endpoint("/api/v1/hooks/sleepy", ("POST",), sleepy),
)


async def test_a_declared_address_is_open_and_gets_what_came_in(site: OpenSite) -> None:
    one = await site(endpoints=ENDPOINTS)
    answer = await one.call(
        "/marks/a%2Fb?x=1",
        "POST",
        secret=None,
        data=b"\x00raw",
        headers={"X-Some-Header": "h"},
    )
    assert (answer.status, answer.text) == (202, "<p>kept</p>")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["X-Own"] == "yes"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    report = await one.call("/health", secret=None)
    assert report.body["status"] == "degraded"
    assert report.body["reasons"] == ["mark: POST a/b {'x': '1'} b'\\x00raw' h"]


async def test_other_methods_and_large_bodies_are_refused(site: OpenSite) -> None:
    one = await site(endpoints=ENDPOINTS)
    assert (await one.call("/marks/x", "DELETE", secret=None)).status == 405
    assert (await one.call("/marks/x", "POST", secret=None, data=b"x" * 70_000)).status == 413
    # What is beside it stays closed.
    assert (await one.call("/api/v1/hooks/other", "POST", secret=None)).status == 401


async def test_a_call_has_no_more_than_its_seconds(site: OpenSite) -> None:
    one = await site(endpoints=ENDPOINTS, public_call=0.2)
    answer = await asyncio.wait_for(one.call("/api/v1/hooks/sleepy", "POST", secret=None), 20)
    assert (answer.status, answer.error) == (
        503,
        "the database did not answer in time; try again in a moment",
    )


async def test_a_condition_is_in_health_until_it_is_cleared(site: OpenSite) -> None:
    one = await site()
    async with one.machine.pools.control() as connection:
        await set_condition(connection, "outbox", "paused: the password is wrong", START)
        await set_condition(connection, "outbox", "paused: " + "x" * 600, START)
    report = (await one.call("/health", secret=None)).body
    assert report["status"] == "degraded"
    assert [len(reason) for reason in report["reasons"]] == [len("outbox: ") + 500]
    async with one.machine.pools.control() as connection:
        await clear_condition(connection, "outbox")
    one.daemon.health._read_at = float("-inf")
    assert (await one.call("/health", secret=None)).body["status"] == "healthy"
