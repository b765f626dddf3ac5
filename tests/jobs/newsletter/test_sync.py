"""Are subscribers and a provider kept in step, and is nobody ever subscribed again who left?

Each test runs against each of the three providers.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.jobs.newsletter.conftest import There
from tests.support.jobs import NOW
from tests.support.newsletters import EPOCH, Newsletter

DAY = timedelta(days=1)
ID = {"mailerlite": "mailerlite_id", "mailchimp": "mailchimp_id", "brevo": "brevo_id"}


async def test_first_everything_then_nothing_then_one_departure_each_way(
    here: Newsletter, there: There
) -> None:
    for name in ("ann", "bob", "eve"):
        await here.add(f"{name}@example.com", first_name=name.title(), subscription_tier="pro")

    first = (await here.sync(there.services))[there.name]
    assert first == {
        "success": True,
        "processed": 3,
        "created": 3,
        "updated": 0,
        "unsubscribed": 0,
        "failed": 0,
        "pulled": 0 if there.name == "mailerlite" else 3,
        "suppressed": 0,
        "deleted": 0,
        "full": True,
        "errors": [],
    }
    assert set(there.server.statuses().values()) == {there.subscribed}
    assert there.server.people["ann@example.com"].fields[there.first_name] == "Ann"
    row = await here.row("ann@example.com")
    assert row[ID[there.name]] == there.server.people["ann@example.com"].id
    assert (row["sync_status"], row["sync_error"]) == ("synced", None)
    assert row["provider_synced_at"] == NOW

    there.server.forget_calls()
    before = await here.versions()
    second = (await here.sync(there.services, NOW + DAY))[there.name]
    assert second["success"] is True
    assert second["full"] is False
    assert second["processed"] == second["suppressed"] == 0
    assert await here.versions() == before
    assert there.server.writes() == []

    await here.leave("ann@example.com")
    there.server.becomes("bob@example.com", there.left)
    third = (await here.sync(there.services, NOW + 3 * DAY))[there.name]
    assert (third["unsubscribed"], third["suppressed"], third["processed"]) == (1, 1, 1)
    assert there.server.statuses() == {
        "ann@example.com": there.left,
        "bob@example.com": there.left,
        "eve@example.com": there.subscribed,
    }
    assert await here.statuses() == {
        "ann@example.com": "unsubscribed",
        "bob@example.com": "unsubscribed",
        "eve@example.com": "active",
    }
    assert await here.suppressions() == {"bob@example.com": ("unsubscribed", there.name)}

    there.server.forget_calls()
    fourth = (await here.sync(there.services, NOW + 4 * DAY))[there.name]
    assert fourth["processed"] == fourth["suppressed"] == 0
    assert there.server.writes() == []
    kinds = [(log["sync_type"], log["status"]) for log in await here.logged()]
    assert kinds == [("full", "completed"), *[("incremental", "completed")] * 3]


async def test_who_leaves_there_leaves_here_in_whichever_letters(
    here: Newsletter, there: There
) -> None:
    """Known from before the first sync, and sent by it."""
    there.server.has("ann@example.com", there.left)
    for name in ("Ann", "Bob", "Eve", "Sue"):
        await here.add(f"{name}@Example.com", subscribed_at=EPOCH)
    await here.sync(there.services)
    assert await here.statuses() == {
        "Ann@Example.com": "unsubscribed",
        "Bob@Example.com": "active",
        "Eve@Example.com": "active",
        "Sue@Example.com": "active",
    }
    assert (await here.row("Ann@Example.com"))["unsubscribed_at"] == NOW

    there.server.becomes("bob@example.com", there.left)
    await here.leave("Eve@Example.com")
    await here.sync(there.services, NOW + DAY)
    assert (await here.row("Bob@Example.com"))["status"] == "unsubscribed"
    assert (await here.row("Bob@Example.com"))[ID[there.name]] is not None
    # Who is set active again by hand, or signs up again, is not on the list, or is since then.
    await here.leave("Eve@Example.com", "active")
    await here.shop.pool.execute(
        "UPDATE newsletter_subscribers SET status = 'active', subscribed_at = $1"
        " WHERE email = 'Bob@Example.com'",
        NOW + 2 * DAY,
    )
    await here.sync(there.services, NOW + 3 * DAY)
    assert await here.statuses() == {
        "Ann@Example.com": "unsubscribed",
        "Bob@Example.com": "active",
        "Eve@Example.com": "active",
        "Sue@Example.com": "active",
    }


async def test_a_provider_that_has_contacts_is_asked_for_their_statuses_first(
    here: Newsletter, there: There
) -> None:
    there.server.has("ann@example.com", there.left)
    there.server.has("bob@example.com", there.subscribed)
    there.server.has("stranger@example.com", there.subscribed)
    await here.add("ann@example.com")
    await here.add("Bob@Example.com", first_name="Bob")
    await here.add("gone@example.com", "unsubscribed")

    result = (await here.sync(there.services))[there.name]

    assert (result["created"], result["updated"], result["suppressed"]) == (0, 1, 1)
    assert there.server.statuses() == {
        "ann@example.com": there.left,
        "bob@example.com": there.subscribed,
        "stranger@example.com": there.subscribed,
    }
    assert there.server.people["bob@example.com"].fields[there.first_name] == "Bob"
    assert (await here.row("Bob@Example.com"))[ID[there.name]]
    assert (await here.statuses())["ann@example.com"] == "unsubscribed"


async def test_who_left_here_before_the_first_sync_is_unsubscribed_there(
    here: Newsletter, there: There
) -> None:
    for status in ("unsubscribed", "bounced", "complained", "cleaned"):
        await here.add(f"{status}@example.com", status)
        there.server.has(f"{status}@example.com", there.subscribed)
    result = (await here.sync(there.services))[there.name]
    assert (result["unsubscribed"], result["created"], result["updated"]) == (4, 0, 0)
    assert set(there.server.statuses().values()) == {there.left}


@pytest.mark.parametrize("reason", ["unsubscribed", "bounced", "complained", "cleaned"])
async def test_whoever_left_here_or_is_suppressed_is_never_sent(
    here: Newsletter, there: There, reason: str
) -> None:
    await here.add("ann@example.com", reason)
    await here.add("Suppressed@example.com")
    await here.shop.pool.execute(
        "INSERT INTO lamplighter.suppressions (email, reason, source, created_at)"
        " VALUES ('suppressed@example.com', $1, 'smtp', $2)",
        reason,
        NOW,
    )
    result = (await here.sync(there.services))[there.name]
    assert result["processed"] == 0
    assert there.server.people == {}
    assert there.server.writes() == []


async def test_who_is_suppressed_later_is_unsubscribed_there(
    here: Newsletter, there: There
) -> None:
    await here.add("Ann@example.com")
    await here.sync(there.services)
    await here.shop.pool.execute(
        "INSERT INTO lamplighter.suppressions (email, reason, source, created_at)"
        " VALUES ('ann@example.com', 'bounced', 'smtp', $1)",
        NOW,
    )
    result = (await here.sync(there.services, NOW + DAY))[there.name]
    assert result["unsubscribed"] == 1
    assert there.server.statuses() == {"ann@example.com": there.left}


async def test_nobody_is_subscribed_again_who_left_there(here: Newsletter, there: There) -> None:
    await here.add("ann@example.com")
    await here.sync(there.services)
    there.server.becomes("ann@example.com", there.left)
    await here.sync(there.services, NOW + DAY)
    # The product takes them in again, with another name, and a person lifts the suppression.
    await here.shop.pool.execute(
        "UPDATE newsletter_subscribers SET status = 'active', first_name = 'N', subscribed_at = $1",
        NOW + DAY,
    )
    await here.shop.pool.execute("UPDATE lamplighter.suppressions SET lifted_at = $1", NOW + DAY)
    for days in (2, 9):
        there.server.forget_calls()
        result = (await here.sync(there.services, NOW + days * DAY))[there.name]
        assert result["processed"] == 0
        assert there.server.writes() == []
    assert there.server.statuses() == {"ann@example.com": there.left}
    # What a person lifted stays lifted: that they left there is no news.
    assert await here.statuses() == {"ann@example.com": "active"}


async def test_nobody_is_subscribed_again_who_left_here(here: Newsletter, there: There) -> None:
    await here.add("ann@example.com")
    await here.sync(there.services)
    await here.leave("ann@example.com")
    await here.sync(there.services, NOW + DAY)
    await here.leave("ann@example.com", "active")
    result = (await here.sync(there.services, NOW + 2 * DAY))[there.name]
    assert result["processed"] == 0
    assert there.server.statuses() == {"ann@example.com": there.left}


async def test_an_update_does_not_subscribe_who_left_in_this_very_minute(
    here: Newsletter, there: There
) -> None:
    await here.add("ann@example.com", first_name="Ann")
    await here.sync(there.services)
    await here.sync(there.services, NOW + DAY)
    await here.shop.pool.execute("UPDATE newsletter_subscribers SET first_name = 'Anna'")
    # They leave, and the changes that we are given do not have it yet.
    person = there.server.people["ann@example.com"]
    person.status = left = "left list" if there.name == "brevo" else there.left
    person.changed = EPOCH - DAY
    await here.sync(there.services, NOW + 2 * DAY)
    assert person.status == left
    if there.name != "mailerlite":  # which always shows everybody who left
        assert person.fields[there.first_name] == "Anna"


async def test_only_who_changed_is_sent(here: Newsletter, there: There) -> None:
    for name in ("ann", "bob"):
        await here.add(f"{name}@example.com", first_name=name)
    await here.sync(there.services)
    await here.sync(there.services, NOW + DAY)
    there.server.forget_calls()
    # Our own writes and the product's other columns are no news.
    await here.shop.pool.execute(
        "UPDATE newsletter_subscribers SET updated_at = now(), emails_opened = 3"
    )
    result = (await here.sync(there.services, NOW + 2 * DAY))[there.name]
    assert result["processed"] == 0
    await here.shop.pool.execute(
        "UPDATE newsletter_subscribers SET first_name = NULL WHERE email LIKE 'bob%'"
    )
    await here.add("eve@example.com", None)
    result = (await here.sync(there.services, NOW + 3 * DAY))[there.name]
    assert (result["created"], result["updated"]) == (1, 1)
    assert there.server.people["bob@example.com"].fields[there.first_name] == ""
    assert there.server.people["ann@example.com"].fields[there.first_name] == "ann"
    assert there.server.statuses()["eve@example.com"] == there.subscribed


async def test_another_address_or_a_deleted_row_is_a_departure(
    here: Newsletter, there: There
) -> None:
    ann = await here.add("ann@example.com")
    await here.add("bob@example.com")
    await here.sync(there.services)
    await here.shop.pool.execute(
        "UPDATE newsletter_subscribers SET email = 'anna@example.com' WHERE id = $1", ann
    )
    await here.shop.pool.execute("DELETE FROM newsletter_subscribers WHERE email LIKE 'bob%'")
    result = (await here.sync(there.services, NOW + DAY))[there.name]
    assert (result["unsubscribed"], result["created"]) == (2, 1)
    assert there.server.statuses() == {
        "ann@example.com": there.left,
        "anna@example.com": there.subscribed,
        "bob@example.com": there.left,
    }


async def test_one_address_in_two_spellings_is_one_contact(here: Newsletter, there: There) -> None:
    await here.add("Ann@example.com", first_name="A")
    await here.add("ANN@example.com", first_name="B")
    await here.add("bob@example.com", first_name="lower")
    await here.add("Bob@example.com", first_name="Upper")
    first = (await here.sync(there.services))[there.name]
    assert first["created"] == 2
    assert there.server.people["bob@example.com"].fields[there.first_name] == "lower"
    await here.sync(there.services, NOW + DAY)
    there.server.forget_calls()
    second = (await here.sync(there.services, NOW + 2 * DAY))[there.name]
    assert second["processed"] == 0
    # Of two that disagree, who left counts.
    await here.leave("Bob@example.com", "complained")
    third = (await here.sync(there.services, NOW + 3 * DAY))[there.name]
    assert third["unsubscribed"] == 1
    assert there.server.statuses()["bob@example.com"] == there.left


async def test_who_was_deleted_there_comes_back_only_by_signing_up_again(
    here: Newsletter, there: There
) -> None:
    await here.add("ann@example.com", subscribed_at=EPOCH)
    await here.add("bob@example.com", subscribed_at=EPOCH)
    await here.sync(there.services)
    del there.server.people["ann@example.com"]
    await here.shop.pool.execute("UPDATE newsletter_subscribers SET first_name = 'Changed'")

    result = (await here.sync(there.services, NOW + DAY))[there.name]
    assert (result["updated"], result["deleted"], result["created"]) == (1, 1, 0)
    del there.server.people["bob@example.com"]
    result = (await here.sync(there.services, NOW + 2 * DAY, full=True))[there.name]
    assert result["deleted"] == 1
    for days in (3, 12):
        await here.sync(there.services, NOW + days * DAY)
    assert there.server.people == {}

    await here.shop.pool.execute(
        "UPDATE newsletter_subscribers SET subscribed_at = $1 WHERE email LIKE 'ann%'",
        NOW + 13 * DAY,
    )
    result = (await here.sync(there.services, NOW + 14 * DAY))[there.name]
    assert result["created"] == 1
    assert there.server.statuses() == {"ann@example.com": there.subscribed}
    assert (await here.row("ann@example.com"))["sync_error"] is None


async def test_a_full_reconcile_happens_each_week_by_itself(here: Newsletter, there: There) -> None:
    await here.add("ann@example.com")
    fulls = [
        day
        for day in range(16)
        if (await here.sync(there.services, NOW + day * DAY))[there.name]["full"]
    ]
    assert fulls == [0, 7, 14]
    assert (await here.sync(there.services, NOW + 16 * DAY, full=True))[there.name]["full"] is True


async def test_segments_are_kept_as_groups(here: Newsletter, there: There) -> None:
    one, two = {"mailerlite": ("g1", "g2"), "mailchimp": ("s1", "s2"), "brevo": ("11", "12")}[
        there.name
    ]
    for name in ("ann", "bob", "eve"):
        await here.add(f"{name}@example.com")
    await here.segment("first", "ann@example.com", "bob@example.com", **{there.group: one})
    await here.segment("second", "ann@example.com", **{there.group: two})
    await here.sync(there.services)

    def members(group: str) -> set[str]:
        people = there.server.people.values()
        return {person.email.partition("@")[0] for person in people if group in person.groups}

    assert members(one) == {"ann", "bob"}
    assert members(two) == {"ann"}

    await here.sync(there.services, NOW + DAY)
    there.server.forget_calls()
    await here.sync(there.services, NOW + 2 * DAY)
    assert there.server.writes() == []

    await here.segment("first", "bob@example.com", "eve@example.com", **{there.group: one})
    result = (await here.sync(there.services, NOW + 3 * DAY))[there.name]
    assert result["updated"] == 2
    assert members(one) == {"bob", "eve"}
    assert members(two) == {"ann"}


async def test_a_group_that_is_not_there_is_said_and_holds_nobody_up(
    here: Newsletter, there: There
) -> None:
    missing = {"mailerlite": "nope", "mailchimp": "missing", "brevo": "99"}[there.name]
    await here.add("ann@example.com")
    await here.add("bob@example.com")
    await here.segment("lost", "ann@example.com", **{there.group: missing})
    result = (await here.sync(there.services))[there.name]
    assert (result["created"], result["failed"]) == (1, 1)
    assert [error["email"] for error in result["errors"]] == ["ann@example.com"]
    assert set(there.server.statuses()) == {"ann@example.com", "bob@example.com"}
    assert (await here.row("ann@example.com"))["sync_status"] == "error"
    assert (await here.logged())[0]["status"] == "partial"


async def test_another_list_begins_anew(here: Newsletter, there: There) -> None:
    await here.add("ann@example.com")
    await here.sync(there.services)
    services = there.services
    there.server.people.clear()
    await here.shop.pool.execute(
        "UPDATE lamplighter.newsletter_providers SET audience = 'the one before'"
    )
    result = (await here.sync(services, NOW + DAY))[there.name]
    assert (result["full"], result["created"]) == (True, 1)


async def test_a_dry_run_says_what_would_be_sent_and_does_nothing(
    here: Newsletter, there: There
) -> None:
    for name in ("ann", "bob", "eve"):
        await here.add(f"{name}@example.com")
    before = await here.versions()
    outcome = await here.sync(there.services, dry_run=True)
    assert outcome[there.name]["created"] == 3
    assert there.server.calls == []
    assert await here.versions() == before
    await here.sync(there.services)
    there.server.forget_calls()
    await here.leave("ann@example.com")
    await here.shop.pool.execute(
        "UPDATE newsletter_subscribers SET first_name = 'B' WHERE email LIKE 'bob%'"
    )
    before = await here.versions()
    outcome = await here.sync(there.services, NOW + DAY, dry_run=True)
    found = outcome[there.name]
    assert (found["created"], found["updated"], found["unsubscribed"]) == (0, 1, 1)
    assert there.server.calls == []
    assert await here.versions() == before
    assert len(await here.logged()) == 1
