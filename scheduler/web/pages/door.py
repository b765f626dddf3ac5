"""Who may see a page: whoever has a session; others are sent to the login. Errors are pages too."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from aiohttp import web

from scheduler.errors import DatabaseAwayError
from scheduler.web.answers import Elsewhere, Refusal
from scheduler.web.keys import Daemon
from scheduler.web.pages.rendering import Templates, page_response
from scheduler.web.sessions import SESSION, Session, Sessions

TITLES = {
    400: "That could not be understood",
    401: "Log in first",
    403: "That is not allowed",
    404: "There is nothing here",
    409: "That is not possible now",
    422: "Something in the form is not right",
    429: "Too many attempts",
    500: "The daemon failed to answer",
    503: "Not now",
}


class Door:
    """For the front, which knows of pages only this."""

    def __init__(self, sessions: Sessions, templates: Templates, daemon: Daemon) -> None:
        self._sessions = sessions
        self._templates = templates
        self._daemon = daemon

    async def let_in(self, request: web.BaseRequest) -> None:
        session = await self._sessions.of(request)
        if session is not None and not await self._is_ended(session):
            request[SESSION] = session
            return
        if request.headers.get("HX-Request") == "true":
            # A part of a page that is open: the page itself has to go to the login.
            there = _login(_path_of(request.headers.get("HX-Current-URL", "/")))
            raise Refusal(401, "log in first", headers={"HX-Redirect": there})
        if request.method in {"GET", "HEAD"}:
            raise Elsewhere(_login(request.rel_url.raw_path_qs))
        there = _login(_path_of(request.headers.get("Referer", "/")), lost=True)
        raise Elsewhere(there)

    async def _is_ended(self, session: Session) -> bool:
        """Whether somebody has logged out. Where the database is away, nobody knows."""
        if self._daemon.health.ready() is not None:
            return False
        try:
            return await self._daemon.sessions.is_ended(session.id)
        except DatabaseAwayError:
            return False

    async def say(self, request: web.BaseRequest, refusal: Refusal) -> web.Response:
        session = request.get(SESSION)
        context = {
            "title": TITLES.get(refusal.status, "That did not work"),
            "refusal": refusal,
            "session": session,
            "csrf": session.csrf if session else "",
            "here": request.path,
            "daemon_version": self._daemon.version,
            "flash": None,
        }
        text = await self._templates.render("error.html", context)
        response = page_response(text, refusal.status)
        if refusal.headers:
            response.headers.update(refusal.headers)
        if refusal.close:
            response.force_close()
        return response


def own_path(path: str | None) -> str:
    """A path of this site to go on to after the login; `/` instead of anything else."""
    if not path or not path.startswith("/") or path[1:2] in {"/", "\\"} or not path.isprintable():
        return "/"
    return "/" if urlsplit(path).path in {"/login", "/logout"} else path


def _login(path: str, *, lost: bool = False) -> str:
    query = [f"next={quote(own_path(path), safe='/')}"] if own_path(path) != "/" else []
    query += ["lost=1"] if lost else []
    return "/login" + ("?" + "&".join(query) if query else "")


def _path_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "/"
    return parts.path + (f"?{parts.query}" if parts.query else "")
