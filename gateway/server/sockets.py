"""Sockets that several processes listen on: one for each, on one address, among which the system spreads clients."""

from __future__ import annotations

import os
import socket

from gateway.config.model import Server


class CannotListen(Exception):
    """The address of the configuration is taken, or none of this machine's."""


def cannot_listen(server: Server, error: OSError) -> CannotListen:
    """Return what to raise for an address that cannot be listened on."""
    is_named = isinstance(error, socket.gaierror) or error.errno is None
    reason = (error.strerror or str(error)) if is_named else os.strerror(error.errno or 0)
    return CannotListen(
        f"cannot listen on {server.host}:{server.port}: {reason.lower()}; "
        "end what listens there, or give another server.listen (GATEWAY_LISTEN)"
    )


def url_of(address: tuple[str, int]) -> str:
    """Return the URL of an address that is listened on, as it is reached from this machine."""
    host, port = address[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def bind(server: Server, count: int) -> list[list[socket.socket]]:
    """Return `count` times a socket for each address of the host, bound and not listening yet. Raises CannotListen."""
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        addresses = list(dict.fromkeys((family, address[0]) for family, _, _, _, address in found))
        port = server.port
        for family, host in addresses:  # would share the port with whoever shares it too, such as another gateway
            with _socket(family) as alone:
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind((host, port))
                port = alone.getsockname()[1]
        return [[_shared(family, str(host), port) for family, host in addresses] for _ in range(count)]
    except OSError as error:
        raise cannot_listen(server, error) from error


def _shared(family: int, host: str, port: int) -> socket.socket:
    made = _socket(family)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((host, port))
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def _socket(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # 0.0.0.0 has a socket of its own
    return made
