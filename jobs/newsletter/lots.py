"""How are contacts sent in lots, so that one that is refused does not hold up the rest?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from jobs.newsletter.provider import Contact, Outcome, ProviderError, RefusedError

T = TypeVar("T")

MOST_REFUSED = 20
"""Of one lot, one by one; above that it is not the contacts."""


def in_lots(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def each_that_is_taken(
    contacts: Sequence[Contact],
    send: Callable[[Sequence[Contact]], Awaitable[list[Outcome]]],
) -> list[Outcome]:
    """Send the lot; where it is refused as a whole, its halves, down to who is to blame.

    Raises `ProviderError` where so many are refused one by one that it cannot be the contacts, and
    where there is no such list (404).
    """
    outcomes: list[Outcome] = []
    refused = 0
    waiting = [contacts] if contacts else []
    while waiting:
        lot = waiting.pop()
        try:
            outcomes += await send(lot)
        except RefusedError as error:
            if error.status == 404:
                raise
            if len(lot) == 1:
                refused += 1
                if refused > MOST_REFUSED:
                    raise ProviderError(
                        f"{error} (and so for more than {MOST_REFUSED} contacts, one by one)"
                    ) from error
                outcomes.append(Outcome(lot[0].email, "refused", message=error.sentence))
            else:
                middle = len(lot) // 2
                waiting += [lot[middle:], lot[:middle]]
    return outcomes
