"""Does every trigger enrol whom it should, from when the sequence was first seen active?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from scheduler.errors import PermanentError
from tests.support.jobs import NOW, Product
from tests.support.sequences import A_DAY, A_MOMENT, AN_HOUR, LONG_AGO, SEEN, Letters


async def test_nothing_to_do(letters: Letters) -> None:
    assert await letters.run() == {
        "enrolled": 0,
        "processed": 0,
        "queued": 0,
        "completed": 0,
        "failed": 0,
        "cancelled": 0,
        "capped": 0,
        "webhooksCalled": 0,
        "webhooksFailed": 0,
        "errors": 0,
        "errorDetails": [],
    }


async def test_a_signup_counts_from_when_the_sequence_was_seen(letters: Letters) -> None:
    await letters.sequence("welcome")
    await letters.subscriber("old")
    await letters.subscriber("just-before", SEEN)
    assert (await letters.run())["enrolled"] == 0
    await letters.subscriber("just-after", SEEN + A_MOMENT)
    await letters.subscriber("tomorrow", SEEN + A_DAY)
    await letters.subscriber("by-creation", None, created_at=SEEN + A_MOMENT)
    await letters.subscriber("imported", LONG_AGO, created_at=SEEN + A_MOMENT)
    await letters.subscriber("gone", SEEN + A_MOMENT, status="unsubscribed")
    await letters.subscriber("Suppressed", SEEN + A_MOMENT)
    await letters.suppress("suppressed@example.com")
    data = await letters.later(AN_HOUR)
    assert (data["enrolled"], data["queued"], data["completed"]) == (2, 2, 2)
    assert await letters.enrolled() == ["by-creation", "just-after"]
    assert (await letters.later(AN_HOUR))["enrolled"] == 0
    assert (await letters.later(A_DAY))["enrolled"] == 1
    assert await letters.enrolled() == ["by-creation", "just-after", "tomorrow"]


async def test_without_status_it_is_active_for_both(letters: Letters) -> None:
    await letters.sequence("welcome", status=None, config="null")
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT, status=None)
    # The JSON null is no object, so nobody knows what it filters; SQL's NULL is an empty one.
    assert (await letters.later(AN_HOUR))["enrolled"] == 0
    await letters.sql.set_trigger(letters.pool, slug="welcome", config=None)
    await letters.run()
    await letters.subscriber("berta", letters.now + A_MOMENT, status=None)
    assert (await letters.later(AN_HOUR))["enrolled"] == 1


@pytest.mark.parametrize("status", ["draft", "paused", "archived"])
async def test_only_active_sequences_enrol(letters: Letters, status: str) -> None:
    await letters.sequence("welcome", status=status)
    await letters.run()
    await letters.subscriber("anna", SEEN + A_MOMENT)
    assert (await letters.later(AN_HOUR))["enrolled"] == 0


async def test_a_sequence_without_steps_is_not_active_yet(letters: Letters) -> None:
    sequence = await letters.sequence("welcome", steps=())
    await letters.run()
    await letters.subscriber("too-early", SEEN + A_MOMENT)
    letters.now += AN_HOUR
    await letters.step(sequence, step_order=1)
    assert (await letters.run())["enrolled"] == 0
    await letters.subscriber("anna", letters.now + A_MOMENT)
    assert (await letters.later(AN_HOUR))["enrolled"] == 1
    assert await letters.enrolled() == ["anna"]


async def test_after_a_pause_it_begins_anew(letters: Letters) -> None:
    await letters.sequence("welcome")
    await letters.run()
    await letters.subscriber("before", SEEN + A_MOMENT)
    await letters.later(AN_HOUR)
    await letters.sql.set_status(letters.pool, slug="welcome", status="paused")
    await letters.later(AN_HOUR)
    await letters.subscriber("meanwhile", letters.now + A_MOMENT)
    await letters.later(AN_HOUR)
    await letters.sql.set_status(letters.pool, slug="welcome", status="active")
    await letters.later(AN_HOUR)
    await letters.subscriber("afterwards", letters.now + A_MOMENT)
    await letters.later(AN_HOUR)
    assert await letters.enrolled() == ["afterwards", "before"]


async def test_another_trigger_begins_anew(letters: Letters) -> None:
    await letters.sequence("upgrade", "event", {"event": "pricing_viewed"})
    await letters.run()
    user = await letters.shop.user()
    await letters.subscriber("anna", user_id=user)
    await letters.sql.add_event(
        letters.pool, event="login", user_id=user, at=letters.now + A_MOMENT
    )
    letters.now += AN_HOUR
    await letters.sql.set_trigger(letters.pool, slug="upgrade", config='{"event": "login"}')
    assert (await letters.run())["enrolled"] == 0
    await letters.sql.add_event(
        letters.pool, event="login", user_id=user, at=letters.now + A_MOMENT
    )
    assert (await letters.later(AN_HOUR))["enrolled"] == 1


async def test_an_event_counts_from_when_the_sequence_was_seen(letters: Letters) -> None:
    await events_count(letters)


async def test_an_event_of_the_other_variant_counts_alike(shop_events_b: Product) -> None:
    await events_count(Letters(shop_events_b))


async def events_count(letters: Letters) -> None:
    await letters.sequence("trial", "event", {"event": "trial_will_end"})
    users = {}
    for name, event, at in [
        ("before", "trial_will_end", SEEN),
        ("after", "trial_will_end", SEEN + A_MOMENT),
        ("other", "trial_started", SEEN + A_MOMENT),
        ("late", "trial_will_end", SEEN + AN_HOUR + A_MOMENT),
    ]:
        users[name] = await letters.shop.user()
        await letters.subscriber(name, user_id=users[name])
        await letters.sql.add_event(letters.pool, event=event, user_id=users[name], at=at)
    await letters.sql.add_event(
        letters.pool, event="trial_will_end", user_id=users["after"], at=SEEN + 2 * A_MOMENT
    )
    await letters.sql.add_event(
        letters.pool, event="trial_will_end", user_id=None, at=SEEN + A_MOMENT
    )
    await letters.run()
    assert (await letters.later(AN_HOUR))["enrolled"] == 1
    assert await letters.enrolled() == ["after"]
    assert (await letters.later(AN_HOUR))["enrolled"] == 1


async def test_what_is_written_down_late_still_counts(letters: Letters) -> None:
    await letters.sequence("trial", "event", {"event": "trial_will_end"})
    await letters.run()
    user = await letters.shop.user()
    await letters.subscriber("anna", user_id=user)
    await letters.later(5 * A_DAY)
    await letters.sql.add_event(
        letters.pool, event="trial_will_end", user_id=user, at=letters.now - 4 * A_DAY
    )
    assert (await letters.later(AN_HOUR))["enrolled"] == 1


async def test_a_join_counts_after_its_delay(letters: Letters) -> None:
    segment = await letters.sql.add_segment(letters.pool, slug="free-tier", is_dynamic=True)
    await letters.sequence("by-slug", "segment_joined", {"segment": "free-tier", "delay_days": 14})
    await letters.sequence("by-id", "segment_joined", {"segment_id": str(segment)})
    await letters.sequence("by-row", "segment_joined", {}, segment_id=segment)
    await letters.run()
    for name, at in [("before", SEEN), ("after", SEEN + A_MOMENT), ("left", SEEN + A_MOMENT)]:
        reader = await letters.subscriber(name)
        await letters.sql.add_join(letters.pool, segment=segment, subscriber=reader, at=at)
        await letters.sql.add_member(letters.pool, segment=segment, subscriber=reader, at=at)
    await letters.sql.leave_segment(letters.pool, subscriber=reader)
    # A member who never joined: of the segment's first computation.
    found = await letters.subscriber("found")
    await letters.sql.add_member(
        letters.pool, segment=segment, subscriber=found, at=SEEN + A_MOMENT
    )
    assert (await letters.later(AN_HOUR))["enrolled"] == 2
    assert await letters.enrolled() == ["after", "after"]
    letters.now = SEEN + 14 * A_DAY
    assert (await letters.run())["enrolled"] == 0
    assert (await letters.later(A_MOMENT))["enrolled"] == 1
    assert {row["slug"] for row in await letters.enrolments()} == {"by-slug", "by-id", "by-row"}


async def test_a_join_waits_out_its_delay_over_many_looks(letters: Letters) -> None:
    segment = await letters.sql.add_segment(letters.pool, slug="free-tier", is_dynamic=True)
    await letters.sequence("upgrade", "segment_joined", {"segment": "free-tier", "delay_days": 30})
    await letters.run()
    reader = await letters.subscriber("anna")
    at = SEEN + A_MOMENT
    await letters.sql.add_join(letters.pool, segment=segment, subscriber=reader, at=at)
    await letters.sql.add_member(letters.pool, segment=segment, subscriber=reader, at=at)
    for _ in range(10):
        assert (await letters.later(3 * A_DAY))["enrolled"] == 0
    assert (await letters.later(3 * A_DAY))["enrolled"] == 1


async def test_a_static_segment_is_joined_when_somebody_is_put_in(letters: Letters) -> None:
    segment = await letters.sql.add_segment(letters.pool, slug="beta", is_dynamic=False)
    await letters.sequence("beta", "segment_joined", {"segment": "beta"})
    for name, at in [("before", SEEN), ("after", SEEN + A_MOMENT)]:
        reader = await letters.subscriber(name)
        await letters.sql.add_member(letters.pool, segment=segment, subscriber=reader, at=at)
    await letters.run()
    assert (await letters.later(AN_HOUR))["enrolled"] == 1
    assert await letters.enrolled() == ["after"]


async def test_a_tag_counts_when_it_was_not_there_before(letters: Letters) -> None:
    await letters.subscriber("old", interests=["tips", None])
    berta = await letters.subscriber("berta", interests=["news"])
    await letters.sequence("tips", "tag_added", {"tag": "tips"})
    assert (await letters.run())["enrolled"] == 0
    await letters.sql.set_interests(letters.pool, id=berta, interests=["news", "tips"])
    await letters.subscriber("new", letters.now, interests=["tips"])
    assert (await letters.later(AN_HOUR))["enrolled"] == 2
    assert await letters.enrolled() == ["berta", "new"]
    assert (await letters.later(AN_HOUR))["enrolled"] == 0


async def test_a_tag_given_again_counts_for_a_sequence_that_came_later(letters: Letters) -> None:
    anna = await letters.subscriber("anna", interests=["tips"])
    await letters.sequence("first", "tag_added", {"tag": "tips"})
    await letters.run()
    await letters.sql.set_interests(letters.pool, id=anna, interests=[])
    await letters.later(AN_HOUR)
    await letters.sql.set_interests(letters.pool, id=anna, interests=["tips"])
    assert (await letters.later(AN_HOUR))["enrolled"] == 1
    # Seen with the tag before the second sequence was there.
    await letters.sequence("second", "tag_added", {"tag": "tips"})
    assert (await letters.later(AN_HOUR))["enrolled"] == 0


async def test_a_date_counts_from_its_offset(letters: Letters) -> None:
    await letters.sequence(
        "ending", "date_field", {"field": "user.subscription_ends_at", "offset_days": -3}
    )
    ends: dict[str, Any] = {
        "before": SEEN + 3 * A_DAY,
        "after": SEEN + 3 * A_DAY + A_MOMENT,
        "later": SEEN + 5 * A_DAY,
        "never": None,
    }
    for name, at in ends.items():
        user = await letters.shop.user(subscription_ends_at=at)
        await letters.subscriber(name, user_id=user)
    await letters.run()
    assert (await letters.later(AN_HOUR))["enrolled"] == 1
    assert await letters.enrolled() == ["after"]
    letters.now = SEEN + 2 * A_DAY - A_MOMENT
    assert (await letters.run())["enrolled"] == 0
    assert (await letters.later(A_MOMENT))["enrolled"] == 1


async def test_once_for_each_person_however_it_ended(letters: Letters) -> None:
    sequence = await letters.sequence("trial", "event", {"event": "trial_will_end"})
    await letters.run()
    for status in ("completed", "cancelled", "failed", "paused"):
        user = await letters.shop.user()
        reader = await letters.subscriber(status, user_id=user)
        await letters.enrol(sequence, reader, status=status)
        await letters.sql.add_event(
            letters.pool, event="trial_will_end", user_id=user, at=SEEN + A_MOMENT
        )
    data = await letters.later(AN_HOUR)
    assert (data["enrolled"], data["processed"]) == (0, 0)
    assert sorted(await letters.statuses()) == ["cancelled", "completed", "failed", "paused"]


async def test_by_hand(letters: Letters) -> None:
    await letters.sequence("course", "manual", steps=({"delay_value": 1, "delay_unit": "hours"},))
    await letters.subscriber("Anna")
    await letters.subscriber("gone", status="bounced")
    await letters.run()
    assert await letters.enroll("course", "ANNA@example.com") == {"enrolled": 1, "adopted": 0}
    assert (await letters.run())["queued"] == 0
    assert (await letters.later(AN_HOUR))["queued"] == 1
    for email, said in [
        ("Anna@example.com", "is enrolled in course already, and is completed there"),
        ("nobody@example.com", "there is no subscriber"),
        ("gone@example.com", "may not be written to"),
    ]:
        with pytest.raises(PermanentError, match=said):
            await letters.enroll("course", email)
    with pytest.raises(PermanentError, match="no active sequence 'nothing'"):
        await letters.enroll("nothing", "Anna@example.com")
    await letters.sql.set_status(letters.pool, slug="course", status="paused")
    with pytest.raises(PermanentError, match="no active sequence"):
        await letters.enroll("course", "Anna@example.com")


async def test_enrolments_of_the_product_from_before_are_left_alone(letters: Letters) -> None:
    sequence = await letters.sequence("welcome", steps=({}, {"delay_value": 1}))
    readers = [await letters.subscriber(name) for name in ("anna", "berta", "carla")]
    for reader in readers:
        await letters.enrol(
            sequence, reader, current_step=1, next_step_at=LONG_AGO, enrolled_at=LONG_AGO
        )
    before = await letters.enrolments()
    for _ in range(3):
        data = await letters.later(A_DAY)
        assert (data["processed"], data["queued"], data["cancelled"]) == (0, 0, 0)
    assert await letters.enrolments() == before
    # What the product enrols from now on goes on.
    await letters.enrol(sequence, await letters.subscriber("dora"))
    assert (await letters.later(AN_HOUR))["queued"] == 1
    # One of them by hand, from where she stood.
    assert await letters.enroll("welcome", "anna@example.com") == {"enrolled": 0, "adopted": 1}
    assert (await letters.run())["queued"] == 1
    with pytest.raises(PermanentError, match="already"):
        await letters.enroll("welcome", "anna@example.com")
    # And all of them.
    await letters.suppress("carla@example.com")
    assert await letters.count_existing("welcome") == {"enrolled": 0, "adopted": 1}
    data = dict(await letters.enroll_existing("welcome"))
    assert (data["enrolled"], data["adopted"]) == (0, 1)
    data = await letters.later(AN_HOUR)
    assert (data["queued"], data["cancelled"]) == (2, 1)  # and the second of dora
    assert sorted(await letters.subjects()) == ["Message 1", "Message 2", "Message 2", "Message 2"]


async def existing(letters: Letters) -> dict[str, UUID]:
    """People for whom each trigger happened long ago, and one for whom none did."""
    segment = await letters.sql.add_segment(letters.pool, slug="free-tier", is_dynamic=True)
    user = await letters.shop.user(subscription_ends_at=LONG_AGO)
    other = await letters.shop.user()
    anna = await letters.subscriber("anna", user_id=user, interests=["tips"])
    await letters.subscriber("berta", SEEN + A_DAY, user_id=other)
    await letters.subscriber("gone", user_id=user, interests=["tips"], status="complained")
    await letters.sql.add_member(letters.pool, segment=segment, subscriber=anna, at=LONG_AGO)
    await letters.sql.add_event(letters.pool, event="login", user_id=user, at=LONG_AGO)
    return {"anna": anna}


@pytest.mark.parametrize(
    ("trigger_type", "config"),
    [
        ("signup", {}),
        ("event", {"event": "login"}),
        ("segment_joined", {"segment": "free-tier", "delay_days": 3}),
        ("tag_added", {"tag": "tips"}),
        ("date_field", {"field": "user.subscription_ends_at", "offset_days": -3}),
    ],
)
async def test_existing_people_come_by_hand_only(
    letters: Letters, trigger_type: str, config: object
) -> None:
    await existing(letters)
    await letters.sequence("old", trigger_type, config)
    assert (await letters.run())["enrolled"] == 0
    assert (await letters.later(AN_HOUR))["enrolled"] == 0
    assert await letters.count_existing("old") == {"enrolled": 1, "adopted": 0}
    assert (await letters.enroll_existing("old"))["enrolled"] == 1
    assert (await letters.enroll_existing("old"))["enrolled"] == 0
    assert await letters.enrolled() == ["anna"]
    assert (await letters.run())["queued"] == 1


async def test_existing_people_of_a_manual_sequence_are_nobody(letters: Letters) -> None:
    await existing(letters)
    await letters.sequence("course", "manual")
    assert await letters.count_existing("course") == {"enrolled": 0, "adopted": 0}
    assert (await letters.enroll_existing("course"))["enrolled"] == 0


async def test_with_a_broken_trigger_nobody_comes_by_hand(letters: Letters) -> None:
    await letters.subscriber("anna")
    await letters.sequence("broken", "event", {"evnt": "login"})
    for ask in (letters.count_existing, letters.enroll_existing):
        with pytest.raises(PermanentError, match=r"broken: trigger_config\.e"):
            await ask("broken")


async def test_old_subscribers_get_nothing(letters: Letters) -> None:
    """A live product: many people, sequences of each kind, enrolments that wait since long."""
    await letters.sql.add_subscribers(letters.pool, count=20_000, at=LONG_AGO)
    await letters.sql.add_segment(letters.pool, slug="free-tier", is_dynamic=True)
    welcome = await letters.sequence("welcome")
    await letters.sequence("tags", "tag_added", {"tag": "news"})
    await letters.sequence("events", "event", {"event": "login"})
    await letters.sequence("dates", "date_field", {"field": "subscribed_at", "offset_days": 3})
    await letters.sequence("joins", "segment_joined", {"segment": "free-tier"})
    await letters.sql.add_old_enrolments(
        letters.pool, sequence=welcome, next_step_at=LONG_AGO, enrolled_at=LONG_AGO
    )
    for _ in range(4):
        data = await letters.later(AN_HOUR)
        assert {value for key, value in data.items() if key != "errorDetails"} == {0}
    assert await letters.messages() == []
    assert len(await letters.enrolments()) == 20_000
    assert timedelta(days=365) < NOW - LONG_AGO
