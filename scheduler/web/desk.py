"""One transaction for a handler, with a few seconds; what goes wrong in it becomes an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from aiohttp import web
from asyncpg import QueryCanceledError

from scheduler.db.pools import AWAY, describe
from scheduler.endpoint import Desk
from scheduler.errors import ConflictError, DatabaseAwayError, NotFoundError
from scheduler.job import Connection
from scheduler.params import ParamsError
from scheduler.web.answers import Refusal
from scheduler.web.arguments import refusal_of_params
from scheduler.web.keys import DAEMON

TOO_SLOW = "the database did not answer in time; try again in a moment"


@asynccontextmanager
async def at_desk(request: web.Request) -> AsyncIterator[tuple[Desk, Connection]]:
    """Commits on leaving. Raises `Refusal`, or `DatabaseAwayError`."""
    desk = await request.app[DAEMON].desk()
    try:
        async with desk.db.transaction() as connection:
            yield desk, connection
    except NotFoundError as error:
        raise Refusal(404, str(error)) from error
    except ConflictError as error:
        raise Refusal(409, str(error)) from error
    except ParamsError as error:
        raise refusal_of_params(error) from error
    except (TimeoutError, QueryCanceledError) as error:
        raise Refusal(503, TOO_SLOW, headers={"Retry-After": "5"}) from error
    except AWAY as error:
        raise DatabaseAwayError(f"the database is away: {describe(error)}") from error


def id_asked(request: web.Request, what: str) -> UUID:
    """The id in the path. Raises a 404 for one that cannot be."""
    try:
        return UUID(request.match_info["id"])
    except ValueError:
        raise Refusal(404, f"there is no such {what}") from None
