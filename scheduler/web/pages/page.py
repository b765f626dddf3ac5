"""How is a page declared, and what is done for every one of them: session, form, redirect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from aiohttp import web

from scheduler.web.answers import Elsewhere, Refusal
from scheduler.web.auth import Access
from scheduler.web.body import MOST_WRITTEN, read_body
from scheduler.web.front import MAX_BODY
from scheduler.web.pages.origin import check_origin, is_https
from scheduler.web.route import Handler, Route
from scheduler.web.sessions import FLASH, FLASH_SECONDS, MOST_FLASH, SESSION, Session

MOST_FIELDS = 500
CSRF = "csrf"
STALE = "this form is from an earlier session; open the page again and send it once more"

Change = Callable[[web.Request, "Form"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Form:
    """What a form sent; a name may stand in it several times."""

    pairs: tuple[tuple[str, str], ...]

    def text(self, name: str) -> str | None:
        """The last value of that name, None where it is missing or blank."""
        values = self.all(name)
        return values[-1].strip() or None if values else None

    def all(self, name: str) -> list[str]:
        return [value for given, value in self.pairs if given == name]

    def starting(self, prefix: str) -> Mapping[str, list[str]]:
        """The values by name, of names with that prefix, which is taken off."""
        found: dict[str, list[str]] = {}
        for name, value in self.pairs:
            if name.startswith(prefix):
                found.setdefault(name.removeprefix(prefix), []).append(value)
        return found


def page(path: str, handler: Handler, menu: str | None = None) -> tuple[Route, ...]:
    """A page at `path`; `menu` is its word in the navigation."""

    async def shown(request: web.Request) -> web.StreamResponse:
        _session(request)
        return await handler(request)

    return (
        Route("GET", path, Access.PAGE, shown, menu or "", {}, menu=menu),
        Route("HEAD", path, Access.PAGE, shown, menu or "", {}),
    )


def change(path: str, handler: Change) -> Route:
    """What a form of a page is sent to.

    The handler gets it only from a form of this session, and ends with `done`.
    """

    async def sent(request: web.Request) -> web.StreamResponse:
        session = _session(request)
        check_origin(request)
        form = await read_form(request, MOST_WRITTEN)
        if not session.is_csrf(form.text(CSRF) or ""):
            raise Refusal(403, STALE)
        return await handler(request, form)

    return Route("POST", path, Access.PAGE, sent, "", {})


async def read_form(request: web.Request, most: int = MAX_BODY) -> Form:
    """Raises a `Refusal` for anything that no form of ours would send."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refusal(415, "a form is expected", close=True)
    body = await read_body(request, most)
    try:
        pairs = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError as error:
        raise Refusal(
            400, f"the form is not UTF-8 text, or has over {MOST_FIELDS} fields"
        ) from error
    if any("\x00" in name or "\x00" in value for name, value in pairs):
        raise Refusal(422, "the form has a NUL character")
    return Form(tuple((name, value.replace("\r\n", "\n")) for name, value in pairs))


def done(request: web.Request, location: str, said: str, *, good: bool = True) -> web.Response:
    """Back to a page, which then says what was done, or why it was not."""
    response = Elsewhere(location).answer()
    text = said
    while len(text.encode()) > MOST_FLASH // 2:
        text = text[: len(text) // 2] + "…"
    response.set_cookie(
        FLASH,
        _session(request).sealed({"said": text, "good": good}),
        max_age=FLASH_SECONDS,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=is_https(request),
    )
    return response


def _session(request: web.Request) -> Session:
    session: Session | None = request.get(SESSION)
    if session is None:
        raise Refusal(401, "log in first")
    return session
