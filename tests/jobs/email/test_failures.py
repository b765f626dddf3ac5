"""Does a failure mean what it says: for a message, for an address, or for us?"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from jobs.email.delivery import Trouble
from jobs.email.smtp import Server, SmtpChannel
from tests.support.jobs import Log
from tests.support.mail import MailServer, Post, mail_server

TO = "ann@example.com"


@pytest.mark.parametrize("code", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"])
async def test_an_address_that_is_not_there_is_suppressed(
    wire: Post, server: MailServer, code: str
) -> None:
    server.answer(rcpt={TO: f"550 {code} no such user"})
    reader = await wire.reader(TO)
    message = await wire.step_message(reader, TO)
    data = await wire.run()
    assert (data["failed"], data["paused"]) == (1, False)
    row = await wire.row(message)
    assert (row["status"], row["attempts"], row["next_retry_at"]) == ("failed", 1, None)
    assert (row["bounced_at"], row["error"]) == (wire.now, f"550 {code} no such user")
    [suppression] = await wire.rows("suppressions")
    assert (suppression["email"], suppression["reason"], suppression["source"]) == (
        TO,
        "bounced",
        "smtp",
    )
    [log], [event] = await wire.rows("logs"), await wire.rows("events")
    assert (log["status"], log["bounce_type"], log["smtp_code"]) == ("bounced", "hard", 550)
    assert event["event_type"] == "bounced"
    status = await wire.shop.pool.fetchval("SELECT status FROM newsletter_subscribers")
    assert status == "bounced"
    server.answer()
    assert (await wire.run())["processed"] == 0


@pytest.mark.parametrize(
    "answers",
    [
        {"rcpt": {TO: "552 5.2.2 mailbox is full"}},
        {"rcpt": {TO: "550 no"}},
        {"rcpt": {TO: "550 5.1.100 no"}},
        {"data": {TO: "554 5.6.0 cannot read it"}},
        # Said of the message, whatever it says of the address.
        {"data": {TO: "550 5.1.1 no such user"}},
    ],
)
async def test_any_other_refusal_is_of_that_message_only(
    wire: Post, server: MailServer, answers: dict[str, Any]
) -> None:
    server.answer(**answers)
    message = await wire.message(TO)
    await wire.message("bob@example.com")
    data = await wire.run()
    assert (data["sent"], data["failed"], data["paused"]) == (1, 1, False)
    row = await wire.row(message)
    assert (row["status"], row["attempts"], row["next_retry_at"]) == ("failed", 1, None)
    assert data["errorDetails"] == [{"queueId": str(message), "message": row["error"]}]
    assert await wire.rows("suppressions") == []
    assert (await wire.run())["processed"] == 0


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
async def test_a_code_that_smtp_does_not_know_refuses_nothing(
    wire: Post, server: MailServer, stage: str
) -> None:
    server.answer(**{stage: {"*": "699 5.1.1 \\o/"}})
    message = await wire.message(TO)
    data = await wire.run()
    assert (data["failed"], data["deferred"], data["paused"]) == (0, 1, False)
    assert (await wire.row(message))["next_retry_at"] is not None
    assert await wire.rows("suppressions") == []
    server.answer()
    wire.now += timedelta(hours=1)
    assert (await wire.run())["sent"] == 1


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
async def test_not_now_backs_off_until_its_attempts_are_used_up(
    wire: Post, server: MailServer, stage: str
) -> None:
    server.answer(**{stage: {"*": "451 4.7.1 greylisted"}})
    message = await wire.message(TO)
    waits = []
    for attempts in (1, 2, 3):
        data = await wire.run()
        row = await wire.row(message)
        assert (row["status"], row["attempts"]) == ("failed", attempts)
        assert row["error_code"] == "451 4.7.1"
        assert (data["deferred"], data["failed"]) == ((1, 0) if attempts < 3 else (0, 1))
        if row["next_retry_at"]:
            waits.append(row["next_retry_at"] - wire.now)
            wire.now = row["next_retry_at"] - timedelta(microseconds=1)
            assert (await wire.run())["processed"] == 0
            wire.now = row["next_retry_at"]
    assert waits == [timedelta(minutes=5), timedelta(minutes=30)]
    server.answer()
    assert (await wire.run())["processed"] == 0
    assert await wire.rows("suppressions") == []


async def test_no_other_sender_takes_a_sequences_templates(wire: Post, server: MailServer) -> None:
    """Whatever has become of them so far: products send what is pending, or whose time has come."""
    await wire.crowd(4)

    async def others_would_take() -> int:
        taken: int = await wire.shop.pool.fetchval(
            "SELECT count(*) FROM email_queue WHERE status = 'pending'"
            " OR (status = 'scheduled' AND scheduled_at <= 'infinity')"
            " OR (status = 'failed' AND next_retry_at <= 'infinity')"
        )
        return taken

    assert await others_would_take() == 0
    server.answer(connect="554 no")
    assert (await wire.run())["paused"] is True
    assert await others_would_take() == 0
    server.answer(mail={"*": "550 5.1.8 no"})
    assert (await wire.run())["paused"] is True
    assert await others_would_take() == 0
    await wire.shop.pool.execute(
        "INSERT INTO lamplighter.sending (queue_id, run_id, attempt, claimed_at)"
        " SELECT id, gen_random_uuid(), 1, created_at FROM email_queue;"
        " UPDATE email_queue SET status = 'processing'"
    )
    server.answer(connect="554 no")
    assert (await wire.run())["paused"] is True  # and took back what a dead run had
    assert await wire.states() == {"scheduled": 4}
    assert await others_would_take() == 0
    server.answer(rcpt={"*": "451 4.7.1 greylisted"})
    assert (await wire.run())["deferred"] == 4
    assert await others_would_take() == 0
    assert {row["attempts"] for row in await wire.rows()} == {1}
    wire.now += timedelta(minutes=5)
    server.answer()
    assert (await wire.run())["sent"] == 4


@pytest.mark.parametrize(
    ("answer", "reached"), [("drop", 0), ("keep and drop", 1)], ids=["lost", "taken"]
)
async def test_a_lost_answer_is_unclear_and_the_message_keeps_its_id(
    wire: Post, server: MailServer, answer: str, reached: int
) -> None:
    server.answer(data={"*": answer})
    message = await wire.message(TO)
    assert (await wire.run())["deferred"] == 1
    row = await wire.row(message)
    assert row["error"] == "the connection was lost before the answer"
    assert row["error_code"] == "unclear"
    server.answer()
    wire.now = row["next_retry_at"]
    assert (await wire.run())["sent"] == 1
    assert [line["id"] for line in server.lines()] == [f"<{message}@example.com>"] * (reached + 1)


async def test_a_good_answer_before_the_message_is_none_to_it(wire: Post) -> None:
    """A server whose answers are one command behind has taken nothing."""

    async def behind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        while await reader.readline():
            writer.write(b"250 ok\r\n")
        writer.close()

    server = await asyncio.start_server(behind, "127.0.0.1", 0)
    wire.by_smtp(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    message = await wire.message(TO)
    try:
        data = await wire.run()
    finally:
        server.close()
    assert (data["sent"], data["deferred"]) == (0, 1)
    assert "out of step" in (await wire.row(message))["error"]


@pytest.mark.parametrize("stage", ["mail", "rcpt"])
async def test_a_connection_that_is_lost_early_is_a_try(
    wire: Post, server: MailServer, stage: str
) -> None:
    server.answer(**{stage: {"*": "drop"}})
    await wire.message(TO)
    data = await wire.run()
    assert (data["deferred"], data["paused"]) == (1, False)


async def test_a_kept_connection_that_was_closed_costs_nothing(
    wire: Post, server: MailServer
) -> None:
    server.answer(mail={"*": "drop if used"})
    await wire.crowd(5)
    data = await wire.run(connections=1)
    assert (data["sent"], data["deferred"]) == (5, 0)
    assert len(server.lines()) == 5


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"connect": "554 5.7.1 go away"}, "the mail server did not let us in (554 5.7.1)"),
        ({"connect": "421 4.3.2 later"}, "the mail server did not let us in (421 4.3.2)"),
        ({"mail": {"*": "550 5.1.8 secret"}}, "the mail server refused the sender (550 5.1.8)"),
        (
            {"rcpt": {"*": "550 5.7.1 relaying is denied to 10.0.0.7"}},
            "the mail server refuses what we send (550 5.7.1): its rules, or our name",
        ),
        (
            {"data": {"*": "554 5.7.1 spam"}},
            "the mail server refuses what we send (554 5.7.1): its rules, or our name",
        ),
    ],
)
async def test_trouble_of_ours_pauses_the_outbox_and_costs_no_attempt(
    wire: Post, server: MailServer, answers: dict[str, Any], reason: str
) -> None:
    server.answer(**answers)
    await wire.crowd(30)
    log = Log()
    data = await wire.run(log=log)
    assert (data["processed"], data["paused"]) == (0, True)
    assert await wire.conditions() == {"outbox": f"paused: {reason}"}
    assert "outbox_paused" in log.events()
    assert await wire.states() == {"scheduled": 30}
    assert {row["attempts"] for row in await wire.rows()} == {0}
    assert await wire.rows("suppressions") == []
    # Still so: one message at most is tried, alone.
    await wire.run()
    assert await wire.conditions() == {"outbox": f"paused: {reason}"}
    assert server.lines() == []
    server.answer()
    data = await wire.run()
    assert (data["sent"], data["paused"]) == (30, False)
    assert await wire.conditions() == {}


async def test_a_wrong_password_costs_nothing_and_mended_all_is_sent(
    wire: Post, server: MailServer
) -> None:
    server.answer(password="right")
    wire.by_smtp(f"smtp://user:wrong@127.0.0.1:{server.port}")
    await wire.crowd(1000)
    for _ in range(2):
        data = await wire.run(limit=1000)
        assert (data["processed"], data["paused"]) == (0, True)
    assert await wire.conditions() == {
        "outbox": "paused: the mail server refused the user name or password (535 5.7.8)"
    }
    assert await wire.states() == {"scheduled": 1000}
    assert {(row["attempts"], row["last_attempt_at"]) for row in await wire.rows()} == {(0, None)}
    assert await wire.rows("suppressions") == []
    wire.by_smtp(f"smtp://user:right@127.0.0.1:{server.port}")
    assert (await wire.run(limit=1000))["sent"] == 1000
    assert await wire.conditions() == {}
    assert len({line["id"] for line in server.lines()}) == 1000


async def test_a_pause_is_lifted_where_nothing_is_due(wire: Post, server: MailServer) -> None:
    server.answer(connect="554 no")
    message = await wire.message(TO)
    await wire.run()
    await wire.shop.pool.execute("DELETE FROM email_queue WHERE id = $1", message)
    await wire.run()
    assert "outbox" in await wire.conditions()
    server.answer()
    await wire.run()
    assert await wire.conditions() == {}


async def test_one_message_that_policy_refuses_keeps_nobody_waiting(
    wire: Post, server: MailServer
) -> None:
    server.answer(rcpt={TO: "550 5.7.1 not to him"})
    message = await wire.message(TO, priority=9)
    for n in range(20):
        await wire.message(f"{n}@example.com")
    first = await wire.run()
    second = await wire.run()
    assert (first["paused"], second["paused"]) == (True, True)
    assert first["sent"] + second["sent"] == 20
    row = await wire.row(message)
    assert (row["status"], row["attempts"], row["error_code"]) == ("pending", 0, "outbox")
    # It is not asked for ever.
    wire.now += timedelta(hours=25)
    await wire.shop.pool.execute("DELETE FROM email_queue WHERE status = 'sent'")
    data = await wire.run()
    assert (data["processed"], data["left"], data["paused"]) == (0, 1, False)


async def test_nobody_there(wire: Post) -> None:
    wire.by_smtp("smtp://127.0.0.1:1")
    await wire.message(TO)
    assert (await wire.run())["paused"]
    assert await wire.conditions() == {"outbox": "paused: the mail server cannot be reached"}


async def test_one_connection_is_enough(wire: Post, server: MailServer) -> None:
    """A server that takes no second connection is no trouble."""

    await wire.crowd(5)
    channel_open = SmtpChannel.open
    opened: list[SmtpChannel] = []

    async def one_only(self: SmtpChannel) -> None:
        if opened and self is not opened[0]:
            raise Trouble("the mail server did not let us in (421)")
        opened.append(self)
        await channel_open(self)

    log = Log()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SmtpChannel, "open", one_only)
        data = await wire.run(log=log)
    assert (data["sent"], data["paused"]) == (5, False)
    assert log.events().count("one_connection_less") == 3


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A certificate for localhost: authority, certificate, key."""
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    issued = ca.issue_cert("localhost", "127.0.0.1")
    paths = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
    ca.cert_pem.write_to_path(paths[0])
    issued.cert_chain_pems[0].write_to_path(paths[1])
    issued.private_key_pem.write_to_path(paths[2])
    return paths


@pytest.mark.parametrize("how", ["starttls", "implicit"])
async def test_messages_go_encrypted_where_they_can(
    post: Post, authority: tuple[Path, Path, Path], tmp_path: Path, how: str
) -> None:
    _, cert, key = authority
    async with mail_server(tmp_path, str(cert), str(key), how) as server:
        server.answer(password="right")
        scheme = "smtps" if how == "implicit" else "smtp"
        post.by_smtp(f"{scheme}://user:right@localhost:{server.port}")
        await post.crowd(3)
        assert (await post.run())["sent"] == 3
        assert [line["tls"] for line in server.lines()] == [True] * 3


@pytest.mark.parametrize("how", ["starttls", "implicit"])
async def test_certificates_of_others_are_verified(
    authority: tuple[Path, Path, Path],
    tmp_path: Path,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ca, cert, key = authority
    async with mail_server(tmp_path, str(cert), str(key), how) as server:
        channel = SmtpChannel(Server("localhost", server.port, how == "implicit", is_local=False))
        with pytest.raises(Trouble, match="certificate is not to be trusted"):
            await channel.open()
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        channel = SmtpChannel(Server("localhost", server.port, how == "implicit", is_local=False))
        await channel.open()
        await channel.close()


async def test_no_password_goes_in_the_clear(server: MailServer) -> None:
    server.answer(password="right")
    clear = Server("localhost", server.port, False, "user", SecretStr("right"))
    with pytest.raises(Trouble, match="offers no TLS, so it gets no password"):
        await SmtpChannel(clear).open()


def test_the_url_is_read() -> None:
    server = Server.read(SecretStr("smtps://us%40er:p%3Aw@mail.example.com"))
    assert (server.host, server.port, server.implicit_tls) == ("mail.example.com", 465, True)
    assert (server.user, server.password.get_secret_value()) == ("us@er", "p:w")
    assert not server.is_local
    assert "p:w" not in repr(server)
    assert Server.read(SecretStr("smtp://[::1]")) == Server("::1", 587, False, is_local=True)
    with pytest.raises(Trouble, match="port"):
        Server.read(SecretStr("smtp://host:99999"))
