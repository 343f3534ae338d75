"""The least that a proxy in Python can do: pass bytes on. `python -m benchmarks.rig.splice PORT` prints its own port.

What the gateway costs for an event of a stream is held against this.
"""

from __future__ import annotations

import asyncio
import sys


class Side(asyncio.Protocol):
    """One of two connections that are each other's."""

    def __init__(self, other: Side | None = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None
        self.early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        for data in self.early:
            transport.write(data)
        self.early.clear()

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        self.other.send(data)

    def send(self, data: bytes) -> None:
        if self.transport is None:
            self.early.append(data)
        else:
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Inbound(Side):
    """What a client opened: it gets a connection to the upstream of its own."""

    def __init__(self, upstream_port: int, connecting: set[asyncio.Task[object]]) -> None:
        super().__init__()
        self._port, self._connecting = upstream_port, connecting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.other = outbound = Side(self)
        loop = asyncio.get_running_loop()
        task: asyncio.Task[object] = loop.create_task(loop.create_connection(lambda: outbound, "127.0.0.1", self._port))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)


async def serve(upstream_port: int) -> None:
    connecting: set[asyncio.Task[object]] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Inbound(upstream_port, connecting), "127.0.0.1", 0, backlog=8192)
    print(f"splice on {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
