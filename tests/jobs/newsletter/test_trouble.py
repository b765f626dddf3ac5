"""What becomes of a sync when the provider is down, slow or strange, or when it is cut off?"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from scheduler.errors import JobError, LeaseLostError
from scheduler.job import Skipped
from scheduler.services import Services
from tests.jobs.newsletter.conftest import There
from tests.support.jobs import NOW, Product
from tests.support.newsletter_providers import FakeBrevo, FakeMailchimp, FakeMailerLite
from tests.support.newsletters import KEY, Fault, Newsletter, serving

DAY = timedelta(days=1)


def text_of(here: Newsletter, results: Any) -> str:
    return json.dumps([results, here.log.lines], default=str)


async def test_without_a_provider_there_is_nothing_to_do(here: Newsletter) -> None:
    outcome = await here.outcome(Services())
    assert isinstance(outcome, Skipped)
    for setting in ("MAILERLITE_API_KEY", "MAILCHIMP_LIST_ID", "BREVO_LIST_ID"):
        assert setting in outcome.reason
    assert await here.logged() == []


async def test_a_wrong_key_fails_the_run_and_is_not_shown(here: Newsletter, there: There) -> None:
    await here.add("ann@example.com")
    said = f"no such key: {KEY}"
    answer = web.json_response({"message": said, "detail": said}, status=401)
    there.server.faults = [Fault("GET", answer, times=99)]
    with pytest.raises(JobError) as caught:
        await here.sync(there.services)
    message = str(caught.value)
    assert message.startswith(f"{there.label}: list ")
    assert "(401)" in message
    assert "no such key: ***" in message
    (log,) = await here.logged()
    assert (log["status"], log["records_processed"]) == ("failed", 0)
    assert KEY not in message + text_of(here, log)
    assert len(there.server.calls) == 1


async def test_what_is_over_in_a_moment_is_waited_for(here: Newsletter, there: There) -> None:
    await here.add("ann@example.com")
    there.server.limit = 1
    there.server.faults = [
        Fault(there.push, web.Response(status=503, headers={"Retry-After": "0"}), times=2),
        Fault("GET", None),
    ]
    result = (await here.sync(there.services))[there.name]
    assert (result["success"], result["created"]) == (True, 1)
    assert there.server.statuses() == {"ann@example.com": there.subscribed}


async def test_an_answer_that_is_lost_changes_nothing(here: Newsletter, there: There) -> None:
    """The provider has done it, and we do it again."""
    await here.add("ann@example.com")
    await here.add("bob@example.com")
    there.server.faults = [Fault(there.push, None, acts=True)]
    result = (await here.sync(there.services))[there.name]
    assert (result["success"], result["processed"]) == (True, 2)
    assert set(there.server.statuses().values()) == {there.subscribed}
    assert len(there.server.people) == 2
    there.server.forget_calls()
    await here.sync(there.services, NOW + DAY)
    assert there.server.writes() == []


async def test_a_provider_that_asks_for_an_hour_is_left_for_the_next_run(
    here: Newsletter, there: There
) -> None:
    await here.add("ann@example.com")
    there.server.has("eve@example.com", there.subscribed)
    hour = web.Response(status=429, headers={"Retry-After": "3600"})
    there.server.faults = [Fault(there.push, hour, times=99)]
    result = (await here.sync(there.services))[there.name]
    if there.name == "mailerlite":
        assert result["pulled"] == 1
    assert result["success"] is False
    assert "asks to wait for 3600 s (429)" in result["errors"][0]["message"]
    assert (await here.logged())[0]["status"] == "partial"
    there.server.faults = []
    result = (await here.sync(there.services, NOW + DAY))[there.name]
    assert (result["success"], result["created"]) == (True, 1)


async def test_text_that_cannot_be_kept_is_kept_as_far_as_it_can(
    here: Newsletter, there: There
) -> None:
    """Half a pair of surrogates and NUL, in whatever the provider says."""
    await here.add("ann@example.com")
    await here.add("invalid@example.com", first_name="Bob")
    odd = "\ud800\x00"
    there.server.has("eve@example.com", there.subscribed).email = f"eve{odd}@example.com"
    if there.name != "brevo":  # whose ids are numbers
        there.server.has("sue@example.com", there.subscribed).id = f"id{odd}"
    said = {"message": f"no{odd}", "detail": f"no{odd}", "error": f"no{odd}"}
    there.server.faults = [Fault(there.push, web.json_response(said, status=422), times=99)]
    result = (await here.sync(there.services))[there.name]
    assert result["failed"] == 2
    assert "no\ufffd\ufffd" in result["errors"][0]["message"]
    (log,) = await here.logged()
    assert log["records_failed"] == 2


async def test_a_place_that_means_nothing_there_any_more_is_given_up(
    here: Newsletter, there: There
) -> None:
    """Else every sync from then on would be refused."""
    await here.add("ann@example.com")
    await here.sync(there.services)
    there.server.becomes("ann@example.com", there.left)
    cursor = {"status": "active", "at": "QQ==", "since": "2030-01-01T00:00:00+00:00", "offset": 0}
    await here.shop.pool.execute(
        "UPDATE lamplighter.newsletter_providers SET cursor = $1, full_begun_at = $2", cursor, NOW
    )
    place = {"mailerlite": "cursor=", "mailchimp": "since_last_changed=", "brevo": "modifiedSince="}
    refusal = web.json_response({"message": "no such place"}, status=422)
    there.server.faults = [Fault(place[there.name], refusal, times=1)]
    result = (await here.sync(there.services, NOW + DAY))[there.name]
    assert (result["success"], result["suppressed"]) == (True, 1)
    assert "place_lost" in here.log.events()
    assert (await here.sync(there.services, NOW + 2 * DAY))[there.name]["success"] is True


async def test_a_status_of_an_odd_kind_is_no_status(here: Newsletter, brevo: FakeBrevo) -> None:
    await here.add("ann@example.com")
    brevo.faults = [Fault("/v3/processes/", web.json_response({"status": ["completed"]}))]
    assert (await here.sync(brevo.services()))["brevo"]["success"] is True


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (web.Response(text="<html>welcome</html>"), "something that is not JSON"),
        (web.json_response({"data": 5, "members": None, "contacts": 5}), "answered with no list"),
        (web.json_response([1, 2]), "answered with no list"),
        (web.Response(text="[" * 100_000), "something that is not JSON"),
        (web.Response(status=302, headers={"Location": "https://elsewhere.example"}), "_API_URL"),
        (web.Response(body=b" " * (17 << 20)), "more than 16 MiB"),
        (web.Response(status=418, text="short and stout"), "(418)"),
    ],
    ids=["html", "shape", "list", "deep", "redirect", "huge", "teapot"],
)
async def test_strange_answers_are_an_error_that_says_so(
    here: Newsletter, there: There, answer: web.Response, says: str
) -> None:
    await here.add("ann@example.com")
    there.server.faults = [Fault("GET", answer, times=99)]
    with pytest.raises(JobError) as caught:
        await here.sync(there.services)
    assert says in str(caught.value)
    assert await here.suppressions() == {}
    assert there.server.writes() == []


async def test_one_provider_down_does_not_stop_the_others(here: Newsletter) -> None:
    await here.add("ann@example.com")
    up, down = FakeMailchimp(), FakeMailerLite()
    async with serving(up):
        down.url = "http://127.0.0.1:1"
        services = Services(
            mailerlite=down.services().mailerlite, mailchimp=up.services().mailchimp
        )
        results = await here.sync(services)
    assert results["mailchimp"]["success"] is True
    assert results["mailerlite"]["success"] is False
    assert "MailerLite: list subscribers: cannot be reached" in str(results["mailerlite"]["errors"])
    assert up.statuses() == {"ann@example.com": "subscribed"}
    logged = {log["provider"]: log["status"] for log in await here.logged()}
    assert logged == {"mailerlite": "failed", "mailchimp": "completed"}


async def test_all_three_at_once(here: Newsletter) -> None:
    await here.add("ann@example.com")
    await here.add("invalid@example.com")
    one, two, three = FakeMailerLite(), FakeMailchimp(), FakeBrevo()
    async with serving(one, two, three):
        services = Services(
            mailerlite=one.services().mailerlite,
            mailchimp=two.services().mailchimp,
            brevo=three.services().brevo,
        )
        results = await here.sync(services)
        assert [result["created"] for result in results.values()] == [1, 1, 1]
        row = await here.row("ann@example.com")
        assert all(row[f"{name}_id"] for name in ("mailerlite", "mailchimp", "brevo"))
        assert row["sync_status"] == "synced"
        row = await here.row("invalid@example.com")
        assert row["sync_status"] == "error"
        assert [part.partition(":")[0] for part in row["sync_error"].split("; ")] == ["brevo"]
        # Who leaves at one of them leaves all of them.
        two.becomes("ann@example.com", "cleaned")
        await here.sync(services, NOW + DAY)
        await here.sync(services, NOW + 2 * DAY)
    assert (one.statuses(), three.statuses()) == (
        {"ann@example.com": "unsubscribed"},
        {"ann@example.com": "blocked"},
    )
    assert await here.statuses() == {"ann@example.com": "cleaned", "invalid@example.com": "active"}


async def test_a_refused_address_is_named_once_and_holds_nobody_up(
    here: Newsletter, there: There
) -> None:
    await here.add("ann@example.com")
    await here.add("invalid@example.com")
    await here.add("no address")
    result = (await here.sync(there.services))[there.name]
    assert (result["created"], result["failed"], result["success"]) == (1, 2, False)
    assert {error["email"] for error in result["errors"]} == {"invalid@example.com", "no address"}
    (log,) = await here.logged()
    assert (log["status"], log["records_created"], log["records_failed"]) == ("partial", 1, 2)
    assert {error["email"] for error in log["errors"]} == {"invalid@example.com", "no address"}
    row = await here.row("invalid@example.com")
    assert row["sync_status"] == "error"
    assert row["sync_error"].startswith(f"{there.name}: ")
    # It is not sent again and again, but is once it has changed, and at a full reconcile.
    there.server.forget_calls()
    result = (await here.sync(there.services, NOW + DAY))[there.name]
    assert (result["processed"], there.server.writes()) == (0, [])
    result = (await here.sync(there.services, NOW + 2 * DAY, full=True))[there.name]
    assert result["failed"] == 2
    await here.shop.pool.execute(
        "UPDATE newsletter_subscribers SET email = 'valid@example.com' WHERE email LIKE 'invalid%'"
    )
    result = (await here.sync(there.services, NOW + 3 * DAY))[there.name]
    assert (result["created"], result["failed"]) == (1, 0)
    assert (await here.row("valid@example.com"))["sync_status"] == "synced"


async def test_errors_are_bounded(here: Newsletter, there: There) -> None:
    for number in range(60):
        await here.add(f"invalid{number}@example.com")
    result = (await here.sync(there.services))[there.name]
    assert result["failed"] == 60
    assert len(result["errors"]) == 50
    assert len((await here.logged())[0]["errors"]) == 50


HOSTILE = {
    "crlf": "Ann\r\nBcc: all@example.com",
    "emoji": "Ann 🎉 \N{ZERO WIDTH JOINER}",
    "formula": '=cmd("calc")',
    "template": "{{ ''.__class__ }}",
    "quotes": "\"'; DROP TABLE app_users; --",
    "bell": "A\x07\x1b[31mB\u2028C",
}


async def test_hostile_names_arrive_as_one_line_of_text(here: Newsletter, there: There) -> None:
    await here.shop.pool.execute("ALTER TABLE newsletter_subscribers ALTER first_name TYPE text")
    for name, text in HOSTILE.items():
        await here.add(f"{name}@example.com", first_name=text)
    await here.add("long@example.com", first_name="n" * (1 << 20))
    result = (await here.sync(there.services))[there.name]
    assert result["created"] == len(HOSTILE) + 1

    def sent(name: str) -> str:
        return there.server.people[f"{name}@example.com"].fields[there.first_name]

    assert sent("crlf") == "Ann Bcc: all@example.com"
    assert sent("bell") == "A [31mB C"
    assert sent("long") == "n" * 100
    for name in ("emoji", "formula", "template", "quotes"):
        assert sent(name) == HOSTILE[name]


@pytest.mark.parametrize("group", ["..", "a/b", "g1?x=1", " ", "%2e%2e", "é", "x" * 101])
async def test_an_id_of_a_segment_that_is_none_is_named_and_never_called(
    here: Newsletter, there: There, group: str
) -> None:
    await here.shop.pool.execute(
        "ALTER TABLE newsletter_segments ALTER mailerlite_group_id TYPE text,"
        " ALTER mailchimp_segment_id TYPE text, ALTER brevo_list_id TYPE text"
    )
    await here.add("ann@example.com")
    await here.segment("odd one", "ann@example.com", **{there.group: group})
    result = (await here.sync(there.services))[there.name]
    assert (result["created"], result["failed"]) == (1, 1)
    assert result["errors"][0]["segment"] == "odd one"
    assert group not in there.server.people["ann@example.com"].groups
    calls = json.dumps([[call.path, call.body] for call in there.server.calls])
    assert "/segments/" not in calls
    assert "contacts/add" not in calls
    assert "/groups/" not in calls.replace("/groups/main/import", "")


async def test_an_address_that_does_not_fit_anywhere_stops_nobody(
    here: Newsletter, there: There
) -> None:
    await here.shop.pool.execute(
        "ALTER TABLE newsletter_subscribers DROP CONSTRAINT newsletter_subscribers_email_key,"
        " ALTER email TYPE text"
    )
    await here.add("x" * (1 << 20) + "@example.com")
    await here.add("ann@example.com")
    result = (await here.sync(there.services))[there.name]
    assert (result["created"], result["success"]) == (1, True)


async def test_what_a_provider_says_of_people_is_not_believed_blindly(
    here: Newsletter, there: There
) -> None:
    await here.add("ann@example.com")
    for email in ("a\x00b@example.com", "x" * 400 + "@example.com", "no address", "é@example.com"):
        there.server.has(email, there.left)
    there.server.has("odd@example.com", "a status from the future")
    await here.sync(there.services)
    assert set(await here.suppressions()) == {"é@example.com"}
    assert (await here.statuses()) == {"ann@example.com": "active"}


async def crowded(shop: Product, there: There) -> Newsletter:
    """A bit of everything: new, changed, left here, left there, refused."""
    here = Newsletter(shop)
    for number in range(12):
        await here.add(f"n{number}@example.com", first_name=f"N{number}")
    await here.add("invalid@example.com")
    await here.add("left-here@example.com", "unsubscribed")
    await here.add("left-there@example.com")
    there.server.has("left-here@example.com", there.subscribed)
    there.server.has("left-there@example.com", there.left)
    there.server.has("n3@example.com", there.subscribed)
    return here


CONTACTS = "SELECT email, remote_status FROM lamplighter.newsletter_contacts"


async def test_killed_at_any_commit_and_run_again_is_as_run_once(
    shop: Product, there: There
) -> None:
    here = await crowded(shop, there)
    calls_left = 0
    while True:
        run_id = uuid4()
        try:
            await here.sync(there.services, commits_left=calls_left, run_id=run_id)
            break
        except LeaseLostError:
            calls_left += 1
    assert calls_left >= 6
    await here.sync(there.services, NOW)
    assert there.server.statuses() == {
        **{f"n{number}@example.com": there.subscribed for number in range(12)},
        "left-here@example.com": there.left,
        "left-there@example.com": there.left,
    }
    contacts = await shop.pool.fetch(CONTACTS)
    assert {row["email"]: row["remote_status"] for row in contacts} == {
        **{f"n{number}@example.com": "active" for number in range(12)},
        "invalid@example.com": "refused",
        "left-here@example.com": "unsubscribed",
        "left-there@example.com": "unsubscribed",
    }
    assert await here.suppressions() == {"left-there@example.com": ("unsubscribed", there.name)}
    for number in range(12):
        row = await here.row(f"n{number}@example.com")
        assert row[f"{there.name}_id"] == there.server.people[row["email"]].id
        assert row["sync_status"] == "synced"
    there.server.forget_calls()
    before = await here.versions()
    await here.sync(there.services, NOW + DAY)
    assert there.server.writes() == []
    assert await here.versions() == before


async def test_the_server_cut_at_any_call_and_run_again_is_as_run_once(
    shop: Product, there: There
) -> None:
    here = await crowded(shop, there)
    cut = web.Response(status=401)
    for after in range(60):
        there.server.forget_calls()
        there.server.faults = [Fault("/", cut, times=99, after=after, acts=after % 2 == 0)]
        try:
            result = (await here.sync(there.services))[there.name]
        except JobError:
            continue
        if result["success"] or result["errors"][0].get("email"):
            break
    assert there.server.statuses() == {
        **{f"n{number}@example.com": there.subscribed for number in range(12)},
        "left-here@example.com": there.left,
        "left-there@example.com": there.left,
    }
    there.server.faults = []
    there.server.forget_calls()
    await here.sync(there.services, NOW + DAY)
    assert there.server.writes() == []


async def test_a_run_that_is_attempted_again_is_logged_once(here: Newsletter, there: There) -> None:
    await here.add("ann@example.com")
    run_id = uuid4()
    await here.sync(there.services, run_id=run_id)
    once = await here.logged()
    assert len(once) == 1
    again = (await here.sync(there.services, run_id=run_id))[there.name]
    assert await here.logged() == once
    assert (again["created"], again["full"]) == (1, True)


async def test_a_run_that_is_killed_at_any_commit_is_logged_as_if_it_had_not_been(
    shop: Product, there: There
) -> None:
    here = await crowded(shop, there)
    run_id = uuid4()
    kills = 0
    while True:
        try:
            await here.sync(there.services, commits_left=kills, run_id=run_id)
            break
        except LeaseLostError:
            kills += 1
    assert kills >= 6
    [row] = await here.logged()
    # Whom the provider had taken when it was killed is updated there the next time.
    assert row["records_created"] + row["records_updated"] == 12
    # Who had been unsubscribed there is found to have left.
    assert row["records_processed"] in {13, 14}
    assert row["records_failed"] == 1
    assert [error["email"] for error in row["errors"]] == ["invalid@example.com"]
    assert (row["sync_type"], row["status"]) == ("full", "partial")
