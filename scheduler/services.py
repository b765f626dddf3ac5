"""What jobs may reach outside the database, and with which keys: the settings, as they get them.

`repr` shows no secret: they are `SecretStr`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from scheduler.errors import VariableError
from scheduler.meter import Meter


@dataclass(frozen=True, slots=True)
class Mail:
    """How messages leave."""

    smtp_url: SecretStr | None = None
    """`smtp://user:password@host:587` or `smtps://...`; without it messages become files."""
    folder: Path = Path("data/mail")
    """Where those files go."""
    sender: str | None = None
    """`MAIL_FROM`: an address, or a name with one."""
    public_url: str | None = None
    """Where people reach the daemon, without a slash at the end: links to unsubscribe begin so."""
    unsubscribe_key: SecretStr | None = None
    """Signs those links; without it a key that is kept in the database does."""
    local_url: str = "http://localhost:3003"
    """Where this machine's own browser reaches the daemon: for links in messages that are files."""
    own_database: bool = True
    """Whether lamplighter made the database. Where it did not, what the product has queued becomes
    no file: somebody waits for it, and may have another way to send it."""


@dataclass(frozen=True, slots=True)
class MailerLite:
    api_key: SecretStr
    api_url: str
    group_id: str | None = None
    webhook_secret: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Mailchimp:
    api_key: SecretStr
    api_url: str
    """With the data centre in its name, and without a slash at the end."""
    list_id: str
    webhook_secret: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Brevo:
    api_key: SecretStr
    api_url: str
    list_id: int
    webhook_secret: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Where sequences may call, and what signs the calls."""

    hosts: frozenset[str] = frozenset()
    """Lower case; nobody else is called."""
    signing_key: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class GitHub:
    """How repositories are read, and written to where somebody has approved that."""

    api_url: str = "https://api.github.com"
    """Without a slash at the end; of GitHub Enterprise, `https://HOST/api/v3`."""
    token: SecretStr | None = None
    app_id: str | None = None
    app_private_key: SecretStr | None = None
    """PEM; with `app_id` it makes tokens of an hour for each installation."""
    write_token: SecretStr | None = None
    encryption_key: SecretStr | None = None
    """Opens the tokens that projects keep encrypted."""

    @property
    def configured(self) -> bool:
        return bool(self.token or (self.app_id and self.app_private_key) or self.encryption_key)


@dataclass(frozen=True, slots=True)
class Model:
    """The language model that the agents ask."""

    name: str
    api_key: SecretStr | None = None
    """Endpoints of one's own often want none."""
    base_url: str | None = None
    """Of any endpoint that speaks OpenAI's protocol; OpenAI's own if not given."""


def no_variable(name: str) -> SecretStr:
    """For whoever has no settings: raises `VariableError` for every name."""
    raise VariableError(f"{name} is not set")


@dataclass(frozen=True, slots=True)
class Services:
    """A provider that is None is off."""

    mail: Mail = field(default_factory=Mail)
    mailerlite: MailerLite | None = None
    mailchimp: Mailchimp | None = None
    brevo: Brevo | None = None
    webhooks: Webhooks = field(default_factory=Webhooks)
    github: GitHub = field(default_factory=GitHub)
    model: Model | None = None
    variable: Callable[[str], SecretStr] = no_variable
    """What an environment variable holds, for the `${NAME}` of the schedule file; asked when a run
    needs it, so that a secret file that was exchanged counts. Raises `VariableError`."""
    meter: Meter = field(default_factory=Meter)
    """Told of each request to GitHub and the model."""
