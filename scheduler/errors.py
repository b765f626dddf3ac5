"""What can go wrong, as types: a job's author raises these, the runner and the pages read them."""

from __future__ import annotations


class LamplighterError(Exception):
    """The root of every error that is ours; its text is one clear sentence for a person."""


class JobError(LamplighterError):
    """The attempt failed; another attempt may succeed."""


class PermanentError(JobError):
    """The run failed and trying again cannot help, so no further attempt is made."""


class NotFoundError(PermanentError):
    """What the run was asked to work on is not there; a route answers 404."""


class ConflictError(PermanentError):
    """What the run was asked to act on is not in a state that allows it; a route answers 409."""


class BusyError(PermanentError):
    """Another run is working on the same thing; a route answers 409."""


class MissingTablesError(PermanentError):
    """The database lacks tables or columns that the job needs."""


class LeaseLostError(LamplighterError):
    """This attempt no longer owns its run; whatever it had not committed is rolled back."""


class DatabaseAwayError(LamplighterError):
    """PostgreSQL cannot be reached, or does not answer within its timeout."""

    in_short = "the database does not answer"
    """For health, which is open to all."""


class DatabaseFullError(DatabaseAwayError):
    """PostgreSQL has no room on its disk to write what it is asked to."""

    in_short = "the disk of the database is full"


class VariableError(LamplighterError):
    """A variable that the schedule file names is not set, or not for it to read."""


class SettingsError(LamplighterError):
    """Settings are missing, out of bounds or unsafe; the daemon does not start with them.

    `problems` are (setting, what is wrong and what is allowed).
    """

    def __init__(self, *problems: tuple[str, str]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{name}: {message}" for name, message in problems))
