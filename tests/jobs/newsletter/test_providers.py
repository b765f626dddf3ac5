"""Is each provider asked as its documentation says: how much at once, how often, in which order?"""

from __future__ import annotations

import asyncio
import io
import tarfile
from datetime import timedelta
from itertools import pairwise

import pytest
from aiohttp import web

from jobs.newsletter.limits import Limiter
from jobs.newsletter.lots import MOST_REFUSED
from jobs.newsletter.provider import is_address, plain
from scheduler.errors import JobError
from tests.jobs.newsletter.conftest import There
from tests.support.jobs import NOW
from tests.support.newsletter_providers import FakeBrevo, FakeMailchimp, FakeMailerLite
from tests.support.newsletters import EPOCH, Fault, Newsletter

DAY = timedelta(days=1)


async def rename_all(here: Newsletter) -> None:
    await here.shop.pool.execute("UPDATE newsletter_subscribers SET last_name = 'Renamed'")


async def test_mailerlite_imports_who_is_new_and_batches_the_rest(
    here: Newsletter, mailerlite: FakeMailerLite
) -> None:
    await here.crowd(1_050)
    mailerlite.limit_header = ("X-RateLimit-Limit", "100000")
    services = mailerlite.services()
    result = (await here.sync(services))["mailerlite"]
    assert result["created"] == 1_050
    imports = [call for call in mailerlite.calls if "import-subscribers" in call.path]
    assert [len(call.body["subscribers"]) for call in imports] == [1_000, 50]
    assert all("status" not in row for call in imports for row in call.body["subscribers"])
    assert all(person.groups == {"main"} for person in mailerlite.people.values())
    mailerlite.forget_calls()
    await rename_all(here)
    result = (await here.sync(services, NOW + DAY))["mailerlite"]
    assert result["updated"] == 1_050
    assert len(mailerlite.writes()) == 21
    bodies = [one for call in mailerlite.writes() for one in call.body["requests"]]
    assert {(one["method"], *one["body"]) for one in bodies} == {("PUT", "fields")}


async def test_mailerlite_without_a_group(here: Newsletter, mailerlite: FakeMailerLite) -> None:
    await here.add("ann@example.com")
    result = (await here.sync(mailerlite.services(None)))["mailerlite"]
    assert result["created"] == 1
    assert mailerlite.people["ann@example.com"].groups == set()


async def test_mailerlite_waits_as_its_limit_of_imports_says(
    here: Newsletter, mailerlite: FakeMailerLite
) -> None:
    await here.add("ann@example.com")
    said = {"message": "You're being rate limited on import creation."}
    limited = web.json_response(said, status=429, headers={"Retry-After": "0.2"})
    mailerlite.faults = [Fault("import-subscribers", limited, times=3)]
    result = (await here.sync(mailerlite.services()))["mailerlite"]
    assert result["created"] == 1
    times = [call.at for call in mailerlite.calls if "import-subscribers" in call.path]
    assert len(times) == 4
    assert min(b - a for a, b in pairwise(times)) >= 0.2


async def test_mailerlite_reads_every_status_page_by_page(
    here: Newsletter, mailerlite: FakeMailerLite
) -> None:
    words = ["active", "unconfirmed", "unsubscribed", "bounced", "junk"]
    for number in range(2_600):
        mailerlite.has(f"p{number}@example.com", words[2] if number >= 5 else words[number])
    await here.add("p1@example.com")  # not confirmed there: that is between them and MailerLite
    result = (await here.sync(mailerlite.services()))["mailerlite"]
    assert (result["pulled"], result["processed"]) == (2_600, 0)
    reasons = {reason for reason, _ in (await here.suppressions()).values()}
    assert reasons == {"unsubscribed", "bounced", "complained"}
    assert len(await here.suppressions()) == 2_598


async def test_mailerlite_keeps_what_the_provider_says_of_one_update(
    here: Newsletter, mailerlite: FakeMailerLite
) -> None:
    await here.add("ann@example.com")
    await here.add("bob@example.com")
    await here.sync(mailerlite.services())
    await here.shop.pool.execute(
        "UPDATE newsletter_subscribers SET first_name = 'refuse' WHERE email LIKE 'ann%';"
        "UPDATE newsletter_subscribers SET first_name = 'fine' WHERE email LIKE 'bob%'"
    )
    result = (await here.sync(mailerlite.services(), NOW + DAY))["mailerlite"]
    assert (result["updated"], result["failed"]) == (1, 1)
    said = "Invalid data. The name is not allowed."
    assert result["errors"] == [{"email": "ann@example.com", "message": said}]


async def test_the_key_goes_to_no_other_host(here: Newsletter, mailerlite: FakeMailerLite) -> None:
    await here.add("ann@example.com")
    elsewhere = web.json_response({"import_progress_url": "https://evil.example/api/x"})
    mailerlite.faults = [Fault("import-subscribers", elsewhere)]
    with pytest.raises(JobError, match="import: points to another host"):
        await here.sync(mailerlite.services())


async def test_mailchimp_adds_five_hundred_a_call_and_a_few_calls_at_once(
    here: Newsletter, mailchimp: FakeMailchimp
) -> None:
    await here.crowd(4_600)
    result = (await here.sync(mailchimp.services()))["mailchimp"]
    assert result["created"] == 4_600
    adds = [call for call in mailchimp.calls if call.path.startswith("/3.0/lists/aud1?skip")]
    assert sorted(len(call.body["members"]) for call in adds) == [100, 100, *[500] * 8, 500][1:]
    assert all(call.body["update_existing"] is False for call in adds)
    assert mailchimp.most_at_once <= 8
    # Many who changed in one second are all read.
    assert result["pulled"] >= 4_600
    mailchimp.forget_calls()
    await rename_all(here)
    result = (await here.sync(mailchimp.services(), NOW + DAY))["mailchimp"]
    assert result["updated"] == 4_600
    batches = [call for call in mailchimp.writes() if call.path == "/3.0/batches"]
    assert max(len(call.body["operations"]) for call in batches) == 500
    assert all('"status"' not in one["body"] for b in batches for one in b.body["operations"])


async def test_mailchimp_reads_on_where_many_changed_in_one_second(
    here: Newsletter, mailchimp: FakeMailchimp
) -> None:
    for number in range(3_300):
        mailchimp.has(f"p{number}@example.com", "unsubscribed")
    at = mailchimp.tick()
    for number, person in enumerate(mailchimp.people.values()):
        person.changed = at if number < 2_900 else mailchimp.tick()
    await here.sync(mailchimp.services())
    assert len(await here.suppressions()) == 3_300


async def test_mailchimp_says_who_was_deleted_for_good(
    here: Newsletter, mailchimp: FakeMailchimp
) -> None:
    await here.add("ann@example.com")
    mailchimp.forgotten.add("ann@example.com")
    result = (await here.sync(mailchimp.services()))["mailchimp"]
    assert result["failed"] == 1
    assert "permanently deleted" in result["errors"][0]["message"]
    mailchimp.forget_calls()
    await here.sync(mailchimp.services(), NOW + DAY)
    assert mailchimp.writes() == []


async def test_mailchimp_who_is_there_already_is_updated_and_not_subscribed(
    here: Newsletter, mailchimp: FakeMailchimp
) -> None:
    """They came, and left, between our reading and our sending."""
    await here.add("ann@example.com", first_name="Ann")
    mailchimp.has("ann@example.com", "unsubscribed")
    nobody = web.json_response({"members": [], "total_items": 0})
    mailchimp.faults = [Fault("members?", nobody)]
    result = (await here.sync(mailchimp.services()))["mailchimp"]
    assert result["suppressed"] == 1
    assert mailchimp.statuses() == {"ann@example.com": "unsubscribed"}
    assert await here.statuses() == {"ann@example.com": "unsubscribed"}


async def test_one_that_makes_the_whole_call_fail_is_found(
    here: Newsletter, mailchimp: FakeMailchimp
) -> None:
    await here.crowd(40)
    await here.add("poison@example.com")
    result = (await here.sync(mailchimp.services()))["mailchimp"]
    assert (result["created"], result["failed"]) == (40, 1)
    assert result["errors"][0]["email"] == "poison@example.com"


async def test_where_all_make_it_fail_it_is_not_them(
    here: Newsletter, mailchimp: FakeMailchimp
) -> None:
    for number in range(60):
        await here.add(f"poison{number}@example.com")
    with pytest.raises(JobError, match=f"more than {MOST_REFUSED} contacts, one by one"):
        await here.sync(mailchimp.services())


async def test_mailchimps_results_are_bounded(here: Newsletter, mailchimp: FakeMailchimp) -> None:
    await here.add("ann@example.com")
    mailchimp.has("ann@example.com", "subscribed")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo("results.json")
        info.size = 70 << 20
        archive.addfile(info, io.BytesIO(b" " * info.size))
    bomb = web.Response(body=packed.getvalue())
    mailchimp.faults = [Fault("/open/results", bomb, times=9)]
    result = (await here.sync(mailchimp.services()))["mailchimp"]
    said = "results that cannot be read: more than 64 MiB"
    assert said in result["errors"][0]["message"]


async def test_brevo_imports_within_its_bounds_and_learns_the_ids(
    here: Newsletter, brevo: FakeBrevo
) -> None:
    await here.crowd(2_050)
    result = (await here.sync(brevo.services()))["brevo"]
    assert (result["created"], result["pulled"]) == (2_050, 2_050)
    (sent,) = [call for call in brevo.calls if call.path == "/v3/contacts/import"]
    assert sent.body["updateExistingContacts"] is False
    missing = "SELECT count(*) FROM newsletter_subscribers WHERE brevo_id IS NULL"
    assert await here.shop.pool.fetchval(missing) == 0
    brevo.forget_calls()
    await rename_all(here)
    result = (await here.sync(brevo.services(), NOW + DAY))["brevo"]
    assert result["updated"] == 2_050
    batches = [call for call in brevo.writes() if call.path == "/v3/contacts/batch"]
    assert [len(call.body["contacts"]) for call in batches] == [*[100] * 20, 50]
    rows = [row for call in batches for row in call.body["contacts"]]
    assert all(set(row) == {"email", "attributes"} for row in rows)


async def test_brevo_ten_calls_a_second(here: Newsletter, brevo: FakeBrevo) -> None:
    await here.add("ann@example.com")
    for number in range(1_300):
        brevo.has(f"p{number}@example.com", "subscribed")
    await here.sync(brevo.services())
    await here.shop.pool.execute(
        "INSERT INTO newsletter_subscribers (email)"
        " SELECT 'p' || n || '@example.com' FROM generate_series(0, 1299) n"
    )
    brevo.forget_calls()
    await here.sync(brevo.services(), NOW + DAY)
    times = [call.at for call in brevo.calls]
    assert len(times) > 13
    assert min(b - a for a, b in zip(times, times[10:], strict=False)) > 0.95


async def test_brevo_who_left_the_list_or_is_not_on_it(here: Newsletter, brevo: FakeBrevo) -> None:
    for name in ("left", "elsewhere", "removed"):
        await here.add(f"{name}@example.com", subscribed_at=EPOCH)
        brevo.has(f"{name}@example.com", "subscribed")
    brevo.people["left@example.com"].status = "left list"
    brevo.people["elsewhere@example.com"].groups = {"3"}
    result = (await here.sync(brevo.services()))["brevo"]
    assert (result["updated"], result["suppressed"]) == (2, 1)
    assert brevo.people["elsewhere@example.com"].groups == {"3", "7"}
    assert brevo.people["left@example.com"].status == "left list"
    # Who was taken off our list there is not put back.
    brevo.people["removed@example.com"].groups = set()
    brevo.people["removed@example.com"].changed = brevo.tick()
    result = (await here.sync(brevo.services(), NOW + DAY))["brevo"]
    assert result["processed"] == 0
    assert brevo.people["removed@example.com"].groups == set()


async def test_twenty_thousand_once_and_then_nothing(
    here: Newsletter, mailchimp: FakeMailchimp
) -> None:
    """`make bench` takes a hundred thousand."""
    await here.crowd(20_000)
    first = (await here.sync(mailchimp.services()))["mailchimp"]
    assert (first["created"], first["failed"]) == (20_000, 0)
    before = await here.versions()
    mailchimp.forget_calls()
    second = (await here.sync(mailchimp.services(), NOW + DAY))["mailchimp"]
    assert (second["processed"], mailchimp.writes()) == (0, [])
    assert await here.versions() == before


async def test_a_limiter_lets_so_many_through_in_any_window() -> None:
    limiter, clock = Limiter(2, 3, 0.2), asyncio.get_running_loop().time
    times: list[float] = []

    async def one() -> None:
        async with limiter.place():
            times.append(clock())

    await asyncio.gather(*(one() for _ in range(8)))
    assert all(b - a >= 0.19 for a, b in zip(times, times[3:], strict=False))
    limiter.allow(1000)
    begun = clock()
    await asyncio.gather(*(one() for _ in range(50)))
    assert clock() - begun < 0.2


async def test_the_check_proves_key_and_list(here: Newsletter, there: There) -> None:
    from jobs.newsletter.http import new_session
    from jobs.newsletter.provider import ProviderError
    from jobs.newsletter.providers import providers_on

    async with new_session() as session:
        (provider,) = providers_on(there.services, session)
        assert "key is valid" in await provider.check()
        there.server.faults = [Fault("GET", web.Response(status=404), times=9)]
        with pytest.raises(ProviderError, match=there.label):
            await provider.check()
    assert there.server.writes() == []


@pytest.mark.parametrize(
    ("email", "good"),
    [
        ("ann@example.com", True),
        ("ann+tag@sub.example.co", True),
        ("é@exämple.com", True),
        ("", False),
        ("ann", False),
        ("ann@", False),
        ("@example.com", False),
        ("a@b@c.com", False),
        ("ann @example.com", False),
        ("ann@example.com\nBcc: x@y.z", False),
        ("ann@example.com,bob@example.com", False),
        ("<ann@example.com>", False),
        ("a" * 65 + "@example.com", False),
        ("a@" + "x" * 260, False),
    ],
)
def test_what_is_worth_sending(email: str, good: bool) -> None:
    assert is_address(email) is good


def test_names_are_plain() -> None:
    assert plain(" A\r\n\tB\x00 ") == "A B"
    assert plain(None) == plain(5) == ""
    assert plain("x" * 200) == "x" * 100
