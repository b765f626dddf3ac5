"""How does a test queue messages, let them be sent to a real server, and see what arrived?"""

from __future__ import annotations

import asyncio
import email
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pydantic import SecretStr

from jobs import process_email_queue
from jobs.email.links import Links, open_links
from jobs.email.round import MakeChannels, channels_of
from jobs.process_email_queue import ProcessEmailQueue
from scheduler.job import Done, Job, JobContext, JobDatabase
from scheduler.services import Mail, Services
from scheduler.sql import load_sql
from tests.support.jobs import NOW, UTC_ZONE, Log, PlainDatabase, Product

sql = load_sql(__file__)

SERVER = Path(__file__).with_name("smtp_server.py")
PUBLIC_URL = "https://app.example.com"
FAST: Mapping[str, object] = {"per_second": 10_000, "per_domain": 10_000}


class MailServer:
    """The process of `smtp_server.py`."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def answer(self, **answers: object) -> None:
        """How it answers from now on."""
        path = self._folder / "answers.json"
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(answers), encoding="utf-8")
        unfinished.replace(path)

    def lines(self) -> list[dict[str, Any]]:
        path = self._folder / "received.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def messages(self) -> list[EmailMessage]:
        return [parsed(line["data"].encode("latin-1")) for line in self.lines()]

    def forget(self) -> None:
        (self._folder / "received.jsonl").unlink(missing_ok=True)


def parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data.replace(b"\r\n", b"\n"), policy=default)
    assert isinstance(message, EmailMessage)
    return message


@asynccontextmanager
async def mail_server(folder: Path, *options: str) -> AsyncIterator[MailServer]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", str(SERVER), str(folder), *options, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        yield MailServer(folder, int(line))
    finally:
        process.kill()
        await process.wait()


@dataclass
class Post:
    """The product and its queue, and what a run is given to send with."""

    shop: Product
    mail: Mail
    now: datetime = NOW
    make_channels: MakeChannels = channels_of

    @property
    def services(self) -> Services:
        return Services(mail=self.mail)

    def by_smtp(self, url: str, **values: Any) -> None:
        values = {"public_url": PUBLIC_URL, "sender": "News <news@example.com>", **values}
        self.mail = replace(self.mail, smtp_url=SecretStr(url), **values)

    async def reader(self, email: str, first_name: str = "Ann", status: str = "active") -> UUID:
        reader: UUID = await sql.add_subscriber(
            self.shop.pool, email=email, first_name=first_name, status=status
        )
        return reader

    async def sequence(self) -> tuple[UUID, UUID]:
        """A sequence, and a step of it."""
        sequence = await sql.add_sequence(self.shop.pool)
        return sequence, await sql.add_step(self.shop.pool, sequence_id=sequence)

    async def crowd(self, readers: int) -> tuple[UUID, UUID]:
        """One message of a sequence for each of so many readers."""
        sequence, step = await self.sequence()
        await sql.add_crowd(
            self.shop.pool, readers=readers, sequence_id=sequence, step_id=step, now=self.now
        )
        return sequence, step

    async def message(self, to: str = "ann@example.com", **columns: Any) -> UUID:
        """A row of the product's own."""
        values = {
            "id": None,
            "status": "pending",
            "priority": 0,
            "to_email": to,
            "to_name": None,
            "cc_emails": None,
            "bcc_emails": None,
            "from_email": "shop@example.com",
            "from_name": None,
            "subject": "Your order",
            "html_body": "<p>It is on its way.</p>",
            "text_body": None,
            "template_id": None,
            "template_data": None,
            "attachments": [],
            "scheduled_at": None,
            "attempts": 0,
            "max_attempts": 3,
            "next_retry_at": None,
            "created_at": self.now,
            "reference_type": None,
            "tracking_data": {},
            **columns,
        }
        message: UUID = await sql.add_message(self.shop.pool, **values)
        return message

    async def step_message(self, reader: UUID, to: str, **columns: Any) -> UUID:
        """A row as a sequence's step queues it, with its guard."""
        sequence, step = await self.sequence()
        enrollment = await sql.add_enrollment(
            self.shop.pool, sequence_id=sequence, subscriber_id=reader, now=self.now
        )
        tracking = {
            "subscriberId": str(reader),
            "sequenceId": str(sequence),
            "stepId": str(step),
            "enrollmentId": str(enrollment),
        }
        values = {
            "subject": "Hello {{ first_name }}",
            "html_body": "<p>Hello {{ first_name }}</p>",
            "template_data": {"first_name": "Ann", "email": to},
            "from_email": "news@example.com",
            "status": "scheduled",
            "reference_type": "sequence_step",
            "tracking_data": tracking,
            **columns,
        }
        message = await self.message(to, **values)
        await sql.guard(
            self.shop.pool,
            queue_id=message,
            enrollment_id=enrollment,
            step_id=step,
            now=self.now,
        )
        return message

    async def run(
        self,
        job: Job[Any] = process_email_queue.job,
        *,
        log: Log | None = None,
        run_id: UUID | None = None,
        attempt: int = 1,
        database: JobDatabase | None = None,
        commits_left: int | None = None,
        **params: object,
    ) -> dict[str, Any]:
        ctx = JobContext(
            run_id=run_id or uuid4(),
            job="job-under-test",
            attempt=attempt,
            scheduled_for=self.now,
            timezone=UTC_ZONE,
            now=lambda: self.now,
            db=database or PlainDatabase(self.shop.pool, commits_left),
            tables=self.shop.tables,
            scheduled_jobs=frozenset(),
            log=log or Log(),
            progress=lambda done, total: None,
            services=self.services,
        )
        if job is process_email_queue.job:
            made = ProcessEmailQueue.model_validate({**FAST, **params})
            outcome = await process_email_queue.process(ctx, made, self.make_channels)
        else:
            outcome = await job.run(ctx, job.params.model_validate(params))
        assert isinstance(outcome, Done)
        return dict(outcome.data)

    async def links(self) -> Links:
        async with self.shop.pool.acquire() as connection:
            return await open_links(connection, self.mail, self.now)

    async def rows(self, query: str = "queue") -> list[dict[str, Any]]:
        return [dict(row) async for row in getattr(sql, query)(self.shop.pool)]

    async def row(self, message: UUID) -> dict[str, Any]:
        return next(row for row in await self.rows() if row["id"] == message)

    async def states(self) -> dict[str, int]:
        """How many rows of the queue there are, by status."""
        counts: dict[str, int] = {}
        for row in await self.rows():
            counts[row["status"]] = counts.get(row["status"], 0) + 1
        return counts

    async def conditions(self) -> dict[str, str]:
        return {row["name"]: row["reason"] for row in await self.rows("conditions")}
