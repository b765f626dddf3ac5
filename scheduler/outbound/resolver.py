"""How is a name resolved so that the connection goes where the look went?

Every address of a name is looked at, and aiohttp connects to one of those: a name that changes
between the look and the call gains nothing.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(host: str, port: int) -> Sequence[str]:
    """The IP addresses of `host`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def checking_resolver(resolve: Resolve, may_reach: Callable[[str], bool]) -> AbstractResolver:
    """For aiohttp; a name with an address that may not be reached cannot be resolved."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    class CheckingResolver(AbstractResolver):
        async def resolve(
            self,
            host: str,
            port: int = 0,
            family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - both kinds serve
        ) -> list[ResolveResult]:
            addresses = await resolve(host, port)
            if not addresses or not all(map(may_reach, addresses)):
                # One bad address is enough: which one would be taken is not ours to hope for.
                raise PermissionError(
                    errno.EACCES, "its name leads to an address that is not of the open internet"
                )
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
                for address in addresses
            ]

        async def close(self) -> None:
            """Nothing is kept open."""

    return CheckingResolver()
