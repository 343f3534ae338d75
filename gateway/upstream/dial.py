"""Makes connections: names are looked up once a minute, addresses tried side by side, and certificates checked."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, TypeVar

import aiohappyeyeballs

from gateway.errors import UpstreamUnreachable
from gateway.upstream.origin import Origin

P = TypeVar("P", bound=asyncio.Protocol)

NAME_TTL_S = 60.0  # the system's resolver does not tell how long an address holds
NEXT_ADDRESS_S = 0.25  # RFC 8305, 5: an address that does not answer by then is raced by the next

Address = tuple[Any, ...]  # of socket.getaddrinfo


class Dialler:
    """What is known of names, and the settings of TLS. Both are had when they are first needed."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._lookups: dict[tuple[str, int], asyncio.Task[list[Address]]] = {}
        self._tls: ssl.SSLContext | None = None

    async def connect(self, origin: Origin, make: Callable[[], P], within_s: float) -> P:
        """Return the protocol of a new connection. Raises UpstreamUnreachable: nothing was sent then."""
        try:
            async with asyncio.timeout(within_s):
                return await self._connect(origin, make)
        except TimeoutError as error:
            raise UpstreamUnreachable(f"no connection to {origin.host} within {within_s:g} s") from error
        except OSError as error:
            self._names.pop((origin.host, origin.port), None)  # it may have moved
            raise UpstreamUnreachable(f"no connection to {origin.host}: {_cause(error)}") from error

    async def _connect(self, origin: Origin, make: Callable[[], P]) -> P:
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if origin.is_tls:
            if self._tls is None:
                self._tls = await asyncio.to_thread(_tls)
            tls = {"ssl": self._tls, "server_hostname": origin.host}
        addresses = await self._addresses(origin)
        sock = await aiohappyeyeballs.start_connection(
            addr_infos=addresses, happy_eyeballs_delay=NEXT_ADDRESS_S, interleave=1
        )
        try:
            _, protocol = await loop.create_connection(make, sock=sock, **tls)
        except BaseException:
            sock.close()
            raise
        return protocol

    async def _addresses(self, origin: Origin) -> list[Address]:
        """Return where the host is. Whoever asks while it is looked up waits for the same answer."""
        if literal := _literal(origin):
            return [literal]
        key = (origin.host, origin.port)
        loop = asyncio.get_running_loop()
        ends_s, addresses = self._names.get(key, (0.0, []))
        if addresses and loop.time() < ends_s:
            return addresses
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = asyncio.create_task(self._look_up(key), name=f"address of {origin.host}")
            lookup.add_done_callback(lambda done: self._looked_up(key, done))
        return await asyncio.shield(lookup)

    async def _look_up(self, key: tuple[str, int]) -> list[Address]:
        loop = asyncio.get_running_loop()
        flags = socket.AI_ADDRCONFIG
        found: list[Address] = list(await loop.getaddrinfo(*key, type=socket.SOCK_STREAM, flags=flags))
        self._names[key] = (loop.time() + NAME_TTL_S, found)
        return found

    def _looked_up(self, key: tuple[str, int], lookup: asyncio.Task[list[Address]]) -> None:
        del self._lookups[key]
        if not lookup.cancelled():
            lookup.exception()  # has been seen, also where nobody waited for it any longer

    async def aclose(self) -> None:
        """Wait for no name any longer; a thread that asks for one ends by itself."""
        lookups = list(self._lookups.values())
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)


def _tls() -> ssl.SSLContext:
    """Reads the system's certificates, which takes milliseconds."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context


def _literal(origin: Origin) -> Address | None:
    """Return the address that a host of digits is, else None."""
    if not origin.host[-1].isdigit() and ":" not in origin.host:
        return None
    try:
        is_v6 = ip_address(origin.host).version == 6
    except ValueError:
        return None
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    place = (origin.host, origin.port, 0, 0) if is_v6 else (origin.host, origin.port)
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place


def _cause(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is not known to DNS"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its TLS certificate was not accepted"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    return (error.strerror or type(error).__name__).lower()
