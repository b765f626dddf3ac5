"""With which token is a project's repository read or written: its own, the environment's, or the
App's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from pydantic import SecretStr

from agents.github.client import GitHubClient, app_token
from agents.github.errors import GitHubError, RefusedError, TokenError
from agents.github.secret import key_of, open_token
from agents.github.terms import Budget, Credential
from scheduler.services import GitHub

EARLY = timedelta(minutes=5)
"""Before its end at which an installation's token is replaced."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST = timedelta(hours=1)
PROOF = timedelta(minutes=8)
"""For which an App's own proof is used; it is valid for ten."""


def hash_of(token: str) -> str:
    """Names a token in tables, and cannot be turned back."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def token_kinds(github: GitHub) -> dict[str, str]:
    """By hash, what each token of the settings is for."""
    return {
        hash_of(token.get_secret_value()): kind
        for kind, token in (("write", github.write_token), ("read", github.token))
        if token is not None
    }


@dataclass(frozen=True)
class FixedToken:
    secret: SecretStr

    async def token(self) -> str:
        return self.secret.get_secret_value()

    @property
    def hash(self) -> str:
        return hash_of(self.secret.get_secret_value())


@dataclass
class AppProof:
    """The App itself, as it asks for its installations."""

    app_id: str
    private_key: SecretStr
    now: Callable[[], datetime]
    _proof: SecretStr | None = None
    _until: datetime = NEVER

    async def token(self) -> str:
        if self._proof is None or self.now() >= self._until:
            self._proof = SecretStr(app_token(self.app_id, self.private_key.get_secret_value()))
            self._until = self.now() + PROOF
        return self._proof.get_secret_value()

    @property
    def hash(self) -> str:
        return f"app-{hash_of(self.app_id)}"


@dataclass
class InstallationToken:
    """The token of one installation of the App; made anew before it ends."""

    client: GitHubClient
    proof: AppProof
    installation: int
    _token: SecretStr | None = None
    _until: datetime = NEVER
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def token(self) -> str:
        async with self._making:
            if self._token is None or self.proof.now() >= self._until - EARLY:
                await self._make()
            assert self._token is not None  # noqa: S101 - made above
            return self._token.get_secret_value()

    @property
    def hash(self) -> str:
        return hash_of(self._token.get_secret_value()) if self._token else "none"

    async def _make(self) -> None:
        path = f"/app/installations/{self.installation}/access_tokens"
        # Nobody else sees it: no pause is asked for.
        answer = await self.client.write("POST", path, self.proof, Budget(5), {}, pause=0)
        try:
            self._token = SecretStr(str(answer.data["token"]))
            ends = datetime.fromisoformat(answer.data["expires_at"])
        except (KeyError, TypeError, ValueError):
            raise GitHubError("GitHub's answer holds no token for the App") from None
        # Never trusted for longer than such tokens live, whatever the clocks say.
        self._until = min(ends, self.proof.now() + LONGEST)


@dataclass
class Tokens:
    """All tokens of one run."""

    github: GitHub
    client: GitHubClient
    now: Callable[[], datetime]
    _key: bytes | None = None
    _installations: dict[int, InstallationToken] = field(default_factory=dict)

    def __post_init__(self) -> None:
        github = self.github
        self._proof = (
            AppProof(github.app_id, github.app_private_key, self.now)
            if github.app_id and github.app_private_key
            else None
        )

    async def of(
        self, own: str | None, *, use_global: bool, full_name: str, installation: int | None
    ) -> tuple[Credential, int | None]:
        """The project's credential, and the App's installation where it is that.

        `own` is what the project keeps encrypted. Raises `TokenError`.
        """
        if own and not use_global:
            return FixedToken(SecretStr(open_token(own, await self._opening_key()))), None
        if self.github.token is not None:
            return FixedToken(self.github.token), None
        if self._proof is None:
            raise TokenError(
                "no token: set GITHUB_TOKEN, or GITHUB_APP_ID with GITHUB_APP_PRIVATE_KEY, or give "
                "the project a token of its own"
            )
        number = installation or await self._find(full_name)
        token = self._installations.setdefault(
            number, InstallationToken(self.client, self._proof, number)
        )
        try:
            await token.token()
        except RefusedError as error:
            if installation is None or error.status != 404:
                raise
            # Installed anew since: under another number.
            number = await self._find(full_name)
            token = self._installations.setdefault(
                number, InstallationToken(self.client, self._proof, number)
            )
        return token, number

    async def for_writing(
        self, own: str | None, *, use_global: bool, full_name: str, installation: int | None
    ) -> Credential:
        """`GITHUB_WRITE_TOKEN`, else what reads the project. Raises `TokenError`."""
        if self.github.write_token is not None:
            return FixedToken(self.github.write_token)
        credential, _ = await self.of(
            own, use_global=use_global, full_name=full_name, installation=installation
        )
        return credential

    async def _opening_key(self) -> bytes:
        if self.github.encryption_key is None:
            raise TokenError("the project has a token of its own, and ENCRYPTION_KEY is not set")
        if self._key is None:
            text = self.github.encryption_key.get_secret_value()
            self._key = await asyncio.to_thread(key_of, text)
        return self._key

    async def _find(self, full_name: str) -> int:
        assert self._proof is not None  # noqa: S101 - asked for above
        try:
            answer = await self.client.read(
                f"/repos/{quote(full_name)}/installation", self._proof, Budget(10)
            )
        except RefusedError as error:
            if error.status == 404:
                raise TokenError("the GitHub App is not installed for this repository") from None
            raise
        try:
            return int(answer.data["id"])
        except (KeyError, TypeError, ValueError):
            raise GitHubError("GitHub's answer names no installation of the App") from None
