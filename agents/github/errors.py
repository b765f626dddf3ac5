"""What can go wrong with GitHub; each text is for a person, and holds no secret."""

from __future__ import annotations

from scheduler.errors import JobError


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
