"""A FILE for gateway.worker with one behaviour for each thing a worker can do; test_workers.py asks for them by URL."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.errors import InvalidRequest

Item = dict[str, Any] | bytes


def work(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    """Do what the path of the URL says."""
    return BEHAVIOURS[request["url"].removeprefix("local:/")](request, payload)


def _echo(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    yield {"status": 201, "headers": {"content-type": "text/plain", "x-pid": str(os.getpid())}}
    yield payload


def _describe(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    digest = hashlib.sha256(payload).hexdigest()
    yield json.dumps({"request": request, "digest": digest, "environment": dict(os.environ)}).encode()


def _nothing(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    yield from ()


def _refuse(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    raise InvalidRequest("the file is not audio", param="file")


def _crash(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    raise RuntimeError("the codec broke")


def _crash_midway(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    yield b"the beginning"
    raise RuntimeError("the codec broke")


def _print(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    print("python prints", flush=True)
    os.write(1, b"a C library prints")
    os.system("echo a child prints")
    yield sys.stdin.read().encode() + b"clean"


def _die(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield b""


def _die_midway(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    yield b"the beginning"
    os.kill(os.getpid(), signal.SIGKILL)


def _flood(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    """Endless; notes how far it came in the file that the payload names."""
    block = bytes(100_000)
    written = 0
    while True:
        yield block
        written += len(block)
        with open(payload.decode(), "w", encoding="ascii") as progress:
            progress.write(str(written))


def _large(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    for number in range(64):
        yield bytes([number]) * 100_001


def _sleep(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    time.sleep(float(payload))
    yield {"headers": {"x-pid": str(os.getpid())}}
    yield b"slept"


def _sleep_midway(request: Mapping[str, Any], payload: bytes) -> Iterator[Item]:
    yield {"headers": {"x-pid": str(os.getpid())}}
    yield b"the beginning"
    time.sleep(60)


BEHAVIOURS = {
    "echo": _echo,
    "describe": _describe,
    "nothing": _nothing,
    "refuse": _refuse,
    "crash": _crash,
    "crash-midway": _crash_midway,
    "print": _print,
    "die": _die,
    "die-midway": _die_midway,
    "flood": _flood,
    "large": _large,
    "sleep": _sleep,
    "sleep-midway": _sleep_midway,
}
