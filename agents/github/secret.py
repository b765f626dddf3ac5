"""How does a project keep a GitHub token of its own: AES-256-GCM, as the product writes it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from agents.github.errors import TokenError

SALT = b"synthstack-encryption-salt-v1"
ROUNDS = 100_000
IV = TAG = 16
HEX_KEY = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


def key_of(encryption_key: str) -> bytes:
    """The 32 bytes that `ENCRYPTION_KEY` stands for: 64 hex digits themselves, other text derived.

    Takes some 30 ms for other text.
    """
    if HEX_KEY.fullmatch(encryption_key):
        return bytes.fromhex(encryption_key)
    return hashlib.pbkdf2_hmac("sha256", encryption_key.encode(), SALT, ROUNDS, dklen=32)


def open_token(encrypted: str, key: bytes) -> str:
    """Raises `TokenError` that says what is wrong, and repeats nothing of it."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        blob = base64.b64decode(encrypted.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise TokenError("the project's own GitHub token is not base64: save it again") from None
    iv, tag, text = blob[:IV], blob[IV : IV + TAG], blob[IV + TAG :]
    if not text:
        raise TokenError("the project's own GitHub token is cut off: save it again")
    try:
        token = AESGCM(key).decrypt(iv, text + tag, None).decode("ascii").strip()
    except InvalidTag:
        raise TokenError(
            "ENCRYPTION_KEY does not open the project's own GitHub token: it is another key than "
            "the product's, or the token was damaged"
        ) from None
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isprintable() or " " in token:
        raise TokenError("the project's own GitHub token holds no token: save it again")
    return token
