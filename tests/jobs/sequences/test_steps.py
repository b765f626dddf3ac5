"""Does everybody get every step once, in order, when it is due, and nobody more than that?"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from jobs.process_sequences import job
from scheduler.db.catalog import missing
from scheduler.services import Mail, Services
from tests.support.jobs import Product
from tests.support.sequences import (
    A_DAY,
    A_MINUTE,
    A_MOMENT,
    AN_HOUR,
    LONG_AGO,
    SEEN,
    Letters,
)

THREE: tuple[dict[str, object], ...] = (
    {},
    {"delay_value": 2, "delay_unit": "days"},
    {"delay_value": 1, "delay_unit": "weeks"},
)


async def test_a_message_says_all_that_its_sender_needs(letters: Letters) -> None:
    letters.services = Services(mail=Mail(sender="News <news@example.com>"))
    sequence = await letters.sequence("welcome", steps=())
    step = await letters.step(
        sequence, step_order=1, name="Hello", subject="Hi {{ first_name }}", content_text="Hello"
    )
    await letters.run()
    user = await letters.shop.user(subscription_tier="pro")
    reader = await letters.subscriber(
        "anna", SEEN + A_MOMENT, user_id=user, first_name="Anna", last_name="O'Neill\r\nBcc: x"
    )
    assert (await letters.later(AN_HOUR))["queued"] == 1
    assert "messages_wait" in letters.log.events()  # nothing in the schedule sends it
    (message,) = await letters.messages()
    (enrolment,) = await letters.enrolments()
    assert {
        "status": "scheduled",
        "priority": 0,
        "to_email": "anna@example.com",
        "to_name": "Anna O'Neill Bcc: x",
        "from_email": "news@example.com",
        "from_name": "News",
        "subject": "Hi {{ first_name }}",
        "html_body": "<p>Hello {{ first_name }}</p>",
        "text_body": "Hello",
        "template_data": {
            "email": "anna@example.com",
            "first_name": "Anna",
            "last_name": "O'Neill\r\nBcc: x",
            "name": "Anna",
            "subscription_tier": "pro",
            "sequence": "Welcome",
            "step": "Hello",
        },
        "user_id": user,
        "reference_type": "sequence_step",
        "reference_id": step,
        "scheduled_at": None,
        "created_at": letters.now,
        "attempts": 0,
        "tracking_data": {
            "subscriberId": str(reader),
            "sequenceId": str(sequence),
            "stepId": str(step),
            "enrollmentId": str(enrolment["id"]),
        },
        "enrollment_id": enrolment["id"],
        "step_id": step,
        "guarded_at": letters.now,
    }.items() <= message.items()


async def test_without_a_sender_and_names(letters: Letters) -> None:
    template = await letters.sql.add_template(letters.pool)
    await letters.sequence(
        "welcome", steps=({"subject": "", "content_html": None, "template_id": template},)
    )
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    await letters.later(AN_HOUR)
    (message,) = await letters.messages()
    assert (message["from_email"], message["from_name"]) == ("newsletter@localhost", None)
    assert message["to_name"] is None
    assert message["template_data"]["first_name"] == message["template_data"]["name"] == ""
    assert message["template_data"]["subscription_tier"] == "free"
    assert (message["subject"], message["html_body"]) == ("Of a template", "<p>Made</p>")


async def test_delays_count_from_the_step_before(letters: Letters) -> None:
    await letters.sequence("welcome", steps=THREE)
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    assert (await letters.later(AN_HOUR))["queued"] == 1
    assert (await letters.later(2 * A_DAY - A_MOMENT))["queued"] == 0
    # Half an hour late: what follows is late by that too.
    assert (await letters.later(A_MINUTE * 30))["queued"] == 1
    assert (await letters.later(7 * A_DAY - A_MOMENT))["queued"] == 0
    data = await letters.later(A_MOMENT)
    assert (data["queued"], data["completed"]) == (1, 1)
    (enrolment,) = await letters.enrolments()
    assert enrolment["status"] == "completed"
    assert enrolment["completed_at"] == letters.now
    assert enrolment["current_step"] == 3
    assert (await letters.later(30 * A_DAY))["processed"] == 0
    assert await letters.subjects() == ["Message 1", "Message 2", "Message 3"]
    totals = await letters.sql.totals(letters.pool, slug="welcome")
    assert tuple(totals) == (1, 1, 0)


async def test_run_twice_is_run_once(letters: Letters) -> None:
    await letters.sequence("welcome", steps=THREE)
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    await letters.later(AN_HOUR)
    before = await letters.fingerprint()
    data = await letters.run()
    assert {value for key, value in data.items() if key != "errorDetails"} == {0}
    assert await letters.fingerprint() == before


async def test_downtime_does_not_bring_everything_at_once(letters: Letters) -> None:
    await letters.sequence("welcome", steps=({}, {}, {}, {"delay_value": 3, "delay_unit": "days"}))
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    letters.now += 30 * A_DAY
    fires = [SEEN + 6 * AN_HOUR * n for n in range(1, 5)]
    # Four fires, caught up one after the other: one message between them.
    queued = [(await letters.run(scheduled_for=fire))["queued"] for fire in fires]
    assert queued == [1, 0, 0, 0]
    # Steps without a delay come with the next run each.
    assert (await letters.later(A_MINUTE))["queued"] == 1
    assert (await letters.later(A_MINUTE))["queued"] == 1
    assert (await letters.later(3 * A_DAY - A_MOMENT))["queued"] == 0
    assert (await letters.later(A_MOMENT))["queued"] == 1


async def test_an_attempt_after_another_is_the_same_run(letters: Letters) -> None:
    await letters.sequence("welcome", steps=({}, {}))
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    letters.now += AN_HOUR
    fire = letters.now
    assert (await letters.run(scheduled_for=fire))["queued"] == 1
    assert (await letters.later(A_MINUTE, scheduled_for=fire))["queued"] == 0
    assert (await letters.later(A_MINUTE))["queued"] == 1


async def test_steps_that_are_no_messages_follow_in_the_same_run(letters: Letters) -> None:
    await letters.sql.add_segment(letters.pool, slug="beta", is_dynamic=False)
    await letters.sequence(
        "welcome",
        steps=(
            {},
            {"action_type": "tag", "action_config": {"tag": "welcomed"}},
            {"action_type": "segment", "action_config": {"segment": "beta"}},
            {"action_type": "tag", "action_config": {"tag": "welcomed"}},
        ),
    )
    await letters.run()
    readers = [
        await letters.subscriber(name, SEEN + A_MOMENT, interests=interests)
        for name, interests in [
            ("anna", None),
            ("berta", ["news", None]),
            ("carla", ["welcomed"]),
        ]
    ]
    data = await letters.later(AN_HOUR)
    assert (data["processed"], data["queued"], data["completed"]) == (12, 3, 3)
    interests = [await letters.sql.interests(letters.pool, id=reader) for reader in readers]
    assert interests == [["welcomed"], ["news", None, "welcomed"], ["welcomed"]]
    members = [row["subscriber_id"] async for row in letters.sql.members(letters.pool)]
    assert members == sorted(readers)
    assert await letters.sql.segment_count(letters.pool, slug="beta") == 3


async def test_tags_of_two_sequences_at_once(letters: Letters) -> None:
    for tag in ("one", "two"):
        await letters.sequence(tag, steps=({"action_type": "tag", "action_config": {"tag": tag}},))
    await letters.run()
    reader = await letters.subscriber("anna", SEEN + A_MOMENT)
    await letters.later(AN_HOUR)
    assert await letters.sql.interests(letters.pool, id=reader) == ["one", "two"]


async def test_waiting_for_a_moment(letters: Letters) -> None:
    until = (SEEN + 5 * A_DAY).isoformat()
    await letters.sequence(
        "launch",
        steps=(
            {"action_type": "wait_until", "action_config": {"until": until}},
            {"delay_value": 1, "delay_unit": "hours"},
        ),
    )
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    await letters.later(AN_HOUR)
    (enrolment,) = await letters.enrolments()
    assert (enrolment["current_step"], enrolment["next_step_at"]) == (0, SEEN + 5 * A_DAY)
    letters.now = SEEN + 5 * A_DAY - A_MOMENT
    assert (await letters.run())["processed"] == 0
    data = await letters.later(A_MOMENT)
    assert (data["processed"], data["queued"]) == (1, 0)
    assert (await letters.later(AN_HOUR))["queued"] == 1
    # Who comes when it is over does not wait at all.
    await letters.subscriber("late", letters.now)
    assert (await letters.later(A_MINUTE))["processed"] == 1
    assert (await letters.later(AN_HOUR))["queued"] == 1


async def test_waiting_for_a_date_that_moves(letters: Letters) -> None:
    await letters.sequence(
        "trial",
        steps=(
            {"action_type": "wait_until", "action_config": {"field": "user.subscription_ends_at"}},
            {},
        ),
    )
    await letters.run()
    users = {
        name: await letters.shop.user(subscription_ends_at=at)
        for name, at in [
            ("null", None),
            ("past", LONG_AGO),
            ("future", SEEN + A_DAY),
            ("endless", datetime.max.replace(tzinfo=UTC)),
        ]
    }
    for name, user in users.items():
        await letters.subscriber(name, SEEN + A_MOMENT, user_id=user)
    await letters.subscriber("stranger", SEEN + A_MOMENT)
    # Without a date, or with one that is past, there is nothing to wait for.
    assert (await letters.later(AN_HOUR))["queued"] == 3
    await letters.sql.set_end(letters.pool, id=users["future"], at=SEEN + 3 * A_DAY)
    letters.now = SEEN + A_DAY
    assert (await letters.run())["queued"] == 0
    letters.now = SEEN + 3 * A_DAY
    assert (await letters.run())["queued"] == 1
    to = [row["to_email"].partition("@")[0] for row in await letters.messages()]
    assert to == ["null", "past", "stranger", "future"]
    assert (await letters.later(3000 * A_DAY))["queued"] == 0


@pytest.mark.parametrize("end", ["unsubscribed", "bounced", "complained", "cleaned", "suppressed"])
async def test_whoever_left_gets_no_more(letters: Letters, end: str) -> None:
    await letters.sequence("welcome", steps=THREE)
    await letters.run()
    reader = await letters.subscriber("Anna", SEEN + A_MOMENT)
    await letters.later(AN_HOUR)
    if end == "suppressed":
        await letters.suppress("anna@example.com")
    else:
        await letters.sql.set_subscriber(letters.pool, id=reader, status=end)
    data = await letters.later(A_MINUTE)
    assert (data["cancelled"], data["queued"]) == (1, 0)
    assert await letters.statuses() == ["cancelled"]
    data = await letters.later(30 * A_DAY)
    assert (data["cancelled"], data["queued"]) == (0, 0)
    assert tuple(await letters.sql.totals(letters.pool, slug="welcome")) == (1, 0, 0)


async def test_an_account_deleted_is_counted_no_more(letters: Letters) -> None:
    await letters.sequence("welcome", steps=THREE)
    await letters.run()
    reader = await letters.subscriber("anna", SEEN + A_MOMENT)
    await letters.later(AN_HOUR)
    await letters.sql.delete_subscriber(letters.pool, id=reader)
    assert (await letters.later(30 * A_DAY))["queued"] == 0
    assert tuple(await letters.sql.totals(letters.pool, slug="welcome")) == (0, 0, 0)


async def test_an_archived_sequence_ends_and_a_paused_one_waits(letters: Letters) -> None:
    for slug in ("archived", "paused", "draft"):
        await letters.sequence(slug, steps=THREE)
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    await letters.later(AN_HOUR)
    for slug in ("archived", "paused", "draft"):
        await letters.sql.set_status(letters.pool, slug=slug, status=slug)
    data = await letters.later(30 * A_DAY)
    assert (data["cancelled"], data["queued"]) == (1, 0)
    assert await letters.statuses() == ["cancelled", "active", "active"]
    await letters.sql.set_status(letters.pool, slug="paused", status="active")
    assert (await letters.later(A_DAY))["queued"] == 1


async def test_a_paused_enrolment_waits(letters: Letters) -> None:
    sequence = await letters.sequence("welcome")
    await letters.run()
    await letters.enrol(sequence, await letters.subscriber("anna"), status="paused")
    assert (await letters.later(AN_HOUR))["processed"] == 0


async def test_enrolments_of_the_product_without_time_or_status(letters: Letters) -> None:
    sequence = await letters.sequence("welcome", steps=({"delay_value": 2, "delay_unit": "hours"},))
    await letters.run()
    await letters.enrol(sequence, await letters.subscriber("anna"), next_step_at=None)
    await letters.enrol(sequence, await letters.subscriber("berta"), status=None)
    await letters.enrol(
        sequence, await letters.subscriber("old"), next_step_at=None, enrolled_at=LONG_AGO
    )
    await letters.enrol(
        sequence, await letters.subscriber("none"), next_step_at=None, enrolled_at=None
    )
    assert (await letters.later(A_MINUTE))["queued"] == 1  # berta, who has a time
    assert (await letters.later(2 * AN_HOUR))["queued"] == 1
    assert await letters.statuses() == ["completed", "completed", "active", "active"]


async def test_no_more_than_so_many_a_day(letters: Letters) -> None:
    letters.zone = ZoneInfo("America/New_York")
    for n in range(5):
        await letters.sequence(f"sequence-{n}")
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    data = await letters.later(A_MINUTE)
    assert (data["enrolled"], data["queued"], data["capped"]) == (5, 3, 2)
    assert (await letters.later(A_MINUTE))["queued"] == 0
    # The day is the one of the job's zone: 30 January began there at 05:00 UTC.
    midnight = datetime(2026, 1, 31, 5, tzinfo=UTC)
    letters.now = midnight - A_MOMENT
    assert (await letters.run())["queued"] == 0
    letters.now = midnight
    assert (await letters.run())["queued"] == 2
    assert len(set(await letters.subjects())) == 1
    assert {row["slug"] for row in await letters.enrolments() if row["status"] == "completed"} == {
        f"sequence-{n}" for n in range(5)
    }


async def test_the_cap_counts_earlier_runs_and_other_people_apart(letters: Letters) -> None:
    await letters.sequence("first")
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    await letters.subscriber("berta", SEEN + A_MOMENT)
    assert (await letters.later(A_MINUTE, max_per_day=1))["queued"] == 2
    second = await letters.sequence("second", steps=({"action_type": "email"},))
    await letters.run()
    for row in await letters.enrolments():
        await letters.enrol(second, row["subscriber_id"])
    data = await letters.later(A_MINUTE, max_per_day=1)
    assert (data["queued"], data["capped"]) == (0, 2)
    assert (await letters.later(A_DAY, max_per_day=1))["queued"] == 2


async def test_steps_changed_while_people_are_in_the_middle(letters: Letters) -> None:
    sequence = await letters.sequence("welcome", steps=())
    first = await letters.step(sequence, step_order=10)
    second = await letters.step(sequence, step_order=20, delay_value=1, delay_unit="hours")
    third = await letters.step(sequence, step_order=30, delay_value=1, delay_unit="hours")
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    await letters.later(A_MINUTE)
    # The next one is deleted: the one after it is next. A new one in between is next.
    await letters.sql.delete_step(letters.pool, id=second)
    await letters.step(sequence, step_order=15, subject="New")
    await letters.later(AN_HOUR)
    # What comes before is done with, and what was done is not done again where it is moved.
    await letters.step(sequence, step_order=5, subject="Too late")
    await letters.sql.set_order(letters.pool, id=first, step_order=25)
    await letters.later(AN_HOUR)
    await letters.later(AN_HOUR)
    assert await letters.subjects() == ["Message 10", "New", "Message 30"]
    # Nothing is left: that is the end.
    await letters.subscriber("berta", letters.now)
    await letters.later(A_MINUTE)
    for step in (first, third):
        await letters.sql.delete_step(letters.pool, id=step)
    await letters.sql.set_order(letters.pool, id=first, step_order=25)
    await letters.later(A_DAY)
    await letters.later(A_DAY)
    assert await letters.statuses() == ["completed", "completed"]


async def test_a_step_of_order_zero_is_the_first(letters: Letters) -> None:
    await letters.sequence("welcome", steps=({"step_order": 0}, {"step_order": 1}))
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    await letters.later(A_MINUTE)
    await letters.later(A_MINUTE)
    assert await letters.subjects() == ["Message 0", "Message 1"]


async def test_locked_people_are_met_next_time(letters: Letters) -> None:
    sequence = await letters.sequence("welcome")
    await letters.run()
    user = await letters.shop.user()
    enrolled = await letters.subscriber("anna")
    await letters.enrol(sequence, enrolled)
    new = await letters.subscriber("berta", SEEN + A_MOMENT)
    await letters.enrol(sequence, await letters.subscriber("carla", user_id=user))
    await letters.enrol(sequence, await letters.subscriber("dora"))
    letters.now += A_MINUTE
    async with letters.pool.acquire() as connection, connection.transaction():
        for reader in (enrolled, new):
            await letters.sql.lock_subscriber(connection, id=reader)
        await letters.sql.lock_user(connection, id=user)
        data = await letters.run()
        assert (data["enrolled"], data["queued"], data["errors"]) == (0, 1, 1)
        assert data["errorDetails"][0]["rows"] == 1
    data = await letters.run()
    assert (data["enrolled"], data["queued"], data["errors"]) == (1, 3, 0)


async def test_a_refused_person_does_not_stop_the_others(letters: Letters) -> None:
    await letters.sequence("welcome")
    await letters.sql.refuse_queue(letters.pool)
    await letters.run()
    for name in ("anna", "berta", "refused", "zoe"):
        await letters.subscriber(name, SEEN + A_MOMENT)
    data = await letters.later(A_MINUTE)
    assert (data["queued"], data["errors"]) == (3, 1)
    assert "under investigation" in data["errorDetails"][0]["message"]
    assert await letters.statuses() == ["completed", "completed", "active", "completed"]


def test_it_says_what_it_needs(shop_b: Product) -> None:
    lacking = missing(job.needs, shop_b.tables)
    assert any("newsletter_subscribers" in what for what in lacking)


async def test_it_needs_nothing_that_is_not_there(shop: Product) -> None:
    assert missing(job.needs, shop.tables) == []
