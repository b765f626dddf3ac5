"""Is the repository that a project names found, and no other one?"""

from __future__ import annotations

import pytest

from agents.github.errors import GitHubError
from agents.github.names import name_of, shown

GITHUB = "https://api.github.com"
ENTERPRISE = "https://git.example.com/api/v3"


@pytest.mark.parametrize(
    "text",
    [
        "octocat/Hello.World",
        " octocat/Hello.World\n",
        "octocat/Hello.World.git",
        "https://github.com/octocat/Hello.World",
        "https://GitHub.com/octocat/Hello.World.git",
        "https://www.github.com/octocat/Hello.World/",
        "https://api.github.com/octocat/Hello.World",
        "https://x-access-token:ghp_secret@github.com/octocat/Hello.World.git",
        "github.com/octocat/Hello.World",
        "git@github.com:octocat/Hello.World.git",
        "ssh://git@github.com/octocat/Hello.World.git",
        "ssh://git@ssh.github.com:443/octocat/Hello.World.git",
        "git+https://github.com/octocat/Hello.World.git",
    ],
)
def test_a_name_and_its_addresses(text: str) -> None:
    assert name_of(text, GITHUB) == "octocat/Hello.World"


def test_managed_users_have_an_underscore_and_old_ones_any_hyphen() -> None:
    assert name_of("ada_acme/tools", GITHUB) == "ada_acme/tools"
    assert name_of("-/_", GITHUB) == "-/_"


def test_enterprise_has_its_own_host() -> None:
    assert name_of("https://git.example.com/a/b", ENTERPRISE) == "a/b"
    assert name_of("http://localhost:8080/a/b", "http://localhost:8080") == "a/b"


@pytest.mark.parametrize(
    ("text", "api"),
    [
        ("https://gitlab.com/a/b", GITHUB),
        ("git@bitbucket.org:a/b.git", GITHUB),
        ("gitlab.com/a/b", GITHUB),
        ("https://github.com.evil.example/a/b", GITHUB),
        ("https://github.com@evil.example/a/b", GITHUB),
        ("https://github.com/a/b", ENTERPRISE),
    ],
)
def test_the_same_name_elsewhere_is_another_repository(text: str, api: str) -> None:
    with pytest.raises(GitHubError, match=r"is not at (github\.com|git\.example\.com)$"):
        name_of(text, api)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a",
            "a/",
            "/b",
            "a/b/c",
            "a//b",
            "a/.",
            "a/..",
            "../b",
            "a/b?x=1",
            "a/b#c",
            "a/b%2Fc",
        ),
        *("a/b c", "a/b\nc", "a\\b", "ä/b", "a/.git", "https://github.com/a", "https://github.com"),
        *(
            "https://github.com/a/..",
            "https://github.com/a/b/tree/main",
            "https://github.com/a/b?c",
        ),
        *("a/" + "b" * 101, "https://:@/a/b", "a.b/c"),
    ],
)
def test_what_is_no_repository(text: str) -> None:
    with pytest.raises(GitHubError, match="is not owner/name"):
        name_of(text, GITHUB)


@pytest.mark.parametrize(
    "text",
    [
        "https://x:ghp_secret@gitlab.com/a/b",
        "https://ghp_secret@github.com/a/b/c",
        " https://ghp_secret@github.com/..",
        "ghp_secret@github.com:a",
    ],
)
def test_a_secret_in_an_address_is_not_repeated(text: str) -> None:
    with pytest.raises(GitHubError) as caught:
        name_of(text, GITHUB)
    assert "ghp_secret" not in str(caught.value)
    assert "ghp_secret" not in shown(text)
