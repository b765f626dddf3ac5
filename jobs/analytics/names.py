"""What are the product's events called? Parameters that the rollups share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field, StringConstraints

from scheduler.job import Params

Name: TypeAlias = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00]+$")]
Names: TypeAlias = Annotated[tuple[Name, ...], Field(max_length=50)]


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
