"""Ten requests an hour are ten, whichever of three gateways is asked."""

from __future__ import annotations

import re
import socket
from collections import Counter
from pathlib import Path

import pytest

from tests.examples.pages import Example, free_ports
from tests.redis_server import redis_server

pytestmark = pytest.mark.slow


async def test_three_gateways_keep_one_limit_and_know_one_key(tmp_path: Path) -> None:
    ports = free_ports(3)
    async with redis_server(tmp_path) as redis:
        example = Example.copy("three-replicas", tmp_path, PORTS=" ".join(map(str, ports)), REDIS_URL=redis.url)
        key = await example.run("export GATEWAY_KEY=$(gateway keys create demo)", then="echo $GATEWAY_KEY")
        ready = (f"http://127.0.0.1:{port}/health/ready" for port in ports)
        async with example.running("./replicas.sh", *ready):
            seen = await example.run("./ask.sh", GATEWAY_KEY=key.strip())
    answers = Counter[str]()
    for count, port, status in re.findall(r"^ *(\d+) port (\d+): (\d+)$", seen, re.MULTILINE):
        assert int(port) in ports
        answers[status] += int(count)
    assert answers.total() == 30
    assert answers["200"] + answers["429"] + answers["503"] == 30, seen
    # On a busy machine Redis may take longer than its 50 ms: then a request is refused, and may have counted.
    assert 10 - answers["503"] <= answers["200"] <= 10, seen


async def test_the_script_starts_a_redis_of_its_own_and_leaves_nothing_behind(tmp_path: Path) -> None:
    port, redis = free_ports(2)
    example = Example.copy("three-replicas", tmp_path, PORTS=str(port))  # one tells what there is to tell
    for name in ("replicas.sh", "routes.yaml"):
        file = example.folder / name
        file.write_text(file.read_text().replace("6390", str(redis)))
    async with example.running("./replicas.sh", f"http://127.0.0.1:{port}/health/ready"):
        socket.create_connection(("127.0.0.1", redis)).close()
    for gone in (port, redis):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", gone))
