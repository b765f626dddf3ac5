"""What the environment says: settings from variables, `.env` and secret files, within bounds.

The only reader of the environment. A secret may also stand in a file named after it in lower case
under `/run/secrets` (or under `SECRETS_DIR`).
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from scheduler.errors import SettingsError, VariableError
from scheduler.services import (
    Brevo,
    GitHub,
    Mail,
    Mailchimp,
    MailerLite,
    Model,
    Services,
    Webhooks,
)

DEV_SECRET = "dev-admin-secret"  # noqa: S105 - published for use on loopback only, refused elsewhere
PLACEHOLDERS = frozenset(
    {
        DEV_SECRET,
        "changeme",
        "change-me",
        "change_me",
        "secret",
        "password",
        "cron-secret",
        "your-cron-secret",
        "your_cron_secret",
        "your-secret",
        "your-secret-here",
        "your-admin-secret",
        "your_admin_secret",
        "replace-me",
        "replace_me",
    }
)
MIN_SECRET = 16
MOST_CHANNELS = 20
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
DATA_CENTRE = re.compile(r"[a-z]{2}\d{1,3}", re.ASCII)
# Of a database: a name, an address, or nothing where the query names it; the port up to 65535.
HOST_AND_PORT = re.compile(
    r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s\[\]:@]*)"
    r"(:(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])?)?"
)


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class Settings(BaseSettings):
    """Every setting with its default; the README's table is held against this class by a test."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        env_ignore_empty=True,
    )

    database_url: SecretStr | None = None
    """PostgreSQL, `postgresql://...`; without it an embedded server in the data directory."""
    data_dir: Path = Field(Path("data"), validation_alias="LAMPLIGHTER_DATA_DIR")
    """Where the embedded database and the daemon's own files live."""
    config: Path = Field(Path("config.yaml"), validation_alias="LAMPLIGHTER_CONFIG")
    """The schedule."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(3003, ge=0, le=65535)
    """Port to listen on; 0 takes a free one and logs it."""
    cron_secret: SecretStr | None = None
    """Opens the worker routes as a bearer token."""
    cron_secret_previous: SecretStr | None = None
    """Accepted beside CRON_SECRET while it is being rotated."""
    admin_secret: SecretStr | None = None
    """Opens the admin API; CRON_SECRET serves where it is not set."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated addresses or networks whose X-Forwarded-For is believed."""
    public_url: str | None = None
    """Where people reach the daemon, `https://...`."""
    log_level: LogLevel = LogLevel.INFO
    """debug, info, warning or error."""
    log_format: LogFormat | None = None
    """json or console; console on a terminal, else json."""
    metrics_public: bool = False
    """Opens /metrics to everyone; without it, it takes what opens the admin API."""
    drain_seconds: float = Field(8, ge=0, le=3600)
    """How long running jobs may go on after SIGTERM."""
    now_offset: float = Field(0, ge=-4e9, le=4e9, validation_alias="LAMPLIGHTER_NOW_OFFSET")
    """Seconds added to the daemon's clock; for tests only, said in the log."""

    smtp_url: SecretStr | None = None
    """`smtp://user:password@host:587` (STARTTLS) or `smtps://...:465`; without it messages become
    files in the data directory."""
    mail_from: str | None = None
    """The sender of messages that name none: `news@example.com` or `News <news@example.com>`."""
    unsubscribe_key: SecretStr | None = None
    """Signs links to unsubscribe; without it a key is made once and kept in the database."""
    mailerlite_api_key: SecretStr | None = None
    """Turns MailerLite on."""
    mailerlite_group_id: str | None = None
    """The group that subscribers go to."""
    mailerlite_webhook_secret: SecretStr | None = None
    """Verifies MailerLite's webhooks."""
    mailerlite_api_url: str = "https://connect.mailerlite.com"
    """Where MailerLite's API is."""
    mailchimp_api_key: SecretStr | None = None
    """Turns Mailchimp on, with MAILCHIMP_LIST_ID."""
    mailchimp_server_prefix: str | None = Field(None, pattern=r"^[a-z]{2}\d{1,3}$")
    """The account's data centre, `us21`; the end of the key says it too."""
    mailchimp_list_id: str | None = None
    """The audience that subscribers go to."""
    mailchimp_webhook_secret: SecretStr | None = None
    """What the address of Mailchimp's webhook carries as `?secret=`."""
    mailchimp_api_url: str | None = None
    """Where Mailchimp's API is; by default the data centre's."""
    brevo_api_key: SecretStr | None = None
    """Turns Brevo on, with BREVO_LIST_ID."""
    brevo_list_id: int | None = Field(None, ge=1)
    """The list that subscribers go to."""
    brevo_webhook_secret: SecretStr | None = None
    """Verifies Brevo's webhooks: their bearer token."""
    brevo_api_url: str = "https://api.brevo.com"
    """Where Brevo's API is."""
    newsletter_provider: Literal["mailerlite", "mailchimp", "brevo"] | None = None
    """Only this provider is on, whichever keys are set."""
    webhook_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated hosts that the webhooks of sequences may call."""
    webhook_signing_key: SecretStr | None = None
    """Signs the webhooks of sequences."""
    alert_urls: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Channels that alerts go to, as Apprise URLs: `mailto://...`, `slack://...`, `json://...`."""
    ping_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Comma-separated hosts of dead man's switches that may be private, and called by http."""

    github_token: SecretStr | None = None
    """Reads the repositories of projects that have no token of their own."""
    github_app_id: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """With GITHUB_APP_PRIVATE_KEY, a GitHub App instead of a token."""
    github_app_private_key: SecretStr | None = None
    """The App's key, PEM."""
    github_api_url: str = "https://api.github.com"
    """GitHub's API; of GitHub Enterprise, `https://HOST/api/v3`."""
    github_write_token: SecretStr | None = None
    """Writes what was approved; without it the token that reads does."""
    encryption_key: SecretStr | None = None
    """Opens the tokens that projects keep encrypted: 64 hex digits, or any text."""
    openai_api_key: SecretStr | None = None
    """Turns the agents' model on."""
    openai_base_url: str | None = None
    """Another endpoint that speaks OpenAI's protocol: Ollama, vLLM, Azure; it may want no key."""
    openai_model: str = Field("gpt-5-mini", pattern=r"^\S{1,200}$")
    """The model that the agents ask, where their settings name no other."""

    @field_validator("alert_urls", mode="before")
    @classmethod
    def _channels(cls, value: object) -> object:
        """A comma may belong to an address: only one before another address's scheme parts them."""
        if not isinstance(value, str):
            return value
        parts = re.split(rf"[\s,]+(?={SCHEME.pattern})", value.strip(" \t\r\n,"))
        found = [part for part in parts if part]
        if len(found) > MOST_CHANNELS:
            raise ValueError(f"may hold {MOST_CHANNELS} channels")
        if not all(SCHEME.match(part) for part in found):
            raise ValueError(
                "must be Apprise URLs such as mailto://... or slack://..., with commas, spaces or"
                " new lines between them"
            )
        return tuple(SecretStr(part) for part in found)

    @field_validator("webhook_hosts", "ping_hosts", mode="after")
    @classmethod
    def _names_of_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            if "/" in part or not HOST_AND_PORT.fullmatch(part):
                raise ValueError(
                    f"{part!r} is no host such as hooks.example.com or checks.internal:8000"
                )
        return value

    @field_validator("ping_hosts", mode="after")
    @classmethod
    def _lower(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host.lower() for host in value)

    @field_validator("trusted_proxies", "webhook_hosts", "ping_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for part in value:
            try:
                ipaddress.ip_network(part, strict=False)
            except ValueError as error:
                raise ValueError(f"{part!r} is no address or network such as 10.0.0.0/8") from error
        return value

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(
            ("postgresql://", "postgres://")
        ):
            raise ValueError("must begin with postgresql:// or postgres://")
        if value is not None:
            address = value.get_secret_value().partition("://")[2]
            hosts = re.split(r"[/?#]", address, maxsplit=1)[0].rpartition("@")[2]
            if not all(HOST_AND_PORT.fullmatch(unquote(host)) for host in hosts.split(",")):
                raise ValueError("must be postgresql://user:password@host:port/database")
        return value

    @field_validator(
        "public_url",
        "mailerlite_api_url",
        "mailchimp_api_url",
        "brevo_api_url",
        "github_api_url",
        "openai_base_url",
    )
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            # What is asked for is put behind it.
            whole = parts.hostname and parts.port != 0 and not (parts.query or parts.fragment)
        except ValueError:  # of the port, or of what is in brackets
            whole = False
        if not whole or parts.scheme not in {"http", "https"} or "@" in parts.netloc:
            raise ValueError("must be an http:// or https:// address")
        return value.rstrip("/")

    @field_validator("github_token", "github_write_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        """It travels in a header; what a file or a paste leaves around it does not."""
        token = value.get_secret_value().strip() if value is not None else ""
        if not all(33 <= ord(char) <= 126 for char in token):
            raise ValueError("may hold only printable ASCII characters without spaces")
        return SecretStr(token) if token else None

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
                raise ValueError("must be smtp://... or smtps://user:password@host:port")
        return value

    @model_validator(mode="after")
    def _whole_providers(self) -> Settings:
        if self.mailchimp_api_key and not self.mailchimp_list_id:
            raise ValueError("MAILCHIMP_LIST_ID: must be set where MAILCHIMP_API_KEY is")
        if self.mailchimp_api_key and not self._mailchimp_url:
            raise ValueError(
                "MAILCHIMP_SERVER_PREFIX: must be set (us21, for example), since MAILCHIMP_API_KEY"
                " does not end with a data centre"
            )
        if self.brevo_api_key and not self.brevo_list_id:
            raise ValueError("BREVO_LIST_ID: must be set where BREVO_API_KEY is")
        if (self.github_app_id is None) != (self.github_app_private_key is None):
            raise ValueError("GITHUB_APP_ID: must be set together with GITHUB_APP_PRIVATE_KEY")
        return self

    @property
    def offset(self) -> timedelta:
        return timedelta(seconds=self.now_offset)

    @property
    def admin_secret_in_force(self) -> SecretStr | None:
        return self.admin_secret or self.cron_secret

    @property
    def secret_values(self) -> frozenset[str]:
        """What no log may show: every secret, and the passwords within addresses."""
        secrets = {value.get_secret_value() for _, value in self if isinstance(value, SecretStr)}
        # Some hold several addresses.
        addresses = {part for whole in secrets for part in (whole, *re.split(r"[\s,]+", whole))}
        for address in [address for address in addresses if "://" in address]:
            authority, _, query = address.partition("://")[2].partition("?")
            password = authority.rpartition("@")[0].partition(":")[2]
            options = [value for name, value in parse_qsl(query) if "password" in name]
            secrets |= {password, unquote(password), *options}
        return frozenset(secret for secret in secrets if secret and secret != DEV_SECRET)

    @property
    def _mailchimp_url(self) -> str | None:
        if self.mailchimp_api_url:
            return self.mailchimp_api_url
        _, _, centre = (
            self.mailchimp_api_key.get_secret_value() if self.mailchimp_api_key else ""
        ).rpartition("-")
        centre = self.mailchimp_server_prefix or centre
        return f"https://{centre}.api.mailchimp.com" if DATA_CENTRE.fullmatch(centre) else None

    @property
    def services(self) -> Services:
        """What jobs get of all this."""
        only = self.newsletter_provider
        mailerlite = mailchimp = brevo = None
        if self.mailerlite_api_key and only in {None, "mailerlite"}:
            mailerlite = MailerLite(
                self.mailerlite_api_key,
                self.mailerlite_api_url,
                self.mailerlite_group_id,
                self.mailerlite_webhook_secret,
            )
        if (
            self.mailchimp_api_key
            and self._mailchimp_url
            and self.mailchimp_list_id
            and only in {None, "mailchimp"}
        ):
            mailchimp = Mailchimp(
                self.mailchimp_api_key,
                self._mailchimp_url,
                self.mailchimp_list_id,
                self.mailchimp_webhook_secret,
            )
        if self.brevo_api_key and self.brevo_list_id and only in {None, "brevo"}:
            brevo = Brevo(
                self.brevo_api_key,
                self.brevo_api_url,
                self.brevo_list_id,
                self.brevo_webhook_secret,
            )
        return Services(
            mail=Mail(
                self.smtp_url,
                self.data_dir / "mail",
                self.mail_from,
                self.public_url,
                self.unsubscribe_key,
                local_url=f"http://localhost:{self.port}",
                own_database=self.database_url is None,
            ),
            mailerlite=mailerlite,
            mailchimp=mailchimp,
            brevo=brevo,
            webhooks=Webhooks(
                frozenset(host.lower() for host in self.webhook_hosts), self.webhook_signing_key
            ),
            github=GitHub(
                self.github_api_url,
                self.github_token,
                self.github_app_id,
                self.github_app_private_key,
                self.github_write_token,
                self.encryption_key,
            ),
            model=Model(self.openai_model, self.openai_api_key, self.openai_base_url)
            if self.openai_api_key or self.openai_base_url
            else None,
            variable=variable,
        )

    @property
    def logs_to_console(self) -> bool:
        return self.log_format is LogFormat.CONSOLE or (
            self.log_format is None and sys.stderr.isatty()
        )


def _secrets_folder() -> Path:
    return Path(os.environ.get("SECRETS_DIR", "/run/secrets"))


def own_names() -> frozenset[str]:
    """Variables that mean something to lamplighter itself, but CRON_SECRET, which others know."""
    names = {
        str(field.validation_alias or name).upper() for name, field in Settings.model_fields.items()
    }
    return frozenset(names - {"CRON_SECRET"} | {"PGPASSWORD", "SECRETS_DIR"})


def _own_secrets() -> frozenset[str]:
    """What opens lamplighter and its services; PGPASSWORD does where DATABASE_URL has none."""
    secret = {
        name.upper()
        for name, field in Settings.model_fields.items()
        if field.annotation is SecretStr or SecretStr in get_args(field.annotation)
    }
    return frozenset(secret - {"CRON_SECRET"} | {"PGPASSWORD"})


def variable(name: str) -> SecretStr:
    """What `${NAME}` in the schedule file stands for: from variables, `.env` or a secret file.

    Lamplighter's own secrets are not for it, so that who may write the schedule, and no more, gets
    hold of none; but CRON_SECRET, which crontabs send to the product's gateway.

    Raises `VariableError`, also where it is empty.
    """
    if name.upper() in _own_secrets():
        raise VariableError(
            f"{name} is a secret of lamplighter's own, which no request may carry; put what the "
            "other side is to get into a variable of another name"
        )
    try:
        text = os.environ.get(name) or _in_files(name)
    except (OSError, ValueError):
        raise VariableError(f"{name} stands in a file that cannot be read") from None
    if not text:
        raise VariableError(
            f"{name} is not set; set it in the environment, in .env, or in the file {name.lower()} "
            "of the secrets directory"
        )
    return SecretStr(text)


def _in_files(name: str) -> str | None:
    dotenv = Path(".env")
    found = dotenv_values(dotenv, encoding="utf-8") if dotenv.is_file() else {}
    secret = _secrets_folder() / name.lower()
    return found.get(name) or (secret.read_text("utf-8").strip() if secret.is_file() else None)


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises `SettingsError` that names every bad one and what is allowed."""
    secrets = _secrets_folder()
    try:
        # pydantic-settings takes its own options as arguments that its types do not list.
        options: dict[str, Any] = {"_secrets_dir": secrets if secrets.is_dir() else None}
        return Settings(**options, **overrides)
    except ValidationError as error:
        raise SettingsError(*_problems(error)) from None


def environment_with(variables: Mapping[str, str]) -> dict[str, str]:
    """What a program of PostgreSQL is started with: ours, and of PostgreSQL's own only these."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**ours, **variables}


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    """Each bad setting with its sentence. The value is not repeated: it may be a secret."""
    problems = []
    for problem in error.errors(include_url=False, include_input=False):
        message = problem["msg"].removeprefix("Value error, ").replace("Input should", "must")
        # What concerns several settings names the one to set by itself.
        place, _, message = (
            (str(problem["loc"][0]), "", message) if problem["loc"] else message.partition(": ")
        )
        field = Settings.model_fields.get(place.lower().removeprefix("lamplighter_"))
        bounds = {type(rule).__name__: rule for rule in (field.metadata if field else ())}
        if "Ge" in bounds and "Le" in bounds:
            message = f"must be a number from {bounds['Ge'].ge:g} to {bounds['Le'].le:g}"
        problems.append((place.upper(), message))
    return problems


def _is_placeholder(text: str) -> bool:
    """Whether it is a published example, however its words are joined."""
    return _letters(text).removesuffix("here") in {_letters(known) for known in PLACEHOLDERS}


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text.lower())


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine's loopback and nothing else."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_exposure(settings: Settings) -> None:
    """Refuse to listen where others can call without a real secret.

    Raises `SettingsError` that says what to set.
    """
    secrets = {
        "CRON_SECRET": settings.cron_secret,
        "CRON_SECRET_PREVIOUS": settings.cron_secret_previous,
        "ADMIN_SECRET": settings.admin_secret,
    }
    beyond = not is_loopback(settings.host)
    if beyond and settings.cron_secret is None:
        message = (
            f"{settings.host} is reachable by others, and CRON_SECRET is not set: "
            f"set CRON_SECRET to a random text of {MIN_SECRET} characters or more "
            '(python3 -c "import secrets; print(secrets.token_urlsafe(32))"), '
            "or listen on 127.0.0.1"
        )
        raise SettingsError(("HOST", message))
    problems: list[tuple[str, str]] = []
    for name, secret in secrets.items():
        if secret is None:
            continue
        text = secret.get_secret_value()
        if beyond and (len(text) < MIN_SECRET or _is_placeholder(text)):
            message = (
                f"is too easy to guess for HOST={settings.host}: it needs {MIN_SECRET} characters "
                "or more and may not be a published example"
            )
            problems.append((name, message))
        if not text.strip() or any(ord(char) < 33 or ord(char) > 126 for char in text):
            message = (
                "may hold only printable ASCII characters without spaces, since it travels in an "
                "HTTP header"
            )
            problems.append((name, message))
    if problems:
        raise SettingsError(*problems)
