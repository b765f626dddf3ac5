"""With which token is a repository read, and is it opened as the product has sealed it?"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from pydantic import SecretStr

from agents.github.client import GitHubClient
from agents.github.errors import GitHubError, TokenError
from agents.github.secret import key_of, open_token
from agents.github.terms import Budget, Pace
from agents.github.tokens import Tokens
from scheduler.services import GitHub
from tests.support.github import GitHubDouble
from tests.support.github_repository import Repository
from tests.support.github_shop import NOW
from tests.support.jobs import Log

PASSPHRASE = "correct horse battery staple"
HEX = "00112233445566778899aabbccddeeff" * 2


def seal(token: str, encryption_key: str, iv: bytes = b"0123456789abcdef") -> str:
    """As the contract words it, base64(iv ‖ tag ‖ ciphertext), without the code under test."""
    if len(encryption_key) == 64:
        key = bytes.fromhex(encryption_key)
    else:
        salt = b"synthstack-encryption-salt-v1"
        key = hashlib.pbkdf2_hmac("sha256", encryption_key.encode(), salt, 100_000, 32)
    sealing = Cipher(algorithms.AES(key), modes.GCM(iv)).encryptor()
    text = sealing.update(token.encode()) + sealing.finalize()
    return base64.b64encode(iv + sealing.tag + text).decode()


@pytest.mark.parametrize("key", [PASSPHRASE, HEX, HEX.upper()])
def test_a_sealed_token_is_opened(key: str) -> None:
    assert open_token(seal("ghp_abc", key), key_of(key)) == "ghp_abc"
    assert open_token(f"{seal('ghp_abc', key)}\n", key_of(key)) == "ghp_abc"


def test_a_text_of_64_characters_that_is_no_hex_is_a_passphrase() -> None:
    key = "g" * 64
    derived = hashlib.pbkdf2_hmac(
        "sha256", key.encode(), b"synthstack-encryption-salt-v1", 100_000, 32
    )
    assert key_of(key) == derived
    assert key_of(HEX) == bytes.fromhex(HEX)


@pytest.mark.parametrize(
    ("sealed", "words"),
    [
        ("no base64!", "not base64"),
        ("", "cut off"),
        (base64.b64encode(b"x" * 32).decode(), "cut off"),
        (seal("ghp_abc", "another key than the product's"), "does not open"),
        (base64.b64encode(b"x" * 60).decode(), "does not open"),
        (seal("", HEX), "cut off"),
        (seal("two words", HEX), "holds no token"),
        (seal("a\nb: c", HEX), "holds no token"),
        (seal("té", HEX), "holds no token"),
    ],
)
def test_what_cannot_be_opened_is_told_and_not_repeated(sealed: str, words: str) -> None:
    with pytest.raises(TokenError, match=words) as caught:
        open_token(sealed, key_of(HEX))
    assert HEX not in str(caught.value)
    assert not sealed or sealed not in str(caught.value)
    assert caught.value.__cause__ is None


def tokens_of(
    double: GitHubDouble, client: GitHubClient, now: Any = lambda: NOW, **s: Any
) -> Tokens:
    return Tokens(GitHub(api_url=double.url, **s), client, now)


async def no_nap(seconds: float) -> None:
    assert seconds == 0, "a token is made without the pause after what others see"


def a_client(double: GitHubDouble) -> GitHubClient:
    return GitHubClient(GitHub(api_url=double.url), Log(), Pace(sleep=no_nap))


async def given(tokens: Tokens, own: str | None, *, use_global: bool = False) -> str:
    credential, _ = await tokens.of(
        own, use_global=use_global, full_name="octocat/hello-world", installation=None
    )
    return await credential.token()


async def test_the_projects_own_token_comes_first_then_the_environments(
    github: GitHubDouble,
) -> None:
    async with a_client(github) as client:
        key = SecretStr(PASSPHRASE)
        tokens = tokens_of(github, client, token=SecretStr("global"), encryption_key=key)
        own = seal("own", PASSPHRASE)
        assert await given(tokens, own) == "own"
        assert await given(tokens, own, use_global=True) == "global"
        assert await given(tokens, None) == "global"
        with pytest.raises(TokenError, match="does not open"):
            await given(tokens, seal("own", HEX))
        bare = tokens_of(github, client, token=SecretStr("global"))
        with pytest.raises(TokenError, match="ENCRYPTION_KEY is not set"):
            await given(bare, own)
        with pytest.raises(TokenError, match="set GITHUB_TOKEN"):
            await given(tokens_of(github, client), None)
    assert "own" not in repr(tokens)
    assert PASSPHRASE not in repr(tokens)


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """The App's private and public key."""
    key = rsa.generate_private_key(65537, 2048)
    return (
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    )


async def test_an_apps_token_is_made_once_and_again_before_it_ends(
    github: GitHubDouble, keys: tuple[str, str]
) -> None:
    github.add(Repository())
    private, github.app_key = keys
    time = [NOW]
    github.now = lambda: time[0]
    async with a_client(github) as client:
        tokens = tokens_of(
            github, client, lambda: time[0], app_id="12345", app_private_key=SecretStr(private)
        )
        credential, number = await tokens.of(
            None, use_global=True, full_name="octocat/hello-world", installation=None
        )
        assert number == 77
        seen = []
        for minutes in (0, 54, 56, 57):
            time[0] = NOW + timedelta(minutes=minutes)
            seen.append(await credential.token())
            budget = Budget(2)
            path = "/repos/octocat/hello-world"
            assert (await client.read(path, credential, budget)).status == 200
        assert seen[0] == seen[1] != seen[2] == seen[3]
        # A second project of the same installation takes the same token.
        again, _ = await tokens.of(None, use_global=True, full_name="octocat/x", installation=77)
        assert await again.token() == seen[3]
    made = [a.path for a in github.asked if a.path.startswith("/app/")]
    assert len(made) == 2
    assert private not in repr(tokens)
    assert not any(token in repr(tokens) for token in seen)


async def test_an_installation_that_was_made_anew_is_found_again(
    github: GitHubDouble, keys: tuple[str, str]
) -> None:
    private, github.app_key = keys
    async with a_client(github) as client:
        secret = SecretStr(private)
        tokens = tokens_of(github, client, app_id="12345", app_private_key=secret)
        _, number = await tokens.of(None, use_global=True, full_name="a/b", installation=5)
        assert number == 77


async def test_the_lines_of_a_key_may_be_written_as_in_an_env_file(
    github: GitHubDouble, keys: tuple[str, str]
) -> None:
    private, github.app_key = keys
    secret = SecretStr(private.replace("\n", "\\n"))
    async with a_client(github) as client:
        tokens = tokens_of(github, client, app_id="12345", app_private_key=secret)
        assert (await given(tokens, None)).startswith("ghs_")


async def test_a_bad_key_of_an_app_is_told_and_not_repeated(github: GitHubDouble) -> None:
    async with a_client(github) as client:
        secret = SecretStr("-----BEGIN PRIVATE KEY-----\nnonsense")
        tokens = tokens_of(github, client, app_id="12345", app_private_key=secret)
        with pytest.raises(GitHubError, match="not the PEM") as caught:
            await given(tokens, None)
    assert "nonsense" not in str(caught.value)
