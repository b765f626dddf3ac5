"""Which addresses may be called? Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import TypeAlias
from urllib.parse import urlsplit

HTTPS = 443
DEFAULT_PORTS = {"https": HTTPS, "http": 80}
LONGEST = 2_000
NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressError(ValueError):
    """An address that may not be called; the text says why."""


def split_url(url: str, schemes: Collection[str] = ("https",)) -> tuple[str, int]:
    """The host and port of `url`, if it has one of these schemes and names a host.

    Raises `AddressError` for what readers of addresses disagree about, for a user name or password,
    and for an IP address in the place of a name.
    """
    # Spaces, controls and backslashes are where readers of addresses begin to disagree.
    if any(not "!" <= character <= "~" or character == "\\" for character in url):
        raise AddressError("may hold printable ASCII characters only, and no backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressError("is no address") from None
    if parts.scheme not in schemes:
        raise AddressError(f"must begin with {' or '.join(f'{one}://' for one in schemes)}")
    if "@" in parts.netloc:
        raise AddressError("may hold no user name or password")
    host = parts.hostname or ""
    # Names of numbers only are addresses in disguise: 2130706433, 127.1, 0x7f000001.
    last = host.rpartition(".")[2]
    if not host or ":" in host or last.isdigit() or last.startswith("0x"):
        raise AddressError("must name a host, not an IP address")
    return host, DEFAULT_PORTS[parts.scheme] if port is None else port


def check_url(url: str, hosts: Collection[str]) -> tuple[str, int]:
    """The host and port of `url`, if it is https and its host is one of `hosts`.

    An entry of `hosts` is a name, for port 443, or `name:port`. Raises `AddressError`.
    """
    host, port = split_url(url)
    if (f"{host}:{port}" if port != HTTPS else host) not in hosts and f"{host}:{port}" not in hosts:
        raise AddressError("its host is not in WEBHOOK_HOSTS, or not with this port")
    return host, port


def check_ping(url: str, hosts: Collection[str]) -> bool:
    """Whether the host of a dead man's switch is one of `hosts`, whose address may be any.

    It is https, and http too for those. Raises `AddressError`.
    """
    host, port = split_url(url, ("https", "http"))
    if "#" in url:
        raise AddressError("may hold no #")
    if len(url) > LONGEST:
        raise AddressError(f"is too long; allowed are {LONGEST:,} characters")
    listed = f"{host}:{port}" in hosts or (port in DEFAULT_PORTS.values() and host in hosts)
    if not listed and url[:8].lower() != "https://":
        raise AddressError("must begin with https://, as its host is not in PING_HOSTS")
    return listed


def is_public(address: str) -> bool:
    """Whether the IP address is one of the open internet, not of this machine or its network."""
    try:
        found: Address = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = _inner(found) if isinstance(found, ipaddress.IPv6Address) else None
    if inner is not None:
        return is_public(str(inner))
    is_local = isinstance(found, ipaddress.IPv6Address) and (
        found.is_site_local or found.teredo is not None
    )
    return found.is_global and not (found.is_multicast or found.is_reserved or is_local)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that is reached through this one."""
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
