"""Who may call what: secrets, compared in constant time, and the mode without any."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from aiohttp import web
from multidict import CIMultiDictProxy
from pydantic import SecretStr

from scheduler.settings import DEV_SECRET, Settings, is_loopback
from scheduler.web.answers import Refusal
from scheduler.web.guesses import Guesses
from scheduler.web.peers import Peers

WORKERS = "/api/v1/workers/"
API = "/api/"
FORWARDED = frozenset({"forwarded", "x-real-ip", "via"})

UNAUTHORIZED = "the Authorization header must be 'Bearer' and the right secret"


class Access(StrEnum):
    """What opens a route."""

    OPEN = "open"
    CRON = "cron"
    ADMIN = "admin"
    PAGE = "page"
    """A session that began with the login form."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a path, by the path alone: nothing is looked up for a caller without it."""

    open_paths: frozenset[str]
    page_heads: frozenset[str]
    """First parts of the pages' paths: what stands below them is a page, or nothing."""
    admin_paths: frozenset[str] = frozenset()
    """Outside of the API."""

    def access(self, path: str) -> Access:
        if path in self.open_paths:
            return Access.OPEN
        if path.startswith(WORKERS):
            return Access.CRON
        if path.startswith(API) or path in self.admin_paths:
            return Access.ADMIN
        return Access.PAGE if head_of(path) in self.page_heads else Access.OPEN


def head_of(path: str) -> str:
    """The first part of a path."""
    return path.split("/", 2)[1] if path.startswith("/") else path


class Gate:
    """Lets a request in or raises `Refusal`."""

    def __init__(self, settings: Settings, peers: Peers, guesses: Guesses) -> None:
        cron: list[SecretStr | None] = [settings.cron_secret, settings.cron_secret_previous]
        admin = [settings.admin_secret] if settings.admin_secret else cron
        self._digests = {Access.CRON: _digests(cron), Access.ADMIN: _digests(admin)}
        self._peers = peers
        self._guesses = guesses
        no_secret = not any(self._digests.values())
        self.is_local = no_secret and settings.public_url is None
        """No secret is set: the published one opens everything, to this machine alone."""
        if self.is_local:
            published = _digests([SecretStr(DEV_SECRET)])
            self._digests = {Access.CRON: published, Access.ADMIN: published}

    def check_local(self, headers: CIMultiDictProxy[str]) -> None:
        """Without a secret of its own, the daemon answers only who is at this machine.

        A page in a browser that had a name of its own point here sends that name as `Host`; a proxy
        that would carry strangers in says so in its headers.
        """
        names = [name.lower() for name in headers]
        if names.count("host") != 1 or not _names_loopback(headers["Host"]):
            raise Refusal(
                403,
                "no secret is set, so only requests to localhost or 127.0.0.1 are answered: "
                "set CRON_SECRET to be reached by another name",
            )
        if any(name in FORWARDED or name.startswith("x-forwarded-") for name in names):
            raise Refusal(
                403,
                "no secret is set, so requests that a proxy forwards are not answered: "
                "set CRON_SECRET to be reached through a proxy",
            )

    @property
    def admin_digests(self) -> tuple[bytes, ...]:
        """Of the secrets that open the admin API and the pages; none where nothing opens them."""
        return self._digests[Access.ADMIN]

    def check(self, access: Access, request: web.BaseRequest) -> None:
        """Hold the bearer against the secrets of `access`. A session opens none of these."""
        if access in {Access.OPEN, Access.PAGE}:
            return
        values = request.headers.getall("Authorization", ())
        token = _bearer(values[0]) if len(values) == 1 else None
        if token is not None and self._opening(access, token) is not None:
            return
        self._count_failure(request, guessed=token is not None)
        raise Refusal(401, UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})

    def log_in(self, secret: str, request: web.BaseRequest) -> bytes:
        """The digest of the secret, typed into the login form, if it opens the pages."""
        digest = self._opening(Access.ADMIN, secret.encode("utf-8", "surrogatepass"))
        if digest is None:
            self._count_failure(request, guessed=True)
            raise Refusal(401, "that is not the secret")
        return digest

    def _count_failure(self, request: web.BaseRequest, *, guessed: bool) -> None:
        wait = self._guesses.failed(self._peers.address(request))
        if wait and guessed:
            raise Refusal(
                429,
                "too many wrong secrets from this address",
                headers={"Retry-After": str(wait)},
            )

    def _opening(self, access: Access, token: bytes) -> bytes | None:
        # Digests have one length, and all are compared: the time tells neither length nor which.
        given = hashlib.sha256(token).digest()
        found = None
        for digest in self._digests[access]:
            if hmac.compare_digest(given, digest):
                found = digest
        return found


def _digests(secrets: Sequence[SecretStr | None]) -> tuple[bytes, ...]:
    return tuple(
        hashlib.sha256(secret.get_secret_value().encode()).digest()
        for secret in secrets
        if secret is not None and secret.get_secret_value()
    )


def _bearer(value: str) -> bytes | None:
    scheme, _, token = value.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    return token.encode("utf-8", "surrogateescape")


@lru_cache(maxsize=64)
def _names_loopback(host: str) -> bool:
    """Whether a `Host` header, its port aside, is this machine's loopback."""
    if host.startswith("["):
        name, bracket, port = host.partition("]")
        port = port.removeprefix(":")
        if not bracket:
            return False
    else:
        name, _, port = host.partition(":")
    return is_loopback(name) and (not port or (port.isascii() and port.isdigit()))


GATE = web.AppKey("gate", Gate)
