"""Where we may connect to: https at public hosts, at the very address that was checked.

An endpoint comes from a browser, so from anybody: without this, a subscription could
make our servers ask questions inside our own network.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from campaigns.channels.base import BadAddress

MAX_LENGTH = 2048
DNS_SECONDS = 300

_DEFAULT_PORTS = {"https": 443, "http": 80}
_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


class UnsafeEndpoint(BadAddress):
    """An endpoint we do not connect to."""


def parse_endpoint(endpoint: str, *, allowed_origins: frozenset[str]) -> URL:
    """The URL to post to, byte for byte as given; UnsafeEndpoint says what is wrong.

    Names are judged by PublicResolver, when they are resolved for the connection.
    """
    url = _parsed(endpoint)
    if origin_of(url) in allowed_origins:
        return url
    if url.scheme != "https":
        raise UnsafeEndpoint("the endpoint is not https")
    if _door(url) in {_door(URL(origin)) for origin in allowed_origins}:
        raise UnsafeEndpoint("the endpoint is a test origin under another scheme")
    literal = _literal(url.raw_host or "")
    if literal is not None and not is_public(literal):
        raise UnsafeEndpoint(f"{literal} is not a public address")
    return url


def origin_of(url: URL) -> str:
    """Scheme, host and port as RFC 6454 writes them, e.g. https://push.example:8443."""
    host = (url.raw_host or "").lower()
    host = f"[{host}]" if ":" in host else host
    default = _DEFAULT_PORTS.get(url.scheme)
    return f"{url.scheme}://{host}" + ("" if url.port == default else f":{url.port}")


def origins(urls: Iterable[str]) -> frozenset[str]:
    """The origins of these URLs, for `allowed_origins`; or UnsafeEndpoint."""
    return frozenset(origin_of(_parsed(url)) for url in urls)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is on the open internet, and what it embeds is too."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour is not None and not is_public(address.sixtofour):
        return False
    return address in _GLOBAL_UNICAST and address.is_global


class PublicResolver(AbstractResolver):
    """Resolves a name and refuses it if any of its addresses is not public.

    aiohttp connects to the addresses that this answers and asks nobody again, so a
    name that changes its mind between check and connection gains nothing.
    """

    def __init__(
        self, allowed_origins: frozenset[str], inner: AbstractResolver | None = None
    ) -> None:
        self._exempt = {_door(URL(origin)) for origin in allowed_origins}
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host; UnsafeEndpoint if it is not wholly public."""
        found = await self._inner.resolve(host, port, family)
        if (host.lower(), port) not in self._exempt:
            for result in found:
                _refuse_private(host, result["host"])
        return found

    async def close(self) -> None:
        """Close the resolver inside."""
        await self._inner.close()


def connector(
    *,
    allowed_origins: frozenset[str],
    limit: int,
    resolver: AbstractResolver | None = None,
) -> aiohttp.TCPConnector:
    """Connections that only ever reach what PublicResolver let through.

    IP literals never reach a resolver: pass every URL through parse_endpoint first.
    """
    return aiohttp.TCPConnector(
        resolver=PublicResolver(allowed_origins, resolver),
        ttl_dns_cache=DNS_SECONDS,
        limit=limit,
    )


def _parsed(endpoint: str) -> URL:
    if len(endpoint) > MAX_LENGTH:
        raise UnsafeEndpoint("the endpoint is too long")
    if not (endpoint.isascii() and endpoint.isprintable()) or " " in endpoint:
        raise UnsafeEndpoint("the endpoint has characters that no URL has")
    try:
        # encoded: a push service's path is its own business, we must not requote it.
        url = URL(endpoint, encoded=True)
        host, port = url.raw_host, url.port
    except ValueError as error:
        raise UnsafeEndpoint("the endpoint is not a URL") from error
    if url.scheme not in _DEFAULT_PORTS or not host or not port:
        raise UnsafeEndpoint("the endpoint is not a web address")
    if url.raw_user is not None or url.raw_password is not None:
        raise UnsafeEndpoint("the endpoint carries a user name")
    # 2130706433 and 127.1 are addresses to a socket, so they must not pass as names.
    numeric = host.replace(".", "").isdigit()
    if _literal(host) is None and (numeric or not _HOST_NAME.fullmatch(host)):
        raise UnsafeEndpoint("the endpoint's host is not a host name")
    return url


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _refuse_private(host: str, address: str) -> None:
    literal = _literal(address.partition("%")[0])
    if literal is None or not is_public(literal):
        raise UnsafeEndpoint(f"{host} is at {address}, which is not a public address")


def _door(url: URL) -> tuple[str, int]:
    return (url.raw_host or "").lower(), url.port or 0
