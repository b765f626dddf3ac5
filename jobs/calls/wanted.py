"""What may the schedule file ask for? The parameters of a request, and what is refused in them."""

from __future__ import annotations

import json
import re
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from jobs.calls.secrecy import is_written_out, looks_secret, secret_in_url
from jobs.calls.texts import check_text, literal, texts_of
from scheduler.job import Params

METHODS = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
ONCE_ONLY = frozenset({"POST", "PATCH"})
"""To do twice what these ask for may do it twice."""
MOST_HEADERS = 50
MOST_BODY = 256 * 1024

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
# They say how the message travels.
_OURS = frozenset(
    {
        *("accept-encoding", "connection", "content-length", "expect", "keep-alive"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
WRITTEN_OUT = (
    "holds a secret, which everybody would see who may see the file or a run: put it into a "
    "variable and write ${NAME} in its place"
)


def _several(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class HttpRequest(Params):
    from_file_alone: ClassVar[bool] = True

    url: str = Field(min_length=1, max_length=4000)
    """`http://` or `https://`, without a user name or password. May hold `${NAME}`."""
    method: Annotated[METHODS, BeforeValidator(_upper)] = "GET"
    """GET, POST, PUT, PATCH, DELETE or HEAD."""
    headers: dict[str, str] = Field(default_factory=dict, max_length=MOST_HEADERS)
    """Values may hold `${NAME}`."""
    body: JsonValue = None
    """Text, sent as it is, or a mapping or list, sent as JSON. Texts in it may hold `${NAME}`."""
    expect_status: Annotated[
        tuple[Annotated[int, Field(ge=200, le=599)], ...], BeforeValidator(_several)
    ] = ()
    """The status, or a list of those, that the answer must have; by default any 2xx."""
    contains: str | None = Field(None, min_length=1, max_length=1000)
    """A text that the answer must hold."""
    timeout_seconds: float | None = Field(None, ge=1, le=86_400)
    """For the whole answer; by default, and at most, what the entry's `timeout` leaves."""
    may_repeat: bool | None = None
    """Whether a request that may have been carried out is sent again by the entry's `retry`; by
    default all but POST and PATCH."""

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        check_text(url)
        if not url.startswith("${"):
            check_address(literal(url).replace(" ", "x"))
        if looks_secret(url):
            raise ValueError(WRITTEN_OUT)
        if (field := secret_in_url(url)) is not None:
            raise ValueError(f"{field[:60]!r} in it {WRITTEN_OUT}")
        return url

    @field_validator("headers")
    @classmethod
    def _headers(cls, headers: dict[str, str]) -> dict[str, str]:
        seen: set[str] = set()
        for name, value in headers.items():
            shown = repr(name[:60])
            if not _HEADER.fullmatch(name):
                raise ValueError(f"{shown} is no name of a header")
            if name.lower() in _OURS:
                raise ValueError(f"{shown} is not for the file to set")
            if name.lower() in seen:
                raise ValueError(f"{shown} is here twice")
            seen.add(name.lower())
            try:
                check_text(value)
                check_header(literal(value))
            except ValueError as error:
                raise ValueError(f"{shown} {error}") from None
            if is_written_out(name, value):
                raise ValueError(f"{shown} {WRITTEN_OUT}")
        return headers

    @field_validator("body")
    @classmethod
    def _body(cls, body: JsonValue) -> JsonValue:
        if not isinstance(body, str | list | dict | None):
            raise ValueError("must be text in quotes, a mapping or a list")  # noqa: TRY004 - pydantic's
        for text in texts_of(body):
            check_text(text)
            if looks_secret(text):
                raise ValueError(WRITTEN_OUT)
        if len(json.dumps(body)) > MOST_BODY:
            raise ValueError(f"is too long; allowed are {MOST_BODY // 1024} KiB")
        return body

    @model_validator(mode="after")
    def _together(self) -> HttpRequest:
        if self.method == "HEAD" and self.contains is not None:
            raise ValueError("HEAD has no answer that `contains` could look into")
        if self.method == "HEAD" and self.body is not None:
            raise ValueError("HEAD takes no body")
        return self

    @property
    def repeatable(self) -> bool:
        return self.method not in ONCE_ONLY if self.may_repeat is None else self.may_repeat


def check_address(url: str) -> None:
    """Raises `ValueError`; its text holds nothing of the address."""
    if any(not "!" <= character <= "~" or character in '\\"<>^`{|}' for character in url):
        raise ValueError("may hold printable ASCII characters only, others written as %..")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is no address") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("may hold no user name or password; a header Authorization may")
    if not parts.hostname or port == 0:
        raise ValueError("must name a host")
    if parts.fragment:
        raise ValueError("may hold no # with what follows it, which no server gets")


def check_header(value: str) -> None:
    if any(character != "\t" and not " " <= character <= "~" for character in value):
        raise ValueError("may hold printable ASCII characters only, on one line")
