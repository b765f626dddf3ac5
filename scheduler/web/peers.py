"""From which address a request comes, where proxies that are trusted may stand in between."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import web

MOST_HOPS = 32
"""Entries of `X-Forwarded-For` that are looked at, from the nearest."""


class Peers:
    """`trusted` are the addresses and networks whose `X-Forwarded-For` is believed."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted = [ip_network(part, strict=False) for part in trusted]

    def address(self, request: web.BaseRequest) -> str:
        """The peer's address, or what the trusted proxies say of the first that is none of them."""
        peer = _parse(request.remote or "")
        if peer is None:
            return "local"
        if not self._trusted:
            return str(peer)
        told = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        for part in reversed(told[-MOST_HOPS:]):
            if not self._is_trusted(peer):
                break
            before = _parse(part.strip())
            if before is None:
                break
            peer = before
        return str(peer)

    def scheme(self, request: web.BaseRequest) -> str:
        """`https` where a trusted proxy says that this is how it was asked."""
        told = self._told(request, "X-Forwarded-Proto")
        return "https" if "https" in told else "http"

    def forwarded_host(self, request: web.BaseRequest) -> str:
        """The name that a trusted proxy was asked by; empty where none tells."""
        told = self._told(request, "X-Forwarded-Host")
        return told[-1] if told else ""

    def _told(self, request: web.BaseRequest, name: str) -> list[str]:
        """What trusted proxies say, the nearest last."""
        peer = _parse(request.remote or "")
        if peer is None or not self._is_trusted(peer):
            return []
        parts = ",".join(request.headers.getall(name, ())).lower().split(",")
        return [part.strip() for part in parts if part.strip()]

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
