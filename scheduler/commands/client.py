"""Calls a running daemon over HTTP, as its settings say where it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scheduler.errors import LamplighterError
from scheduler.settings import DEV_SECRET, Settings

CONNECT_TIMEOUT = 5.0
CALL_TIMEOUT = 24 * 3600.0
"""A call that waits for a run ends with the run, which has a timeout of its own."""


class DaemonError(LamplighterError):
    """The daemon cannot be reached, or refused the call."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: dict[str, Any]

    def ok(self) -> dict[str, Any]:
        """The body. Raises `DaemonError` with the daemon's own sentence."""
        if self.status >= 400:
            raise DaemonError(in_words(self.body))
        return self.body


def in_words(body: Mapping[str, Any]) -> str:
    """An error answer as one line."""
    error = str(body.get("error", "no reason given"))
    fields = body.get("fields") or {}
    details = "; ".join(
        f"{name}: {why}" for name, why in fields.items() if f"{name}: {why}" not in error
    )
    return f"{error} ({details})" if details else error


def base_url(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def call(
    settings: Settings,
    method: str,
    path: str,
    *,
    admin: bool = False,
    json: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> Answer:
    """One call with the secret that opens it. Raises `DaemonError` where nobody answers."""
    return asyncio.run(_call(settings, method, path, admin=admin, json=json, query=query))


async def _call(
    settings: Settings,
    method: str,
    path: str,
    *,
    admin: bool,
    json: Mapping[str, Any] | None,
    query: Mapping[str, str] | None,
) -> Answer:
    import aiohttp
    from yarl import URL

    secret = settings.admin_secret_in_force if admin else settings.cron_secret
    bearer = secret.get_secret_value() if secret else DEV_SECRET
    url = base_url(settings)
    timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT, sock_connect=CONNECT_TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(
                method,
                URL(url + path, encoded=True),
                json=json,
                params=query,
                headers={"Authorization": f"Bearer {bearer}"},
                allow_redirects=False,
            ) as response,
        ):
            body = await response.json(content_type=None)
            if isinstance(body, dict):
                return Answer(response.status, body)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise DaemonError(
            f"no daemon answers at {url} ({_why(error)}); start one with `lamplighter serve`, "
            "or set HOST and PORT to where it is"
        ) from None
    except ValueError:
        pass  # no JSON
    raise DaemonError(
        f"what answers at {url} is no lamplighter; set HOST and PORT to where the daemon is"
    )


def _why(error: Exception) -> str:
    """Without the address, which stands beside it."""
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else str(error) or "no answer in time"
