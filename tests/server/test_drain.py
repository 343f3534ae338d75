"""SIGTERM: whoever asks for readiness hears no, who comes in the grace time is served, and nobody is cut in time."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.harness import ROUTES, SANDBOX, Process, process

CHAT = "/v1/chat/completions"
SLOW = SANDBOX + "      slow: {operation: chat, options: {tokens_per_s: 4}}\n"


def routes(**server: float) -> str:
    keys = ", ".join(f"{key}: {value}" for key, value in server.items())
    return ROUTES.replace("models:\n", "models:\n  slow: {operation: chat, targets: [sandbox/slow]}\n", 1).replace(
        '"127.0.0.1:0"', f'"127.0.0.1:0", {keys}'
    )


def ask(words: int, **more: object) -> dict[str, object]:
    """Return a request whose answer has so many words, a quarter of a second each from `slow`."""
    return {"model": "slow", "messages": [{"role": "user", "content": "word " * words}], **more}


async def stream(http: aiohttp.ClientSession, gateway: Process, words: int, begun: asyncio.Event | None = None) -> str:
    """Return the whole text of a stream, or "cut" where it ends without its mark."""
    async with http.post(gateway.url + CHAT, json=ask(words, stream=True)) as response:
        assert response.status == 200
        if begun is not None:
            begun.set()
        try:
            text = await response.text()
        except aiohttp.ClientError:
            return "cut"
    return text if text.endswith("data: [DONE]\n\n") else "cut"


async def streams(http: aiohttp.ClientSession, gateway: Process, count: int, words: int) -> list[asyncio.Task[str]]:
    """Return streams under way, each of which has sent its head."""
    begun = [asyncio.Event() for _ in range(count)]
    tasks = [asyncio.create_task(stream(http, gateway, words, each)) for each in begun]
    await asyncio.gather(*(each.wait() for each in begun))
    return tasks


async def refused(gateway: Process) -> None:
    """Wait until nobody listens any more."""
    async with asyncio.timeout(10):
        while True:
            try:
                async with aiohttp.ClientSession() as http, http.get(gateway.url + "/health/live"):
                    await asyncio.sleep(0.01)
            except aiohttp.ClientConnectorError:
                return


async def test_in_the_grace_time_it_is_not_ready_and_serves_on_with_each_answer_closing(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes(shutdown_grace_s=1.5)) as gateway, aiohttp.ClientSession() as http:
        async with http.get(gateway.url + "/health/ready") as response:
            assert (response.status, response.headers.get("connection")) == (200, None)
        gateway.process.terminate()
        await gateway.wait_for_log(lambda line: "not ready from now on" in str(line["message"]))
        async with http.get(gateway.url + "/health/ready") as response:
            assert (response.status, await response.json()) == (503, {"status": "stopping"})
            assert response.headers["connection"] == "close"
        async with aiohttp.ClientSession() as newcomer:
            async with newcomer.post(gateway.url + CHAT, json=ask(2) | {"model": "chat"}) as response:
                assert (response.status, response.headers["connection"]) == (200, "close")
        async with http.get(gateway.url + "/health/live") as response:
            assert response.status == 200
        assert await stream(http, gateway, 2) != "cut"
        await refused(gateway)
        assert await gateway.process.wait() == 0


@pytest.mark.slow
async def test_a_connection_ends_only_after_an_answer_that_said_so(tmp_path: Path) -> None:
    """Whoever was told that it stays may have sent the next request already."""
    async with process(tmp_path, SLOW, routes(shutdown_grace_s=30)) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))

        async def head() -> bytes:
            body = orjson.dumps(ask(4, stream=True))
            writer.write(b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\n" % CHAT.encode())
            writer.write(b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            return await reader.readuntil(b"\r\n\r\n")

        async with asyncio.timeout(20):
            before = await head()
            gateway.process.terminate()
            await gateway.wait_for_log(lambda line: "not ready from now on" in str(line["message"]))
            await reader.readuntil(b"\r\n0\r\n\r\n")
            after = await head()
            await reader.readuntil(b"\r\n0\r\n\r\n")
            assert await reader.read() == b""
        assert b"connection: close" not in before.lower()
        assert b"connection: close" in after.lower()
        writer.close()


async def test_streams_end_after_the_grace_time_and_the_process_with_the_last(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes(shutdown_grace_s=0)) as gateway, aiohttp.ClientSession() as http:
        under_way = await streams(http, gateway, 20, words=6)
        gateway.process.terminate()
        await refused(gateway)
        assert "cut" not in await asyncio.gather(*under_way)
        assert await gateway.process.wait() == 0
    assert not any("cut" in str(line["message"]) for line in gateway.log)


async def test_what_outlasts_the_limit_is_cut_and_stands_in_the_ledger(tmp_path: Path) -> None:
    ledger = "stores: {database_url: 'sqlite:ledger.db'}\nmodels:\n"
    limited = routes(shutdown_grace_s=0, shutdown_s=1).replace("models:\n", ledger, 1)
    async with process(tmp_path, SLOW, limited) as gateway, aiohttp.ClientSession() as http:
        long = await streams(http, gateway, 5, words=200)
        short = await streams(http, gateway, 5, words=1)
        began_s = time.monotonic()
        gateway.process.terminate()
        assert await asyncio.gather(*long) == ["cut"] * 5
        assert "cut" not in await asyncio.gather(*short)
        assert await gateway.process.wait() == 0
        assert 1.0 <= time.monotonic() - began_s < 10.0
        await gateway.wait_for_log(lambda line: line["message"] == "stopping: 5 requests are cut")
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        rows = database.execute("SELECT state, COUNT(*) FROM requests GROUP BY state").fetchall()
    assert rows == [("settled", 10)]


@pytest.mark.slow
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_cuts_what_is_under_way(tmp_path: Path, first: signal.Signals) -> None:
    async with process(tmp_path, SLOW, routes(shutdown_grace_s=60)) as gateway, aiohttp.ClientSession() as http:
        [long] = await streams(http, gateway, 1, words=200)
        gateway.process.send_signal(first)
        await gateway.wait_for_log(lambda line: str(line["message"]).startswith("stopping: "))
        gateway.process.send_signal(signal.SIGTERM)
        assert await long == "cut"
        async with asyncio.timeout(10):
            assert await gateway.process.wait() == 0


async def test_somebody_at_a_terminal_waits_for_no_grace_time(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes(shutdown_grace_s=60)) as gateway:
        gateway.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            assert await gateway.process.wait() == 0


async def test_a_request_of_who_connected_before_is_answered(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes(shutdown_grace_s=0)) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        gateway.process.terminate()
        await refused(gateway)
        writer.write(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        assert await gateway.process.wait() == 0


@pytest.mark.slow
async def test_who_asks_on_as_his_stream_ends_is_answered(tmp_path: Path) -> None:
    """The stream's head said that the connection stays, and then the gateway was asked to stop."""
    async with process(tmp_path, SLOW, routes(shutdown_grace_s=0)) as gateway:
        connector = aiohttp.TCPConnector(limit=1)  # so that the next request goes on the same connection
        async with aiohttp.ClientSession(connector=connector) as http:
            [under_way] = await streams(http, gateway, 1, words=4)
            gateway.process.terminate()
            await refused(gateway)
            assert await under_way != "cut"
            async with http.get(gateway.url + "/health/live") as response:
                assert (response.status, response.headers["connection"]) == (200, "close")
        assert await gateway.process.wait() == 0


@pytest.mark.slow
async def test_an_answer_that_is_read_slowly_arrives_whole(tmp_path: Path) -> None:
    """It is written, but lies in the process's own buffer: to exit then would cut it."""
    async with process(tmp_path, SLOW, routes(shutdown_grace_s=0)) as gateway:
        host, port = gateway.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        body = b'{"model": "speak", "voice": "nova", "response_format": "wav", "input": "%s"}' % (b"long words " * 300)
        writer.write(b"POST /v1/audio/speech HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n")
        writer.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))
        head = await reader.readuntil(b"\r\n\r\n")
        gateway.process.terminate()
        await refused(gateway)
        assert head.startswith(b"HTTP/1.1 200 ")
        rest = await reader.read()
        assert len(rest) > 1_000_000
        assert rest.endswith(b"0\r\n\r\n") or f"content-length: {len(rest)}".encode() in head.lower()
        writer.close()
        assert await gateway.process.wait() == 0


@pytest.mark.alone
async def test_two_hundred_streams_of_five_seconds_are_not_cut(tmp_path: Path) -> None:
    limit_s = 20.0
    async with (
        process(tmp_path, SLOW, routes(shutdown_grace_s=0, shutdown_s=limit_s), {"LOG_LEVEL": "warning"}) as gateway,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        under_way = await streams(http, gateway, 200, words=20)
        began_s = time.monotonic()
        gateway.process.terminate()
        assert "cut" not in await asyncio.gather(*under_way)
        assert await gateway.process.wait() == 0
        assert time.monotonic() - began_s <= limit_s + 1.0
