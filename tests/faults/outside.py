"""What jobs reach outside of the database, for one trial: doubles, and what they were told.

All of it lives in the test's own process, so that a trial costs no start of another.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from aiosmtpd.smtp import SMTP, Envelope
from pydantic import SecretStr

from scheduler.services import GitHub, Mail, Model, Services
from tests.support.agent_model import eager
from tests.support.agent_shop import MODEL
from tests.support.github import GitHubDouble, github_double
from tests.support.github_repository import Item, Repository, large
from tests.support.github_shop import NOW, TOKEN, ago
from tests.support.mail import PUBLIC_URL, parsed
from tests.support.newsletter_providers import FakeBrevo, FakeMailchimp, FakeMailerLite
from tests.support.newsletters import serving
from tests.support.openai_server import ModelDouble, model_double
from tests.support.smtp_server import Answers, Server


@dataclass
class Outside:
    """The services that a trial's jobs are given; `told` is compared with the clean run's."""

    services: Services = field(default_factory=Services)
    port: int = 0
    """Where the double listens that matters here."""

    def moved_to(self, port: int) -> None:
        """What stands there is called from now on."""
        raise NotImplementedError

    def told(self) -> Any:
        """What was written there in the end, in an order of its own."""
        return None

    def doubled(self) -> list[str]:
        """What was written there twice, in words."""
        return []


MakeOutside: TypeAlias = Callable[[], AbstractAsyncContextManager[Outside]]


@asynccontextmanager
async def nothing() -> AsyncIterator[Outside]:
    yield Outside()


class Mailbox(Answers):
    """Keeps what a mail server takes; a test says how it answers."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.answers: dict[str, Any] = {}
        self.letters: list[tuple[tuple[str, ...], str, str]] = []
        """To whom, its Message-ID and its subject."""

    def read(self) -> dict[str, Any]:
        return self.answers

    def _keep(self, _server: SMTP, envelope: Envelope) -> None:
        assert isinstance(envelope.content, bytes)
        message = parsed(envelope.content)
        self.letters.append(
            (tuple(envelope.rcpt_tos), str(message["Message-ID"]), str(message["Subject"]))
        )


@dataclass
class Post(Outside):
    mailbox: Mailbox = field(default_factory=Mailbox)

    def moved_to(self, port: int) -> None:
        self.services = Services(mail=_mail_at(port))

    def told(self) -> Any:
        return sorted({(to, subject) for to, _, subject in self.mailbox.letters})

    def doubled(self) -> list[str]:
        ids: dict[tuple[tuple[str, ...], str], set[str]] = {}
        for to, message_id, subject in self.mailbox.letters:
            ids.setdefault((to, subject), set()).add(message_id)
        return [f"{key} came as {seen}" for key, seen in ids.items() if len(seen) > 1]

    @property
    def repeated(self) -> int:
        """Letters that came again, as they were."""
        return len(self.mailbox.letters) - len(set(self.mailbox.letters))


def _mail_at(port: int) -> Mail:
    return Mail(
        smtp_url=SecretStr(f"smtp://127.0.0.1:{port}"),
        sender="News <news@example.com>",
        public_url=PUBLIC_URL,
    )


@asynccontextmanager
async def mail() -> AsyncIterator[Post]:
    mailbox = Mailbox()
    connections: set[Server] = set()

    def connected() -> Server:
        made = Server(mailbox, enable_SMTPUTF8=True, auth_require_tls=False, hostname="mail.test")
        connections.add(made)
        return made

    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Post(Services(mail=_mail_at(port)), port, mailbox=mailbox)
    finally:
        server.close()
        for one in connections:
            if isinstance(one.transport, asyncio.WriteTransport):
                one.transport.abort()
        await server.wait_closed()


@dataclass
class AtProvider(Outside):
    provider: Any = None

    def moved_to(self, port: int) -> None:
        self.provider.url = _here(port)
        self.services = self.provider.services()

    def told(self) -> Any:
        return {
            email: (person.status, dict(sorted(person.fields.items())), sorted(person.groups))
            for email, person in sorted(self.provider.people.items())
        }


def provider(kind: type[FakeMailerLite | FakeMailchimp | FakeBrevo]) -> MakeOutside:
    @asynccontextmanager
    async def made() -> AsyncIterator[Outside]:
        double = kind()
        subscribed = "active" if kind is FakeMailerLite else "subscribed"
        double.has("both@example.com", subscribed)
        double.has("there@example.com", subscribed)
        double.has("gone@example.com", subscribed)
        double.has("leaver@example.com", "blocked" if kind is FakeBrevo else "unsubscribed")
        async with serving(double):
            yield AtProvider(double.services(), _port(double.url), provider=double)

    return made


@dataclass
class AtGitHub(Outside):
    github: GitHubDouble = field(default_factory=GitHubDouble)
    model: ModelDouble | None = None

    def moved_to(self, port: int) -> None:
        if self.model is not None:
            self.services = replace(self.services, model=_model_at(_here(port) + "/v1"))
        else:
            self.github.url = _here(port)
            self.services = replace(self.services, github=_github_at(_here(port)))

    def told(self) -> Any:
        return sorted(
            json.dumps([one.kind, one.number, one.asked.get("title")])
            for one in self.github.writes.made
        )

    def doubled(self) -> list[str]:
        counts = Counter(self.told())
        return [f"{what} was published {n} times" for what, n in counts.items() if n > 1]


def repository() -> Repository:
    made = large(issues=2, commits=2, until=ago(days=1), pulls_every=2)
    made.put(Item(7, ago(days=9), ago(days=8)))
    del made.releases[1:], made.milestones[1:], made.labels[1:]
    return made


@asynccontextmanager
async def github() -> AsyncIterator[AtGitHub]:
    async with github_double(now=lambda: NOW) as double:
        double.add(repository())
        double.writes.now = lambda: NOW
        yield AtGitHub(Services(github=_github_at(double.url)), _port(double.url), github=double)


@asynccontextmanager
async def github_and_model() -> AsyncIterator[AtGitHub]:
    async with github() as made, model_double(says=eager) as model:
        services = Services(github=made.services.github, model=_model_at(model.url))
        yield AtGitHub(services, _port(model.url), github=made.github, model=model)


@asynccontextmanager
async def only_model() -> AsyncIterator[AtGitHub]:
    """Without a token nothing is fetched: what the shop has is looked at."""
    async with model_double(says=eager) as model:
        services = Services(model=_model_at(model.url))
        yield AtGitHub(services, _port(model.url), model=model)


def _here(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def _github_at(url: str) -> GitHub:
    return GitHub(api_url=url, token=SecretStr(TOKEN))


def _model_at(url: str) -> Model:
    return Model(MODEL, SecretStr("key-of-tests"), url)
