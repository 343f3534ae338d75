"""`gateway healthcheck`: whether a gateway takes requests now, for a container or a service manager to ask."""

from __future__ import annotations

import http.client
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from gateway.cli.console import EXIT_MISUSE, FILES, JSON, Failed, coloured, found_files, print_json
from gateway.cli.running import Reach, find_all

PATH = "/health/ready"


@click.command("healthcheck")
@FILES
@click.option("--url", help="Of the gateway; left out, the one that runs on FILES, else where FILES says it listens.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.1, 600), default=3.0, show_default=True)
@JSON
def command(files: tuple[Path, ...], url: str | None, timeout_s: float, as_json: bool) -> int:
    """Ask whether the gateway takes requests: exit with 0 where it does, else with 1.

    Fit for a HEALTHCHECK of Docker and an exec probe of Kubernetes. It stops taking them before it stops.
    """
    where = url or _address(files, timeout_s)
    status, reason = _ready(where, timeout_s)
    if as_json:
        print_json({"url": where, "is_ready": status == 200, "status": status, "reason": reason})
    elif status == 200:
        click.echo(f"{coloured('ready', 'green')}: {where}")
    else:
        click.echo(f"{coloured('not ready', 'red')}: {where}: {reason}")
    return 0 if status == 200 else 1


def _address(files: tuple[Path, ...], timeout_s: float) -> str:
    try:
        status: Any = find_all(Reach(files))[0].ask("GET", "/admin/status", timeout_s=timeout_s)
        return str(status["url"])
    except Failed as error:
        if error.status == EXIT_MISUSE:
            raise
    from gateway.config.load import load  # half a second; not needed where one runs
    from gateway.errors import ConfigError

    found = found_files(files)
    try:
        server = load([found.routes, found.providers], os.environ).server
    except ConfigError as error:
        raise Failed("no gateway runs on these files, and they are faulty; `gateway check` says where") from error
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)
    return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"


def _ready(url: str, timeout_s: float) -> tuple[int | None, str]:
    """Return the status, None where nothing answers, and what it says."""
    parts = urlsplit(url)
    try:
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("no address")
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = make(parts.hostname, parts.port, timeout=timeout_s)
    except ValueError as error:
        raise Failed(f"--url {url!r} is no address; write http://127.0.0.1:8001", EXIT_MISUSE) from error
    try:
        connection.request("GET", parts.path.rstrip("/") + PATH)
        response = connection.getresponse()
        return response.status, response.read(1000).decode(errors="replace")
    except TimeoutError:
        return None, f"no answer within {timeout_s:g} s"
    except (OSError, http.client.HTTPException) as error:
        return None, (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
    finally:
        connection.close()
