"""What can go wrong with the model; each text is for a person, and holds no secret.

Nor does any hold words of the model or its endpoint: those may repeat what they were told.
"""

from __future__ import annotations

from scheduler.errors import JobError, PermanentError


class NotConfiguredError(PermanentError):
    """There is no model to ask: neither a key nor an endpoint is set."""


class ModelError(JobError):
    """A question was not answered."""


class UnusableAnswerError(ModelError):
    """The model's answer is none: not what was asked for, twice, or cut off, or far too long."""


class RefusedAnswerError(ModelError):
    """The model, or the filter in front of it, does not want to answer."""


class UnreachableModelError(ModelError):
    """The endpoint lets nobody in, did not answer in time, or only with errors of its own."""


class CapReachedError(ModelError):
    """The request could have cost more than is left; it was not sent.

    `cap` is the setting's name.
    """

    def __init__(self, cap: str, message: str) -> None:
        super().__init__(message)
        self.cap = cap
