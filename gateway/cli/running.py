"""Asks a running gateway: by its socket on this machine, or by URL and admin key. See gateway/config/runtime.py."""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from gateway.cli.console import EXIT_AWAY, EXIT_DENIED, EXIT_MISUSE, Failed, found_files
from gateway.config.runtime import is_alive, sockets
from gateway.json import dumps, loads

TIMEOUT_S = 60.0  # a reload of many files and a slow disk
KEY_VARIABLE = "GATEWAY_ADMIN_KEY"
MAX_ANSWER_BYTES = 67_108_864  # a configuration with very many routes; more is no gateway

Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Reach:
    """How the command line says which gateway is meant."""

    files: tuple[Path, ...] = ()
    url: str | None = None
    key: str | None = field(default=None, repr=False)
    pid: int | None = None


def reaching(command: Command) -> Command:
    """Give a command FILES, --pid, --url and --key-file; it takes `reach`."""
    options = [
        click.argument("files", nargs=-1, type=click.Path(path_type=Path)),
        click.option("--pid", type=int, help="Of several on the same files, the one with this process id."),
        click.option("--url", help="Of a gateway elsewhere, such as https://ai.example.com; asks with an admin key."),
        click.option(
            "--key-file", type=click.File(), help=f"Holds the admin key for --url; else ${KEY_VARIABLE} does."
        ),
    ]

    def reached(files: tuple[Path, ...], pid: int | None, url: str | None, key_file: Any, **others: Any) -> Any:
        if url is not None and (files or pid is not None):
            raise click.UsageError("--url names a gateway elsewhere: FILES and --pid are for one on this machine")
        key = key_file.read().strip() if key_file is not None else os.environ.get(KEY_VARIABLE)
        return command(Reach(files, url, key, pid), **others)

    reached.__doc__ = command.__doc__
    reached.__name__ = command.__name__
    for option in reversed(options):
        reached = option(reached)
    reached.__dict__.setdefault("__click_params__", []).extend(getattr(command, "__click_params__", []))
    return reached


@dataclass(frozen=True, slots=True)
class Running:
    """One gateway that answers."""

    name: str  # for messages
    connect: Callable[[float], http.client.HTTPConnection] = field(repr=False)
    key: str | None = field(default=None, repr=False)
    prefix: str = ""

    def ask(self, method: str, path: str, body: Any = None, *, timeout_s: float = TIMEOUT_S) -> Any:
        """Return the answer. Fails with 69 where nothing answers, 77 where the key is refused, else with 1."""
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {self.key}"} if self.key else {})
        try:
            connection = self.connect(timeout_s)
            try:
                connection.request(method, self.prefix + path, dumps(body) if body is not None else None, headers)
                response = connection.getresponse()
                status, data = response.status, response.read(MAX_ANSWER_BYTES)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"{self.name} does not answer: {_reason(error)}", EXIT_AWAY) from error
        return self._read(status, data)

    def _read(self, status: int, data: bytes) -> Any:
        try:
            answer = loads(data)
        except ValueError as error:
            raise Failed(f"{self.name} answers {status} and no JSON: this is no gateway's /admin", EXIT_AWAY) from error
        if status < 300:
            return answer
        told = answer.get("error") if isinstance(answer, dict) else None
        message = told.get("message") if isinstance(told, dict) else f"status {status}"
        raise Failed(f"{self.name}: {message}", EXIT_DENIED if status in (401, 403) else 1)


def find(reach: Reach) -> Running:
    """Return the gateway that is meant. Fails with 69 where there is none, with 64 where there are several."""
    found = find_all(reach)
    if len(found) > 1:
        names = ", ".join(running.name for running in found)
        raise Failed(f"several run on these files ({names}); say which with --pid", EXIT_MISUSE)
    return found[0]


def find_all(reach: Reach) -> list[Running]:
    """Return all that are meant, at least one: several may run on the same files. Fails with 69 or 64."""
    if reach.url is not None:
        return [_remote(reach.url, reach.key)]
    files = found_files(reach.files)
    found = [
        Running(f"gateway {pid}", _by_socket(path))
        for pid, path in sockets(files, os.environ)
        if reach.pid in (None, pid) and is_alive(path)
    ]
    if not found:
        which = f"with process id {reach.pid} " if reach.pid is not None else ""
        raise Failed(
            f"no gateway {which}runs on {files.routes} as this user; start it (gateway run), name its files, "
            "or reach one elsewhere by --url and an admin key",
            EXIT_AWAY,
        )
    return found


def _remote(url: str, key: str | None) -> Running:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Failed(f"--url {url!r} is no address; write https://ai.example.com", EXIT_MISUSE)
    if parts.username is not None:
        raise Failed("--url takes no user and password; the key goes into --key-file", EXIT_MISUSE)
    if not key:
        raise Failed(f"--url takes an admin key as well: --key-file FILE, or ${KEY_VARIABLE}", EXIT_MISUSE)
    host = parts.hostname
    try:
        port = parts.port
    except ValueError as error:
        raise Failed(f"--url {url!r} has a port that is none", EXIT_MISUSE) from error
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return Running(url, lambda timeout_s: make(host, port, timeout=timeout_s), key, parts.path.rstrip("/"))


def _by_socket(path: Path) -> Callable[[float], http.client.HTTPConnection]:
    return lambda timeout_s: _SocketConnection(path, timeout_s)


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self._timeout_s = timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(str(self._path))


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return f"what answers is no HTTP ({type(error).__name__})"
