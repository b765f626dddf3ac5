"""What are the product's events, funnels, cohorts and currencies called? As parameters."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from scheduler.job import Listed, Params


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


def _currency(code: str) -> str:
    if not (len(code) == 3 and code.isascii() and code.isalpha()):
        raise ValueError("must be the three letters of a currency, such as usd")
    return code.lower()


Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_without_nul)]
Names: TypeAlias = Annotated[Listed[Name], Field(max_length=50)]
Slug: TypeAlias = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_without_nul)]
Slugs: TypeAlias = Annotated[Listed[Slug], Field(min_length=1, max_length=1_000)]
"""Not an empty list, by which somebody could mean all, or none: all are meant where it is left
out."""
Currency: TypeAlias = Annotated[str, AfterValidator(_currency)]
"""In either case; lower case is what comes out."""


class EventNames(Params):
    """An event that has one of the names counts; no names, no count."""

    page_view_events: Names = ("page_view",)
    """Events that are a page view."""
    generation_events: Names = ("generation_completed",)
    """Events that are a generation; those that failed are none."""
    request_events: Names = ("api_request",)
    """Events that are a request. Those in `error_events` are requests too."""
    error_events: Names = ("api_error",)
    """Events that are a request that failed."""
