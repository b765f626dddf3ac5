"""What can go wrong with GitHub; each text is for a person, and holds no secret."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.errors import JobError

WHY = {
    401: "401: the token is not valid (any more)",
    403: "403: the token may not read this",
    404: "404: there is no such repository, or the token may not see it",
    410: "410: it is gone",
    451: "451: it is not available for legal reasons",
}


class GitHubError(JobError):
    """The work on one project's repository ends here."""


class RefusedError(GitHubError):
    """GitHub has answered, and the answer is no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class UnreachableError(GitHubError):
    """GitHub did not answer in time, or only with errors of its own."""


class TooLargeError(GitHubError):
    """An answer was longer than is read."""


class TokenError(GitHubError):
    """There is no token for the project, or it cannot be opened."""


class PausedError(GitHubError):
    """Not a failure: what is left is for a later run."""


class LimitedError(PausedError):
    """A token may make no requests for longer than this run can wait."""


class SpentError(PausedError):
    """The requests, or pages, that one run may take for one project are used up."""


def refused(status: int, headers: Mapping[str, str]) -> RefusedError:
    if status == 403 and "x-github-sso" in headers:
        return RefusedError(403, "403: the token is not authorized for the organization's SSO")
    return RefusedError(status, WHY.get(status, f"{status}: GitHub refuses it"))
