"""Does GitHub answer to what the settings hold, and what is left of its requests?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from agents.github.client import GitHubClient
from agents.github.errors import GitHubError, RefusedError, TokenError
from agents.github.terms import Budget, Credential, Pace
from agents.github.tokens import AppProof, FixedToken
from scheduler.job import Logger
from scheduler.services import GitHub


@dataclass(frozen=True, slots=True)
class Probed:
    """In words; `fix` is what to do where it is not ok."""

    ok: bool
    message: str
    fix: str | None = None


async def probe(github: GitHub, log: Logger, now: Callable[[], datetime]) -> Probed:
    """One request, which no limit counts. Never raises for what it finds."""
    if not github.configured:
        return Probed(True, "not configured: no repository is read")
    credential: Credential
    if github.token is not None:
        credential, path = FixedToken(github.token), "/rate_limit"
    elif github.app_id and github.app_private_key:
        credential, path = AppProof(github.app_id, github.app_private_key, now), "/app"
    else:
        return Probed(True, "only projects with a token of their own are read")
    try:
        async with GitHubClient(github, log, Pace(most_wait=0, tries=1)) as client:
            answer = await client.read(path, credential, Budget(4))
    except RefusedError as error:
        if error.status == 404 and path == "/rate_limit":
            return Probed(True, f"{github.api_url} answers, and limits nothing")
        return Probed(False, f"{github.api_url}: {error}", "set a token that is valid")
    except TokenError as error:
        return Probed(False, str(error), "set it to the key that GitHub gave you for the App")
    except GitHubError as error:
        return Probed(False, f"{github.api_url}: {error}", "correct GITHUB_API_URL, or the network")
    try:
        if path == "/app":
            return Probed(True, f"{github.api_url} knows the App {answer.data['slug']!r}")
        core = answer.data["resources"]["core"]
        left, limit = int(core["remaining"]), int(core["limit"])
    except (KeyError, TypeError, ValueError):
        return Probed(False, f"{github.api_url} is no GitHub API", "correct GITHUB_API_URL")
    return Probed(
        left > 0,
        f"{github.api_url} answers; {left:,} of {limit:,} requests left this hour",
        "wait for the next hour, or use a GitHub App: it has more",
    )
