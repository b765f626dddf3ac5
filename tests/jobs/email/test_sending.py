"""Does what is due reach a mail server, once, as a message that people can read and leave?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.resources import files
from typing import Any
from uuid import UUID, uuid4

import pytest

from jobs.email.delivery import Channel, Delivery
from jobs.email.links import Reader
from jobs.email.message import NOBODY, Ready
from jobs.email.pace import Pace
from jobs.email.round import channels_of
from jobs.process_email_queue import job
from scheduler.job import Connection
from scheduler.services import Mail
from tests.support.jobs import Log, PlainDatabase, Product
from tests.support.mail import PUBLIC_URL, MailServer, Post

NOTHING = {
    "processed": 0,
    "sent": 0,
    "failed": 0,
    "suppressed": 0,
    "deferred": 0,
    "expired": 0,
    "left": 0,
    "paused": False,
    "errorDetails": [],
}
A_MOMENT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


async def test_nothing_to_do_asks_no_server(post: Post) -> None:
    post.by_smtp("smtp://127.0.0.1:1")
    assert await post.run() == NOTHING


async def test_a_step_of_a_sequence_is_rendered_and_sent(wire: Post, server: MailServer) -> None:
    reader = await wire.reader("ann@example.com")
    message = await wire.step_message(reader, "ann@example.com", to_name="Ann Lee")
    assert await wire.run() == {**NOTHING, "processed": 1, "sent": 1}
    [line], [mail] = server.lines(), server.messages()
    assert (line["from"], line["to"]) == ("news@example.com", ["ann@example.com"])
    assert mail["Subject"] == "Hello Ann"
    assert mail["To"] == "Ann Lee <ann@example.com>"
    assert mail["Message-ID"] == f"<{message}@example.com>"
    row = await wire.row(message)
    link = mail["List-Unsubscribe"].strip("<>")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link.startswith(f"{PUBLIC_URL}/unsubscribe/")
    sequence = (await wire.rows("events"))[0]["sequence_id"]
    assert (await wire.links()).read(link.rpartition("/")[2]) == Reader(reader, sequence)
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    assert f'href="{link}"' in html.get_content()
    assert text.get_content().startswith("Hello Ann\n")
    assert f"Unsubscribe: {link}" in text.get_content()
    assert (row["status"], row["message_id"], row["attempts"], row["sent_at"]) == (
        "sent",
        mail["Message-ID"],
        1,
        wire.now,
    )
    [log] = await wire.rows("logs")
    assert (log["queue_id"], log["status"], log["subject"], log["smtp_code"]) == (
        message,
        "sent",
        "Hello Ann",
        250,
    )
    [event] = await wire.rows("events")
    assert (event["event_type"], event["subscriber_id"], event["email"]) == (
        "sent",
        reader,
        "ann@example.com",
    )
    assert event["step_id"] is not None
    sent = await wire.shop.pool.fetchval("SELECT sum(emails_sent) FROM newsletter_sequence_steps")
    assert sent == 1
    assert await wire.run() == NOTHING
    assert len(server.lines()) == 1


async def test_a_row_of_the_products_own_goes_as_it_is(wire: Post, server: MailServer) -> None:
    message = await wire.message(
        subject="50% {{ off }}",
        html_body="<p>{{ raw }}</p>",
        text_body="as {{ it }} is",
        from_name='The "Shop"',
        attachments=[
            {"filename": "a.txt", "content": "aGk=", "encoding": "base64"},
            {"filename": "b\r\nX: 1.csv", "content": "a,b", "contentType": "text/csv"},
        ],
    )
    assert (await wire.run())["sent"] == 1
    [mail] = server.messages()
    assert mail["Subject"] == "50% {{ off }}"
    assert mail["From"] == '"The \\"Shop\\"" <shop@example.com>'
    assert mail["List-Unsubscribe"] is None
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content() == "as {{ it }} is\n"
    attached = [(part.get_filename(), part.get_content()) for part in mail.iter_attachments()]
    assert attached == [("a.txt", b"hi"), ("b X: 1.csv", "a,b")]
    assert await wire.rows("events") == []
    assert (await wire.row(message))["status"] == "sent"


UNCOMPOSABLE: list[dict[str, Any]] = [
    {"subject": "{{ 1e400|int }}"},
    {"html_body": "{{ ''.__class__ }}"},
    {"html_body": "{{ x" + "\u2028" * 5000},
    {"subject": "<%- include('x') %>"},
    {"to_email": "nobody"},
    {"to_email": "=?utf-8?q?a=0d?=@example.com"},
    {"from_email": ""},
    {"cc_emails": ["a@example.com"] * 200},
    {"attachments": {"a": 1}},
    {"attachments": [{"content": "!", "encoding": "base64"}]},
]


async def test_one_message_that_cannot_be_made_stops_no_other(
    wire: Post, server: MailServer
) -> None:
    ann = await wire.reader("ann@example.com")
    odd = []
    for n, columns in enumerate(UNCOMPOSABLE):
        values = {"to_email": "ann@example.com", "priority": 99 - n, **columns}
        odd.append(await wire.step_message(ann, values.pop("to_email"), **values))
        await wire.message(f"reader-{n}@example.com")
    data = await wire.run()
    assert (data["sent"], data["failed"]) == (len(UNCOMPOSABLE), len(UNCOMPOSABLE))
    assert len(server.messages()) == len(UNCOMPOSABLE)
    for message in odd:
        row = await wire.row(message)
        assert (row["status"], row["error_code"], row["attempts"]) == ("failed", "message", 1)
        assert 10 < len(row["error"]) <= 500
    assert "number is too large" in (await wire.row(odd[0]))["error"]


async def test_numbers_of_any_size_stop_nothing(wire: Post, server: MailServer) -> None:
    great, small = 2**31 - 1, -(2**31)
    for n, (attempts, most, priority) in enumerate(
        [(great, 3, great), (small, great, small), (None, None, None), (great, great, 0), (0, 0, 0)]
    ):
        columns = {"attempts": attempts, "max_attempts": most, "priority": priority}
        await wire.message(f"{n}@good.example", **columns)
        await wire.message(f"{n}@bad.example", **columns)
    refused = dict.fromkeys((f"{n}@bad.example" for n in range(5)), "450 4.2.1 later")
    server.answer(rcpt=refused)
    data = await wire.run()
    assert (data["sent"], data["failed"] + data["deferred"]) == (5, 5)


class OddChannel:
    """A way out that breaks, as nobody foresaw, for one address."""

    def __init__(self, inner: Channel) -> None:
        self._inner = inner
        self.open, self.close = inner.open, inner.close

    async def deliver(self, ready: Ready) -> Delivery:
        if ready.to == "reader-7@example.com":
            raise ZeroDivisionError("nobody foresaw this")
        return await self._inner.deliver(ready)


def odd_channels(mail: Mail, connections: int) -> Sequence[Channel]:
    return [OddChannel(channel) for channel in channels_of(mail, connections)]


async def test_what_nobody_foresaw_in_one_message_keeps_nobody_waiting(
    wire: Post, server: MailServer
) -> None:
    for n in range(20):
        await wire.message(f"reader-{n}@example.com")
    wire.make_channels = odd_channels
    log = Log()
    assert (await wire.run(log=log))["paused"] is True
    assert "ZeroDivisionError" in str(log.lines)
    assert set(await wire.states()) == {"pending", "sent"}
    assert "the run's log says what" in (await wire.conditions())["outbox"]
    await wire.run()
    assert await wire.states() == {"pending": 1, "sent": 19}
    wire.make_channels = channels_of
    assert (await wire.run())["paused"] is False
    assert await wire.states() == {"sent": 20}
    assert len(server.messages()) == 20
    assert await wire.conditions() == {}


class OddDatabase(PlainDatabase):
    """Breaks once, as nobody foresaw."""

    def __init__(self, shop: Product, after: int) -> None:
        super().__init__(shop.pool, None)
        self._left = after

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        self._left -= 1
        if self._left == 0:
            raise ZeroDivisionError("nobody foresaw this")
        async with super().transaction() as connection:
            yield connection


async def test_a_run_that_breaks_gives_the_rest_back_at_once(wire: Post) -> None:
    for n in range(20):
        await wire.message(f"reader-{n}@example.com")
    with pytest.raises(ZeroDivisionError):
        await wire.run(database=OddDatabase(wire.shop, 20))
    states = await wire.states()
    assert set(states) == {"pending", "sent"}


async def test_the_order_is_priority_then_time(wire: Post, server: MailServer) -> None:
    for to, priority, minutes in [("c", 0, 5), ("b", 0, 9), ("d", None, 1), ("a", 7, 0)]:
        at = wire.now - timedelta(minutes=minutes)
        await wire.message(f"{to}@example.com", priority=priority, created_at=at)
    assert (await wire.run(connections=1, limit=3))["processed"] == 3
    assert [line["to"][0][0] for line in server.lines()] == ["a", "b", "c"]
    assert (await wire.run(connections=1, limit=3))["processed"] == 1


async def test_what_is_due_and_what_is_not(wire: Post, server: MailServer) -> None:
    due = [
        await wire.message("due@a.example", scheduled_at=wire.now, status="scheduled"),
        await wire.message("due@b.example", created_at=None, priority=None, attempts=None),
        await wire.message("due@c.example", status="failed", attempts=1, next_retry_at=wire.now),
        await wire.message("due@d.example", scheduled_at=wire.now - HOUR),
    ]
    soon = wire.now + A_MOMENT
    not_due = [
        await wire.message("no@a.example", scheduled_at=soon, status="scheduled"),
        await wire.message("no@b.example", scheduled_at=soon),
        await wire.message("no@c.example", status="failed", attempts=1, next_retry_at=soon),
        await wire.message("no@d.example", status="failed", attempts=3, next_retry_at=wire.now),
        await wire.message("no@e.example", status="failed", attempts=1),
        await wire.message("no@f.example", status="scheduled"),
        await wire.message("no@g.example", status="processing"),
        await wire.message("no@h.example", status="cancelled"),
        await wire.message("no@i.example", status="sent"),
    ]
    before = [await wire.row(message) for message in not_due]
    assert (await wire.run())["sent"] == len(due)
    assert {line["to"][0].partition("@")[0] for line in server.lines()} == {"due"}
    assert [await wire.row(message) for message in not_due] == before


async def test_the_first_contact_writes_to_nobody(wire: Post, server: MailServer) -> None:
    came = wire.now - HOUR
    await wire.shop.pool.execute("UPDATE lamplighter.watermarks SET at = $1", came)
    old = await wire.message("old@example.com", created_at=came - A_MOMENT)
    await wire.message("new@example.com", created_at=came)
    data = await wire.run()
    assert (data["sent"], data["left"]) == (1, 1)
    assert [line["to"] for line in server.lines()] == [["new@example.com"]]
    row = await wire.row(old)
    assert (row["status"], row["error"]) == ("pending", None)
    assert (await wire.run(send_backlog=True))["sent"] == 1


async def test_what_is_too_late_is_not_sent(wire: Post, server: MailServer) -> None:
    reader = await wire.reader("ann@example.com")
    late = wire.now - 24 * HOUR - A_MOMENT
    ours = await wire.step_message(reader, "ann@example.com", created_at=late)
    theirs = await wire.message(created_at=late)
    await wire.step_message(reader, "ann@example.com", created_at=late + A_MOMENT)
    log = Log()
    data = await wire.run(log=log)
    assert (data["sent"], data["expired"], data["left"]) == (1, 1, 1)
    assert {"messages_expired", "messages_left_alone"} <= set(log.events())
    row = await wire.row(ours)
    assert (row["status"], row["error"]) == ("cancelled", "was due more than 24 h ago")
    assert (await wire.row(theirs))["status"] == "pending"
    data = await wire.run()
    assert (data["sent"], data["expired"], data["left"]) == (0, 0, 1)
    assert (await wire.run(max_age_hours=25))["sent"] == 1


async def test_nobody_who_left_is_written_to(wire: Post, server: MailServer) -> None:
    for email, reason in [("gone@example.com", "unsubscribed"), ("dead@example.com", "bounced")]:
        await wire.shop.pool.execute(
            "INSERT INTO lamplighter.suppressions VALUES ($1, $2, 'link', null, $3)",
            email,
            reason,
            wire.now,
        )
    template = await wire.shop.pool.fetchval(
        "INSERT INTO email_templates (slug, name, subject, html_template) "
        "VALUES ('reset', 'Reset', 's', 'h') RETURNING id"
    )
    await wire.message("Gone@Example.com")
    await wire.message("gone@example.com", template_id=template)
    await wire.message("dead@example.com", template_id=template)
    left = await wire.reader("left@example.com", status="unsubscribed")
    await wire.step_message(left, "left@example.com")
    deleted = await wire.reader("deleted@example.com")
    await wire.step_message(deleted, "deleted@example.com")
    await wire.shop.pool.execute("DELETE FROM newsletter_subscribers WHERE id = $1", deleted)
    data = await wire.run()
    # Who left the newsletter still gets what belongs to the account.
    assert (data["sent"], data["suppressed"]) == (1, 4)
    assert [line["to"] for line in server.lines()] == [["gone@example.com"]]
    assert await wire.states() == {"sent": 1, "cancelled": 4}
    assert await wire.run() == NOTHING


async def test_what_a_sequence_has_queued_waits_and_ends_with_it(
    wire: Post, server: MailServer
) -> None:
    paused, _ = await wire.crowd(3)
    archived, _ = await wire.crowd(2)
    deleted, _ = await wire.crowd(2)
    draft, _ = await wire.crowd(2)
    await wire.message("own@example.com")
    change = "UPDATE newsletter_sequences SET status = $2 WHERE id = $1"
    await wire.shop.pool.execute(change, paused, "paused")
    await wire.shop.pool.execute(change, draft, "draft")
    await wire.shop.pool.execute(change, archived, "archived")
    await wire.shop.pool.execute("DELETE FROM newsletter_sequences WHERE id = $1", deleted)
    data = await wire.run()
    assert (data["sent"], data["suppressed"]) == (1, 4)
    assert await wire.states() == {"sent": 1, "cancelled": 4, "scheduled": 5}
    ended = {row["error"] for row in await wire.rows() if row["status"] == "cancelled"}
    assert ended == {"its sequence is archived, or gone"}
    await wire.shop.pool.execute(change, paused, "active")
    await wire.shop.pool.execute(change, draft, None)  # which counts as active
    assert (await wire.run())["sent"] == 5


async def test_copies_go_to_whom_one_may_write(wire: Post, server: MailServer) -> None:
    await wire.shop.pool.execute(
        "INSERT INTO lamplighter.suppressions VALUES ($1, 'bounced', 'smtp', null, $2)",
        "gone@example.com",
        wire.now,
    )
    server.answer(rcpt={"nobody@example.com": "550 5.1.1 who", "full@example.com": "452 4.2.2 no"})
    await wire.message(
        cc_emails=["cc@example.com", "Gone@example.com", "nobody@example.com"],
        bcc_emails=["bcc@example.com", "full@example.com"],
    )
    assert (await wire.run())["sent"] == 1
    [line], [mail] = server.lines(), server.messages()
    assert line["to"] == ["ann@example.com", "cc@example.com", "bcc@example.com"]
    assert mail["Cc"] == "cc@example.com, nobody@example.com"
    assert mail["Bcc"] is None
    assert [(log["to_email"], log["status"]) for log in await wire.rows("logs")] == [
        ("ann@example.com", "sent"),
        ("full@example.com", "failed"),
        ("nobody@example.com", "bounced"),
    ]
    suppressed = {row["email"] for row in await wire.rows("suppressions")}
    assert suppressed == {"gone@example.com", "nobody@example.com"}


async def test_without_settings_sequences_wait_and_the_rest_goes(
    wire: Post, server: MailServer
) -> None:
    wire.by_smtp(server.url, public_url=None, sender=None)
    reader = await wire.reader("ann@example.com")
    message = await wire.step_message(reader, "ann@example.com", from_email=NOBODY)
    await wire.message("bob@example.com")
    assert (await wire.run())["sent"] == 1
    assert await wire.conditions() == {
        "sequence-messages": "wait to be sent until PUBLIC_URL is set and MAIL_FROM is set"
    }
    assert (await wire.row(message))["status"] == "scheduled"
    wire.by_smtp(server.url)
    assert (await wire.run())["sent"] == 1
    assert await wire.conditions() == {}
    assert server.messages()[-1]["From"] == "News <news@example.com>"


async def test_a_domains_limit_holds_up_nobody_else(wire: Post, server: MailServer) -> None:
    for n in range(12):
        await wire.message(f"{n}@example.com", priority=1)
    await wire.message("x@elsewhere.example")
    data = await wire.run(per_domain=0.1, max_seconds=3)
    domains = [line["to"][0].partition("@")[2] for line in server.lines()]
    assert sorted(domains) == ["elsewhere.example", "example.com"]
    assert data["processed"] == 2
    # What time was over for is as it was.
    assert await wire.states() == {"sent": 2, "pending": 11}


def test_the_pace_is_even_and_bounded() -> None:
    pace, now, went = Pace(per_second=10, per_domain=2), 1000.0, []
    while now < 1010:
        for domain in ("a", "b"):
            if pace.wait(domain, now) <= 0:
                pace.went(domain, now)
                went.append((now, domain))
        now += 0.003
    assert len(went) == pytest.approx(40, abs=2)
    assert sum(domain == "a" for _, domain in went) == pytest.approx(20, abs=1)
    pace = Pace(per_second=10, per_domain=1000)
    for n in range(30):
        wait = pace.wait(str(n % 3), now)
        now += wait
        pace.went(str(n % 3), now)
    assert now == pytest.approx(1010 + 2.9, abs=0.1)


async def test_several_runs_at_once_send_each_message_once(wire: Post, server: MailServer) -> None:
    await wire.crowd(60)
    runs = [await run_of(wire, "running") for _ in range(3)]
    data = await asyncio.gather(*(wire.run(run_id=run, attempt=2, limit=40) for run in runs))
    assert sum(each["sent"] for each in data) == 60
    assert len({line["id"] for line in server.lines()}) == len(server.lines()) == 60


async def run_of(post: Post, status: str) -> UUID:
    """A run of the record."""
    run = uuid4()
    await post.shop.pool.execute(
        "INSERT INTO lamplighter.runs (id, job, job_type, trigger, status, scheduled_for,"
        " overlap_key, params, created_at, max_attempts, attempt) VALUES"
        " ($1, $2, 'process-email-queue', 'http', $3, $4, $2, '{}', $4, 3, 2)",
        run,
        str(run),
        status,
        post.now,
    )
    return run


async def test_only_what_a_dead_run_left_is_taken_again(wire: Post, server: MailServer) -> None:
    running, ended = await run_of(wire, "running"), await run_of(wire, "abandoned")
    states = {
        "alive@example.com": (running, 2),
        "earlier@example.com": (running, 1),
        "ended@example.com": (ended, 2),
        "forgotten@example.com": (uuid4(), 1),
    }
    for to, (run, attempt) in states.items():
        message = await wire.message(to, status="processing")
        await wire.shop.pool.execute(
            "INSERT INTO lamplighter.sending VALUES ($1, $2, $3, $4)",
            message,
            run,
            attempt,
            wire.now,
        )
    await wire.message("theirs@example.com", status="processing")
    assert (await wire.run())["sent"] == 3
    assert {line["to"][0] for line in server.lines()} == states.keys() - {"alive@example.com"}
    assert await wire.states() == {"sent": 3, "processing": 2}


async def test_a_stopped_run_ends_what_is_on_its_way(wire: Post, server: MailServer) -> None:
    await wire.crowd(300)
    run = asyncio.create_task(wire.run(limit=300))
    while not server.lines():
        await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    sent = (await wire.states())["sent"]
    # What the server has is written down, but for what took longer than a run has to end.
    assert 0 <= len(server.lines()) - sent <= 4
    assert sent < 300
    assert (await wire.run(limit=300))["sent"] == 300 - sent
    assert len({line["id"] for line in server.lines()}) == 300


async def test_the_products_own_rules_make_no_second_message(
    wire: Post, server: MailServer
) -> None:
    """A trigger that refuses events, after the server has taken the message."""
    await wire.shop.pool.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no events today'; END $$;"
        "CREATE TRIGGER no BEFORE INSERT ON email_events FOR EACH ROW EXECUTE FUNCTION no()"
    )
    await wire.crowd(3)
    log = Log()
    assert (await wire.run(log=log))["sent"] == 3
    assert await wire.states() == {"sent": 3}
    assert log.events().count("message_not_logged") == 3
    assert (await wire.run())["processed"] == 0
    assert len(server.lines()) == 3


async def test_a_database_that_was_away_for_a_moment_makes_no_second_message(
    wire: Post, server: MailServer
) -> None:
    """Its connections are cut just when the server has answered."""

    class Cut(PlainDatabase):
        left = 3

        @asynccontextmanager
        async def transaction(self) -> AsyncIterator[Connection]:
            if server.lines() and self.left:
                self.left -= 1
                raise ConnectionResetError
            async with super().transaction() as connection:
                yield connection

    await wire.crowd(1)
    log = Log()
    data = await wire.run(log=log, database=Cut(wire.shop.pool, None), connections=1)
    assert data["sent"] == 1
    assert log.events().count("written_down_later") == 3
    assert (len(server.lines()), len(await wire.rows("logs"))) == (1, 1)


async def test_the_products_tables_as_they_are_in_the_wild(wire: Post, server: MailServer) -> None:
    await wire.shop.pool.execute(files("scheduler.db.product").joinpath("wild.sql").read_text())
    await wire.crowd(20)
    await wire.message()
    assert (await wire.run())["sent"] == 21
    assert len(server.lines()) == len(await wire.rows("logs")) == 21


async def test_a_product_without_newsletters_has_a_queue(
    shop_b: Product, server: MailServer
) -> None:
    post = Post(shop_b, Mail())
    post.by_smtp(server.url)
    await shop_b.pool.execute("UPDATE lamplighter.watermarks SET at = $1", post.now)
    message = await post.message(created_at=None)
    assert (await post.run())["sent"] == 1
    assert (await post.row(message))["status"] == "sent"
    assert len(await post.rows("logs")) == 1


def test_parameters_are_bounded() -> None:
    for wrong in ({"limit": 0}, {"limit": 1001}, {"max_age_hours": 0}, {"per_second": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            job.params.model_validate(wrong)
