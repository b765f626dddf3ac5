"""What the environment says: settings from variables, `.env` and secret files, within bounds.

The only reader of the environment. A secret may also stand in a file named after it in lower case
under `/run/secrets` (or under `SECRETS_DIR`).
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from scheduler.errors import SettingsError

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
    drain_seconds: float = Field(8, ge=0, le=3600)
    """How long running jobs may go on after SIGTERM."""
    now_offset: float = Field(0, ge=-4e9, le=4e9, validation_alias="LAMPLIGHTER_NOW_OFFSET")
    """Seconds added to the daemon's clock; for tests only, said in the log."""

    @field_validator("trusted_proxies", mode="before")
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

    @field_validator("public_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError("must be an http:// or https:// address")
        return value

    @property
    def offset(self) -> timedelta:
        return timedelta(seconds=self.now_offset)

    @property
    def admin_secret_in_force(self) -> SecretStr | None:
        return self.admin_secret or self.cron_secret

    @property
    def logs_to_console(self) -> bool:
        return self.log_format is LogFormat.CONSOLE or (
            self.log_format is None and sys.stderr.isatty()
        )


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises `SettingsError` that names every bad one and what is allowed."""
    secrets = Path(os.environ.get("SECRETS_DIR", "/run/secrets"))
    try:
        # pydantic-settings takes its own options as arguments that its types do not list.
        options: dict[str, Any] = {"_secrets_dir": secrets if secrets.is_dir() else None}
        return Settings(**options, **overrides)
    except ValidationError as error:
        raise SettingsError(*_problems(error)) from None


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    """Each bad setting with its sentence. The value is not repeated: it may be a secret."""
    problems = []
    for problem in error.errors(include_url=False, include_input=False):
        place = str(problem["loc"][0])
        message = problem["msg"].removeprefix("Value error, ").replace("Input should", "must")
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
