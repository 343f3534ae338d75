"""What systemd is told, heard on a socket as systemd has one."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.server.notify import Notifier
from tests.harness import ROUTES, SANDBOX, process

ALONE = ROUTES.replace('"127.0.0.1:0"', '"127.0.0.1:0", shutdown_grace_s: 0')
TWO = ALONE.replace("shutdown_grace_s: 0", "shutdown_grace_s: 0, workers: 2")


class Systemd:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def close(self) -> None:
        self._socket.close()

    async def heard(self, first_line: str) -> dict[str, str]:
        """Return the next message, which has to begin so; those of the watchdog are left out where others are meant."""
        async with asyncio.timeout(15):
            while True:
                data = await asyncio.get_running_loop().sock_recv(self._socket, 4096)
                lines = data.decode().split("\n")
                if lines[0] == first_line:
                    return dict(line.split("=", 1) for line in lines)
                assert lines[0] == "WATCHDOG=1", lines

    async def is_silent_for(self, seconds: float) -> None:
        """Wait until nothing was heard for so long; what was said before may lie in the socket still."""
        async with asyncio.timeout(15):
            while True:
                try:
                    async with asyncio.timeout(seconds):
                        await asyncio.get_running_loop().sock_recv(self._socket, 4096)
                except TimeoutError:
                    return


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path / "notify")
    yield made
    made.close()


@pytest.mark.parametrize("routes", [ALONE, TWO], ids=["alone", "workers"])
async def test_start_reload_refusal_and_stop_are_told(tmp_path: Path, systemd: Systemd, routes: str) -> None:
    environ = {"NOTIFY_SOCKET": str(systemd.path)}
    async with process(tmp_path, SANDBOX, routes, environ) as gateway:
        ready = await systemd.heard("READY=1")
        assert ready["MAINPID"] == str(gateway.process.pid)
        assert ready["STATUS"].startswith("configuration 1-")

        before_usec = time.monotonic_ns() // 1000
        gateway.process.send_signal(signal.SIGHUP)
        reloading = await systemd.heard("RELOADING=1")
        assert before_usec <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert (await systemd.heard("READY=1"))["STATUS"].startswith("configuration 2-")

        gateway.write(routes="version: [")
        gateway.process.send_signal(signal.SIGHUP)
        await systemd.heard("RELOADING=1")
        await gateway.wait_for_log(lambda line: "serves on" in str(line["message"]))
        assert "configuration 2-" in (await systemd.heard("READY=1"))["STATUS"]

        gateway.process.terminate()
        await systemd.heard("STOPPING=1")
        assert await gateway.process.wait() == 0


@pytest.mark.slow
@pytest.mark.parametrize("routes", [ALONE, TWO], ids=["alone", "workers"])
async def test_the_watchdog_hears_that_it_lives_until_it_hangs(tmp_path: Path, systemd: Systemd, routes: str) -> None:
    environ = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "200000"}
    async with process(tmp_path, SANDBOX, routes, environ) as gateway:
        await systemd.heard("READY=1")
        for _ in range(5):
            await systemd.heard("WATCHDOG=1")
        gateway.process.send_signal(signal.SIGSTOP)
        await systemd.is_silent_for(1.0)
        gateway.process.send_signal(signal.SIGCONT)
        await systemd.heard("WATCHDOG=1")


def test_nobody_who_listens_is_told_nothing() -> None:
    notifier = Notifier({"WATCHDOG_USEC": "1000000"})
    notifier.ready("")
    assert notifier.watchdog_s is None


@pytest.mark.parametrize(
    ("watchdog", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdog_is_for_whom_it_names(systemd: Systemd, watchdog: dict[str, str], expected: float | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": str(systemd.path), **watchdog}).watchdog_s == expected


def test_a_name_in_the_abstract_space_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0gateway-test-{os.getpid()}")
        listening.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": f"@gateway-test-{os.getpid()}"})
        notifier.stopping()
        assert listening.recv(4096).startswith(b"STOPPING=1\n")


def test_a_socket_that_is_gone_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("well")
    assert "systemd cannot be told READY=1" in caplog.text
