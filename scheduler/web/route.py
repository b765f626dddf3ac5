"""What a route is: one declaration, from which both the router and `/openapi.json` are made."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from scheduler.web.auth import Access

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Schema = Mapping[str, Any]

PARAMETER = re.compile(r"\{(\w+)(?::[^{}]+)?\}")


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    """aiohttp's pattern, `/api/v1/jobs/{name:.+}`."""
    access: Access
    handler: Handler
    summary: str
    answers: Mapping[int, str]
    """For each success, and each error that only this route has: the name of its schema."""
    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    body: type[BaseModel] | None = None
    runs_job: bool = False
    """Documented once for each job, whose parameters it takes."""
    text: bool = False
    """Whether it answers with text instead of JSON; its errors are JSON all the same."""
    menu: str | None = None
    """A page's word in the navigation."""

    @property
    def documented_path(self) -> str:
        return PARAMETER.sub(r"{\1}", self.path)

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.path)
