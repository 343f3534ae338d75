"""What `gateway doctor` looks at, one function each: what was found, and what to do about it."""

from __future__ import annotations

import os
import resource
import shutil
import socket
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from gateway.cli.console import Failed
from gateway.cli.db import look
from gateway.cli.running import Reach, Running, find_all
from gateway.cli.version import versions
from gateway.config.files import Files
from gateway.config.load import Reading
from gateway.config.model import Config, Server
from gateway.config.runtime import NoFolder, own_folder
from gateway.stores.database import FILE, LedgerAway, at_once
from gateway.types import Provider

Severity = Literal["ok", "warning", "error"]

MIN_OPEN_FILES = 4096  # two descriptors a request: the client's connection and the vendor's
LOW_DISK_BYTES, NO_DISK_BYTES = 1_000_000_000, 50_000_000  # a million rows of the ledger take 0.4 GB
REDIS_TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    about: str
    severity: Severity
    message: str
    remedy: str = ""


def packages() -> Iterator[Finding]:
    """The packages that the core needs, and which extras are there."""
    found = versions()
    missing = [name for name, version, extra in found if version is None and extra is None]
    if missing:
        yield Finding(
            "packages", "error", f"not installed: {', '.join(missing)}", "install the gateway again, with pip"
        )
    extras = sorted({extra for _, _, extra in found if extra})
    there = [one for one in extras if all(version for _, version, extra in found if extra == one)]
    if not missing:
        yield Finding("packages", "ok", f"the core is complete; extras: {', '.join(there) or 'none'}")


def configuration(reading: Reading) -> Iterator[Finding]:
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    warnings = len(reading.problems) - len(errors)
    if errors:
        told = f"{len(errors)} problem{'s' * (len(errors) != 1)}, the first: {errors[0]}"
        yield Finding("configuration", "error", told, "gateway check shows all, with their lines")
    elif warnings:
        yield Finding("configuration", "warning", f"sound, with {warnings} warnings", "gateway check shows them")
    else:
        yield Finding("configuration", "ok", "sound")


def secrets(files: Files) -> Iterator[Finding]:
    """Files that hold keys and that other users of this machine can read."""
    for folder in files.folders:
        path = folder / ".env"
        if path.is_file() and path.stat().st_mode & 0o044:
            yield Finding("secrets", "warning", f"{path} can be read by other users", f"chmod 600 {path}")


def models(config: Config) -> Iterator[Finding]:
    """Models that nobody serves, and providers that are off."""
    for alias in config.models:
        if not alias.targets:
            reasons = "; ".join(f"{target}: {reason}" for target, reason in alias.off) or "it has no targets"
            yield Finding("models", "warning", f"nobody serves {alias.pattern}: {reasons}", "set what is missing")
    off = {name: row.off_reason for name, row in config.providers.items() if row.off_reason}
    on = len(config.providers) - len(off)
    yield Finding("providers", "ok" if on else "error", f"{on} on, {len(off)} off", "" if on else "turn one on")


def limits_of_the_process() -> Iterator[Finding]:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft != resource.RLIM_INFINITY and soft < MIN_OPEN_FILES:
        remedy = "ulimit -n 65536, or LimitNOFILE=65536 in its unit"
        yield Finding("open files", "warning", f"at most {soft}: about {soft // 2} requests at once", remedy)
    else:
        yield Finding("open files", "ok", f"at most {'any number' if soft == resource.RLIM_INFINITY else soft}")
    try:
        own_folder(os.environ)
    except NoFolder as error:
        yield Finding("commands", "warning", f"no folder for the socket: {error}", "set XDG_RUNTIME_DIR")


def process(files: Files, server: Server) -> Iterator[Finding]:
    """The gateway that runs on the files; where none does, whether its address is free."""
    try:
        running = find_all(Reach((files.routes, files.providers)))
    except Failed:
        yield _address(server)
        return
    for one in running:
        yield from _asked(one)


def _asked(running: Running) -> Iterator[Finding]:
    try:
        status = running.ask("GET", "/admin/status")
        outcome = running.ask("GET", "/admin/config/diff")
    except Failed as error:
        yield Finding("process", "error", error.message, "look at its log, and start it again")
        return
    stops = ", and is stopping" if status["is_draining"] else ""
    yield Finding("process", "ok", f"{running.name} serves {status['generation']} at {status['url']}{stops}")
    if outcome["changes"]:
        told = f"the files differ from what {running.name} serves by, in {len(outcome['changes'])} things"
        yield Finding("process", "warning", told, "gateway diff shows them, gateway reload applies them")


def _address(server: Server) -> Finding:
    place = f"{server.host}:{server.port}"
    try:
        family = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((server.host, server.port))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = "end what listens there, or give another server.listen (GATEWAY_LISTEN)"
        return Finding("address", "error", f"{place} cannot be listened on: {reason}", remedy)
    return Finding("address", "ok", f"no gateway runs on these files; {place} is free")


def database(config: Config) -> Iterator[Finding]:
    url = config.database_url
    if not url:
        yield Finding("ledger", "ok", "there is none (stores.database_url)")
        return
    if url.startswith(FILE):
        path = Path(url.removeprefix(FILE))
        yield from _folder(path)
        if not path.exists():
            yield Finding("ledger", "ok", f"{path} is made by the first start")
            return
    try:
        found = at_once(url, look, read_only=True)
    except LedgerAway as error:
        yield Finding("ledger", "error", str(error), "start or free it, or name another in stores.database_url")
        return
    if found.version > found.known:
        told = f"{found.database} has version {found.version}, this gateway knows {found.known}"
        yield Finding("ledger", "error", told, "run the newer gateway")
    else:
        yield Finding("ledger", "ok", f"{found.database}: {found.rows} rows, {found.open_rows} of them open")


def _folder(path: Path) -> Iterator[Finding]:
    """Whether the file can be written, and whether there is room."""
    folder = next(parent for parent in path.parents if parent.is_dir())
    if not os.access(path if path.exists() else folder, os.W_OK):
        yield Finding("ledger", "error", f"{path} cannot be written", "let the gateway's user own its folder")
    free = shutil.disk_usage(folder).free
    if free < LOW_DISK_BYTES:
        severity: Severity = "error" if free < NO_DISK_BYTES else "warning"
        yield Finding("disk", severity, f"{free / 1e6:.0f} MB are free at {folder}", "make room, or move the ledger")


def redis(config: Config) -> Iterator[Finding]:
    if not config.redis_url:
        return
    from redis import Redis  # of the extra; the configuration is refused without it
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(
            config.redis_url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
        ) as client:
            client.ping()
    except (RedisError, OSError) as error:
        told = f"does not answer ({type(error).__name__}); until it does each process counts by itself"
        yield Finding("redis", "warning", told, "start it, or mend stores.redis_url (REDIS_URL)")
    else:
        yield Finding("redis", "ok", "answers")


def reachable(providers: Iterable[Provider], timeout_s: float) -> list[Finding]:
    """Whether each vendor that is on can be connected to; nothing is sent, and an address is tried once."""
    by_place: dict[tuple[str, int], list[str]] = {}
    for provider in providers:
        parts = urlsplit(provider.base_url)
        if provider.off_reason is None and provider.plugin.backend is None and parts.hostname:
            place = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
            by_place.setdefault(place, []).append(provider.name)
    if not by_place:
        return []
    with ThreadPoolExecutor(min(16, len(by_place))) as threads:
        reasons = list(threads.map(lambda place: _unreachable(place, timeout_s), by_place))
    found = []
    for (place, names), reason in zip(by_place.items(), reasons, strict=True):
        shown = f"{', '.join(names)} at {place[0]}:{place[1]}"
        if reason is None:
            found.append(Finding("network", "ok", f"{shown} can be reached"))
        else:
            remedy = "look at DNS, the route out and the firewall, or at its base_url"
            found.append(Finding("network", "error", f"{shown} cannot be reached: {reason}", remedy))
    return found


def _unreachable(place: tuple[str, int], timeout_s: float) -> str | None:
    try:
        socket.create_connection(place, timeout_s).close()
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None
