"""The vendor that does not exist, its plugin, and the gateway that has it for any client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.examples.pages import Example, free_ports, lines_of

pytestmark = pytest.mark.slow


async def test_the_plugin_passes_its_test_and_serves_both_clients_until_the_vendor_is_busy(tmp_path: Path) -> None:
    vendor, port = free_ports(2)
    at, url = f"http://127.0.0.1:{vendor}/v1", f"http://127.0.0.1:{port}"
    environ = {"ELIZA_PORT": str(vendor), "ELIZA_URL": at, "GATEWAY_LISTEN": f"127.0.0.1:{port}"}
    example = Example.copy("custom-plugin", tmp_path, ports={8001: port}, **environ)
    tested = await example.run("gateway plugins test eliza")
    assert tested.count("bytes cut anywhere") == 4

    openai, anthropic, busy = (line for line in lines_of("custom-plugin") if line.startswith("curl"))
    async with (
        example.running("python vendor.py", at),
        example.running("ELIZA_TICKET=any-ticket gateway run .", f"{url}/health/ready"),
    ):
        chat = json.loads(await example.run(openai))
        assert chat["choices"][0]["message"]["content"] == "Why do you need a rest?"
        assert (chat["usage"]["prompt_tokens"], chat["usage"]["completion_tokens"]) == (4, 6)

        message = json.loads(await example.run(anthropic))
        assert message["content"][0]["text"].split() == ["How", "long", "have", "you"]
        assert message["stop_reason"] == "max_tokens"

        stood_in = await example.run(busy)
        assert "x-gateway-provider: sandbox" in stood_in
        assert "x-gateway-attempts: 2" in stood_in
