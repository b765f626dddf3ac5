"""Which repository does a project name: as owner/name, or by its address at our GitHub?"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from agents.github.errors import GitHubError

NAME = re.compile(r"[A-Za-z0-9_-]{1,100}/[A-Za-z0-9._-]{1,100}", re.ASCII)
ADDRESS = re.compile(
    r"(?:[A-Za-z+]+://(?:[^/@\s]*@)?|[^/@\s]+@|(?=[^/:\s]+\.))"  # no owner has a dot
    r"(?P<host>[^/:@\s]+)(?::\d+)?[/:](?P<name>[^/\s]+/[^/\s]+?)/?"
)
MOST = 100


def name_of(repository: str, api_url: str) -> str:
    """owner/name of what a project has as its repository. Raises `GitHubError`."""
    text = repository.strip()
    address = None if is_name(text) else ADDRESS.fullmatch(text)
    name = (address["name"] if address else text).removesuffix(".git")
    if not is_name(name):
        raise GitHubError(f"its repository {shown(repository)!r} is not owner/name")
    if address and address["host"].lower() not in _hosts(api_url):
        # Under the same name ours may have one of somebody else's.
        raise GitHubError(f"its repository {shown(repository)!r} is not at {_hosts(api_url)[-1]}")
    return name


def is_name(text: str) -> bool:
    return bool(NAME.fullmatch(text)) and not text.endswith(("/.", "/.."))


def shown(repository: str) -> str:
    """For a message: without what an address may hold before its host."""
    return re.sub(r"^\s*([A-Za-z+]+://)?[^/\s]*@", r"\1", repository)[:MOST]


def _hosts(api_url: str) -> tuple[str, ...]:
    """GitHub's pages are beside its API: github.com, of Enterprise the same host."""
    api = urlsplit(api_url).hostname or ""
    host = api.removeprefix("api.")
    return api, f"www.{host}", f"ssh.{host}", host
