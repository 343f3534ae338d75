"""Debian's HAProxy before several gateways: it asks each for its readiness, and sends nobody to one that is not."""

from __future__ import annotations

import asyncio
import csv
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

CHECK_MS = 100
FALLS = 2  # checks that fail before a server is out; a slow answer is none of those, a busy machine gives them
CONFIGURATION = """\
global
    maxconn 4096
    stats socket {control}
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout check 5s
    retries 3
    option redispatch
frontend clients
    bind 127.0.0.1:{port}
    default_backend gateways
backend gateways
    balance leastconn
    option httpchk GET /health/ready
    default-server check inter {check}ms fall {falls} rise 1
{servers}
"""
START_S = 10.0
SEEN_S = 30.0


@dataclass(frozen=True)
class Proxy:
    url: str
    control: Path

    async def all_up(self) -> None:
        """Wait until it has seen that every gateway is ready, as whoever restarts them one by one does."""
        async with asyncio.timeout(SEEN_S):
            while not all(state.startswith("UP") for state in await self._states()):
                await asyncio.sleep(0.05)

    async def _states(self) -> list[str]:
        reader, writer = await asyncio.open_unix_connection(str(self.control))
        writer.write(b"show stat\n")
        lines = (await reader.read()).decode().removeprefix("# ").splitlines()
        writer.close()
        return [row["status"] for row in csv.DictReader(lines) if row.get("svname", "").startswith("gateway")]


@asynccontextmanager
async def haproxy(folder: Path, ports: Sequence[int]) -> AsyncIterator[Proxy]:
    """Run it before the gateways on these ports of 127.0.0.1."""
    port = free_port()
    control = folder / "haproxy.sock"
    servers = "\n".join(f"    server gateway{at} 127.0.0.1:{one}" for at, one in enumerate(ports))
    file = folder / "haproxy.cfg"
    file.write_text(CONFIGURATION.format(port=port, check=CHECK_MS, falls=FALLS, servers=servers, control=control))
    child = await asyncio.create_subprocess_exec("haproxy", "-db", "-q", "-f", str(file))
    try:
        async with asyncio.timeout(START_S):
            while not await _listens(port):
                await asyncio.sleep(0.02)
        yield Proxy(f"http://127.0.0.1:{port}", control)
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
