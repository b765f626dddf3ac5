"""Do people's decisions hold: once, for what was shown, on the record, for as long as allowed?"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from agents.approvals import (
    By,
    EditError,
    Lapsed,
    approve,
    edit,
    events_of,
    expire,
    find,
    get,
    reject,
    reject_many,
    sql,
)
from agents.kit.suggest import EXPIRES
from scheduler.errors import ConflictError, NotFoundError
from scheduler.policy import AutonomousMode
from tests.support.agents import NOW, Bench, item, proposal

ANA = By("admin", "10.0.0.7", "it is right")
BEN = By("admin", "10.0.0.8", "we know")
SECOND = timedelta(seconds=1)


async def in_state(bench: Bench, status: str) -> UUID:
    made = await bench.one()
    await bench.product.pool.execute(
        "UPDATE lamplighter.suggestions SET status = $1::text, decided_by = 'somebody',"
        " decided_at = $2, published_at = $2, approved_at = $2,"
        " approved_hash = CASE WHEN $1 = 'approved' THEN shown_hash END",
        *(status, NOW),
    )
    return made


async def test_an_approval_is_for_what_is_shown_and_says_who_when_from_where_and_why(
    bench: Bench,
) -> None:
    made = await bench.one()
    one = await bench.call(approve, made, ANA)
    assert (one.status, one.approved_hash) == ("approved", one.shown_hash)
    assert (one.decided_by, one.decided_from, one.decision_reason) == (
        *("admin", "10.0.0.7", "it is right"),
    )
    assert one.approved_at == one.decided_at == NOW
    async with bench.context().db.transaction() as connection:
        events = await events_of(connection, made)
    assert [event.action for event in events] == ["created", "approved"]
    last = events[-1]
    assert (last.at, last.by, last.source, last.reason) == (NOW, "admin", "10.0.0.7", ANA.reason)
    assert last.detail == {"shownHash": one.shown_hash}


async def test_a_rejection_says_why(bench: Bench) -> None:
    made = await bench.one()
    one = await bench.call(reject, made, BEN)
    assert (one.status, one.decided_by, one.decision_reason) == ("rejected", "admin", "we know")
    assert (await bench.events(made))[-1] == ("rejected", "admin", "we know")


@pytest.mark.parametrize("status", ["pending", "publish_failed"])
async def test_what_can_be_approved(bench: Bench, status: str) -> None:
    assert (await bench.call(approve, await in_state(bench, status), ANA)).status == "approved"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("approved", "it was approved by somebody at 2026-01-31 00:00 UTC"),
        ("rejected", "it was rejected by somebody at"),
        ("expired", "it expired at 2026-03-02"),
        ("published", "it was published at 2026-01-31"),
    ],
)
async def test_what_cannot_be_approved(bench: Bench, status: str, why: str) -> None:
    made = await in_state(bench, status)
    before = await bench.row(made)
    with pytest.raises(ConflictError, match=f"it cannot be approved: {why}"):
        await bench.call(approve, made, ANA)
    assert await bench.row(made) == before


@pytest.mark.parametrize("status", ["pending", "approved", "publish_failed"])
async def test_what_can_be_rejected_or_changed(bench: Bench, status: str) -> None:
    made = await in_state(bench, status)
    one = await bench.call(edit, made, ANA, title="The CSV parser has no tests")
    assert (one.status, one.approved_hash) == ("pending", None)
    await bench.product.pool.execute("DELETE FROM lamplighter.suggestions")
    made = await in_state(bench, status)
    assert (await bench.call(reject, made, BEN)).approved_hash is None


@pytest.mark.parametrize("status", ["rejected", "expired", "published"])
async def test_what_is_decided_is_neither_rejected_nor_changed(bench: Bench, status: str) -> None:
    made = await in_state(bench, status)
    with pytest.raises(ConflictError, match="it cannot be rejected"):
        await bench.call(reject, made, BEN)
    with pytest.raises(ConflictError, match="it cannot be changed"):
        await bench.call(edit, made, BEN, title="Another title of it")


async def test_while_it_is_being_published_nothing_is_decided(bench: Bench) -> None:
    made = await in_state(bench, "approved")
    await bench.product.pool.execute("UPDATE lamplighter.suggestions SET approved_hash = NULL")
    await bench.product.pool.execute(
        "INSERT INTO lamplighter.publications (suggestion_id, marker, begun_at, run_id, by_itself)"
        " VALUES ($1, $2, $3, $2, false)",
        *(made, uuid4(), NOW),
    )
    for decide in (approve, reject):
        with pytest.raises(ConflictError, match="it is being published"):
            await bench.call(decide, made, ANA)
    with pytest.raises(ConflictError, match="it is being published"):
        await bench.call(edit, made, ANA, title="Another title of it")
    bench.now += timedelta(days=100)
    assert await bench.call(expire) == Lapsed(0, 0)


async def test_nobody_decides_about_what_is_not_there(bench: Bench) -> None:
    for decide in (approve, reject, get):
        by = () if decide is get else (ANA,)
        with pytest.raises(NotFoundError, match="there is no such suggestion"):
            await bench.call(decide, uuid4(), *by)
    with pytest.raises(NotFoundError):
        await bench.call(edit, uuid4(), ANA, title="Another title of it")


async def test_of_two_at_once_one_is_told_what_the_other_did(bench: Bench) -> None:
    for round_ in range(10):
        made = await bench.one(f"Matter number {round_} of ten", f"issue:{round_}", kind="chore")
        results = await asyncio.gather(
            *(bench.call(approve, made, ANA) for _ in range(3)),
            *(bench.call(reject, made, BEN) for _ in range(3)),
            return_exceptions=True,
        )
        refused = [one for one in results if isinstance(one, ConflictError)]
        assert all("it cannot be" in str(one) for one in refused)
        decided = [event[0] for event in await bench.events(made)][1:]
        # Who has approved may be overruled by who rejects; nobody does the same twice.
        assert decided in (["approved", "rejected"], ["rejected"])
        assert len(refused) == 6 - len(decided)


async def test_an_approver_who_saw_something_else_is_told(bench: Bench) -> None:
    made = await bench.one()
    shown = (await bench.row(made))["shown_hash"]
    await bench.call(edit, made, BEN, body="Somebody has written something else here.")
    with pytest.raises(ConflictError, match="it was changed after it was shown"):
        await bench.call(approve, made, ANA, shown=shown)
    with pytest.raises(ConflictError, match="it was changed after it was shown"):
        await bench.call(edit, made, ANA, title="Another title of it", shown=shown)
    shown = (await bench.row(made))["shown_hash"]
    assert (await bench.call(approve, made, ANA, shown=shown)).status == "approved"


async def test_a_change_is_kept_and_the_hash_follows(bench: Bench) -> None:
    made = await bench.one()
    before = await bench.call(approve, made, ANA)
    after = await bench.call(
        edit, made, BEN, title="  Say  it\nshorter ", body="Because @octocat should look at it.\n"
    )
    assert (after.title, after.body) == (
        *("Say it shorter", "Because @octocat should look at it."),
    )
    assert after.shown_hash != before.shown_hash
    assert (after.status, after.approved_hash, after.approved_at) == ("pending", None, None)
    row = await bench.row(made)
    assert "  s" in row["title_trigrams"]
    async with bench.context().db.transaction() as connection:
        event = (await events_of(connection, made))[-1]
    assert event.detail == {"title": before.title, "body": before.body, "status": "approved"}
    # As found again by what it says now.
    again = await bench.keep(
        proposal("Say it shorter", "issue:9", body="Because octocat should look at it.")
    )
    assert again.suggestions == ()


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"title": "No"}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"body": "Too short"}, "body"),
        ({"body": "x" * 20_001}, "body"),
        ({"body": "Characters that nobody sees: \x1b[2J"}, "body"),
        ({"body": "As if it were there <!-- lamplighter:5 -->"}, "body"),
    ],
)
async def test_words_that_cannot_be(bench: Bench, words: dict[str, str], field: str) -> None:
    made = await bench.one()
    before = await bench.row(made)
    with pytest.raises(EditError, match=f"{field} must be a text of") as told:
        await bench.call(edit, made, ANA, **words)
    assert told.value.field == field
    assert await bench.row(made) == before


async def test_many_are_rejected_at_once_and_the_others_are_named(bench: Bench) -> None:
    made = [
        await bench.one(f"Matter number {n} of four", f"issue:{n}", kind="chore") for n in range(4)
    ]
    await bench.call(reject, made[1], ANA)
    nobody = uuid4()
    done, refused = await bench.call(reject_many, [made[0], *made[:3], nobody], BEN)
    assert done == [made[0], made[2]]
    assert refused == {
        made[1]: "it was rejected by admin at 2026-01-31 00:00 UTC",
        nobody: "there is no such suggestion",
    }
    statuses = [row["status"] for row in await bench.rows()]
    assert statuses == ["rejected", "rejected", "rejected", "pending"]
    assert await bench.call(reject_many, [nobody], BEN) == (
        *([], {nobody: "there is no such suggestion"}),
    )


async def test_what_nobody_decides_expires(bench: Bench) -> None:
    made = await bench.one()
    bench.now = NOW + EXPIRES - SECOND
    assert await bench.call(expire) == Lapsed(0, 0)
    bench.now = NOW + EXPIRES
    with pytest.raises(ConflictError, match="it cannot be approved: it expired at 2026-03-02"):
        await bench.call(approve, made, ANA)
    assert await bench.call(expire) == Lapsed(1, 0)
    assert (await bench.row(made))["status"] == "expired"
    assert (await bench.events(made))[-1] == (
        *("expired", "lamplighter", "nobody has decided in time"),
    )
    assert await bench.call(expire) == Lapsed(0, 0)


@pytest.mark.parametrize("by", ["people", "auto_approve"])
async def test_an_approval_that_is_not_used_in_three_days_is_void(bench: Bench, by: str) -> None:
    if by == "people":
        made = await bench.one()
        bench.now += timedelta(days=29)
        await bench.call(approve, made, ANA)
    else:
        made = await bench.one(autonomous_mode=AutonomousMode.AUTO_APPROVE)
    approved_at = bench.now
    bench.now = approved_at + timedelta(hours=72) - SECOND
    assert (await bench.call(get, made)).status == "approved"
    bench.now = approved_at + timedelta(hours=72)
    one = await bench.call(get, made)
    assert (one.status, one.approved_hash, one.approved_at) == ("pending", None, None)
    assert one.expires_at >= bench.now + timedelta(days=7)
    assert (await bench.events(made))[-1][0] == "lapsed"
    assert (await bench.call(approve, made, BEN)).status == "approved"


async def test_the_list_has_filters_and_pages(bench: Bench) -> None:
    other = Bench(bench.product, uuid4())
    made = [
        await bench.one(f"Matter number {n} of seven", f"issue:{n}", kind="chore") for n in range(7)
    ]
    theirs = await other.keep(proposal("Theirs is another", "issue:1"), agent="other")
    await bench.call(reject, made[2], BEN)
    await bench.call(approve, made[3], ANA)

    async def ids(**filters: Any) -> list[UUID]:
        return [one.id for one in await bench.call(find, **filters)]

    newest = [*theirs.suggestions, *reversed(made)]
    assert await ids() == newest
    assert await ids(status="rejected") == [made[2]]
    assert await ids(status="pending", project=bench.project) == [
        *(one for one in reversed(made) if one not in made[2:4]),
    ]
    assert await ids(agent="other") == list(theirs.suggestions)
    assert await ids(project=uuid4()) == []
    pages: list[UUID] = []
    before: int | None = None
    while page := await bench.call(find, before=before, most=3):
        pages += [one.id for one in page]
        before = page[-1].seq
    assert pages == newest


async def test_a_list_of_what_is_pending_has_nothing_that_has_expired(bench: Bench) -> None:
    await bench.keep(proposal("The parser has no tests", "pull:1"), items=[item("pull:1")])
    bench.now += EXPIRES
    assert await bench.call(find, status="pending") == []
    assert len(await bench.call(find, status="expired")) == 1


@pytest.mark.parametrize("status", [None, "pending", "rejected"])
async def test_no_list_reads_all_of_thousands(bench: Bench, status: str | None) -> None:
    made = await bench.one()
    pool = bench.product.pool
    columns = await pool.fetchval(
        "SELECT string_agg(column_name, ', ') FROM information_schema.columns WHERE table_schema ="
        " 'lamplighter' AND table_name = 'suggestions' AND column_name NOT IN ('id', 'seq')"
    )
    await pool.execute(
        f"INSERT INTO lamplighter.suggestions (id, {columns}) SELECT gen_random_uuid(), {columns}"  # noqa: S608
        " FROM lamplighter.suggestions, generate_series(1, 5000) WHERE id = $1",
        made,
    )
    await pool.execute("ANALYZE lamplighter.suggestions")
    query, filters = (sql.find, [status, None, None]) if status else (sql.find_all, [])
    rows = await pool.fetch(f"EXPLAIN {query.sql}", *filters, 4000, 51)
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan" in plan
    assert "Seq Scan on suggestions" not in plan
    found = await bench.call(find, status=status, most=51)
    assert len(found) == (0 if status == "rejected" else 51)
