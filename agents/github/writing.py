"""What of GitHub is written, and how is what may be there already found again?

Comments, a review that only comments, a new issue, a draft of a release. Nothing here approves,
requests changes, merges or pushes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from agents.github.client import GitHubClient
from agents.github.errors import GitHubError, RefusedError
from agents.github.terms import Budget, Credential

MOST_PAGES = 20
"""Of 100, of one list."""
CLOCKS = timedelta(days=1)
"""By which GitHub's clock and ours may differ."""
MOST_URL = 500


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes to one repository."""

    client: GitHubClient
    credential: Credential
    full_name: str
    budget: Budget

    async def send(self, action: Mapping[str, Any], title: str, body: str) -> str | None:
        """Write it; its address. Raises `GitHubError`: after `RefusedError` nothing was written."""
        data: dict[str, Any]
        match action["type"]:
            case "review":
                data = {"body": body, "event": "COMMENT"}
            case "comment":
                data = {"body": body}
            case "issue":
                data = {"title": title, "body": body}
            case "draft_release":
                data = {"tag_name": action["tag"], "name": title, "body": body, "draft": True}
            case other:
                raise GitHubError(f"{other!r} is nothing that is written to GitHub")
        answer = await self.client.write(
            "POST", self._path(action), self.credential, self.budget, data
        )
        return _address(answer.data)

    async def find(
        self, action: Mapping[str, Any], mark: str, since: datetime
    ) -> tuple[bool, str | None]:
        """Whether something with that mark is there, and its address.

        Raises `GitHubError`, also where there is more than is looked through.
        """
        path: str | None = f"{self._path(action)}?{urlencode(_query(action, since - CLOCKS))}"
        for _ in range(MOST_PAGES):
            if path is None:
                return False, None
            answer = await self.client.read(path, self.credential, self.budget)
            for item in answer.data if isinstance(answer.data, list) else ():
                if isinstance(item, dict) and mark in str(item.get("body") or ""):
                    return True, _address(item)
            path = answer.next
        raise GitHubError(
            f"{self.full_name} has more than can be looked through to see whether it is there"
        )

    def _path(self, action: Mapping[str, Any]) -> str:
        at = f"/repos/{quote(self.full_name)}"
        match action["type"]:
            case "review":
                return f"{at}/pulls/{int(action['number'])}/reviews"
            case "comment":
                return f"{at}/issues/{int(action['number'])}/comments"
            case "issue":
                return f"{at}/issues"
            case _:
                return f"{at}/releases"

    def in_words(self, error: RefusedError, action: Mapping[str, Any]) -> str:
        """Why GitHub has not taken it, for whoever approved it."""
        what = f"pull request or issue {action['number']}" if "number" in action else "repository"
        match error.status:
            case 401:
                return "GitHub does not take the token (any more); set another GITHUB_WRITE_TOKEN"
            case 403:
                return (
                    f"the token may not write to {self.full_name}, or nobody may (archived, "
                    "locked); set a GITHUB_WRITE_TOKEN that may"
                )
            case 404:
                return f"there is no such {what} in {self.full_name}, or the token may not see it"
            case 410:
                return f"{self.full_name} has its issues switched off, or it was deleted"
            case 422:
                return f"GitHub does not take it as it is (422): see whether {what} has changed"
            case _:
                return str(error)


def _query(action: Mapping[str, Any], since: datetime) -> dict[str, str]:
    at = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    match action["type"]:
        case "comment":
            return {"since": at, "per_page": "100"}
        case "issue":
            newest = {"state": "all", "sort": "created", "direction": "desc"}
            return {**newest, "since": at, "per_page": "100"}
        case _:
            return {"per_page": "100"}


def _address(data: Any) -> str | None:
    url = data.get("html_url") if isinstance(data, dict) else None
    if isinstance(url, str) and url.startswith(("https://", "http://")) and len(url) <= MOST_URL:
        return url
    return None
