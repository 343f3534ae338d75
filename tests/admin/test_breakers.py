"""A target that fails is seen to be ejected, by operators and by whoever asks for health, and can be let in again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.admin.house import WITH_LEDGER, House, open_house
from tests.vendors.faults import Fault
from tests.vendors.openai import API_KEY, OpenAIServer

PROVIDERS = """
version: 1
breaker: {{consecutive: 2, open_s: 600, max_open_s: 600}}
providers:
  vendor: {{plugin: openai, base_url: "{url}", credentials: {{api_key: "{key}"}}, models: {{gpt-4o-mini: {{operation: chat}}}}}}
  sandbox:
    plugin: sandbox
    models:
      chat: {{operation: chat}}
      speech: {{operation: speech, breaker: none}}
      transcription: {{operation: transcription, breaker: none}}
      embeddings: {{operation: embeddings, breaker: none}}
"""  # noqa: E501
BOTH = WITH_LEDGER.replace("targets: [sandbox/chat]", "targets: [vendor/gpt-4o-mini, sandbox/chat]")
NAME = "vendor/gpt-4o-mini"


@pytest.fixture
async def vendor() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as opened:
        yield opened


@pytest.fixture
async def house(tmp_path: Path, vendor: OpenAIServer) -> AsyncIterator[House]:
    async with open_house(tmp_path, BOTH, PROVIDERS.format(url=vendor.base_url, key=API_KEY)) as opened:
        yield opened


async def eject(house: House, vendor: OpenAIServer) -> None:
    vendor.faults.add(Fault("status", status=503, times=2))
    for _ in range(2):
        status, headers, _ = await house.chat("web")
        assert (status, headers["x-gateway-provider"]) == (200, "sandbox")


async def health(house: House) -> dict[str, dict[str, object]]:
    async with house.client.get("/health/detailed") as answer:
        assert answer.status == 200
        found = await answer.json()
    ejected = found["targets"][NAME]["state"] == "open"
    assert found["status"] == ("degraded" if ejected else "ok")
    assert found["providers"]["vendor"] == {"status": "on"} | ({"health": "failing"} if ejected else {})
    targets: dict[str, dict[str, object]] = found["targets"]
    return targets


async def test_health_names_each_target_that_has_a_breaker_and_where_it_stands(
    house: House, vendor: OpenAIServer
) -> None:
    before = await health(house)
    assert before.keys() == {NAME, "sandbox/chat"}
    assert {name: one["state"] for name, one in before.items()} == {NAME: "closed", "sandbox/chat": "closed"}
    assert (before[NAME]["retry_in_s"], before[NAME]["last_error"]) == (None, None)
    await eject(house, vendor)
    after = (await health(house))[NAME]
    assert (after["state"], after["last_error"]) == ("open", "upstream_unavailable")
    assert 300 < float(str(after["retry_in_s"])) <= 600
    assert (await health(house))["sandbox/chat"]["state"] == "closed"


async def test_an_operator_sees_what_is_counted(house: House, vendor: OpenAIServer) -> None:
    await house.chat("web")
    await eject(house, vendor)
    status, answer = await house.ask("GET", "/admin/breakers", "watcher")
    assert status == 200
    vendors, sandboxs = answer["breakers"]
    assert (vendors["target"], vendors["state"], vendors["share"], vendors["ejections"]) == (NAME, "open", 0.0, 1)
    assert vendors["policy"]["consecutive"] == 2
    assert (sandboxs["target"], sandboxs["state"], sandboxs["share"]) == ("sandbox/chat", "closed", 1.0)
    assert (sandboxs["succeeded"], sandboxs["failed"], sandboxs["in_flight"]) == (2, 0, 0)


async def test_an_admin_lets_a_target_be_asked_again_at_once(house: House, vendor: OpenAIServer) -> None:
    await eject(house, vendor)
    seen = vendor.request_count
    assert (await house.chat("web"))[1]["x-gateway-provider"] == "sandbox"
    assert vendor.request_count == seen
    status, answer = await house.ask("POST", "/admin/breakers/reset", "root", {"target": NAME})
    assert (status, answer["target"], answer["state"]) == (200, NAME, "closed")
    assert (await house.chat("web"))[1]["x-gateway-provider"] == "vendor"


async def test_a_reset_is_for_admins_of_every_tenant_and_of_what_is_there(house: House, vendor: OpenAIServer) -> None:
    await eject(house, vendor)
    for key, body, expected in (
        ("watcher", {"target": NAME}, 403),
        ("boss", {"target": NAME}, 403),
        ("root", {"target": "vendor/gpt-4o-mimi"}, 404),
        ("root", {"target": "sandbox/speech"}, 404),  # it has none
        ("root", {"target": ""}, 400),
        ("root", {}, 400),
        ("root", {"target": NAME, "more": 1}, 400),
    ):
        status, answer = await house.ask("POST", "/admin/breakers/reset", key, body)
        assert status == expected, answer
    _, answer = await house.ask("POST", "/admin/breakers/reset", "root", {"target": "vendor/gpt-4o-mimi"})
    assert f"did you mean '{NAME}'" in answer["error"]["message"]
    assert (await health(house))[NAME]["state"] == "open"


@pytest.mark.parametrize(("status", "retry_after_s"), [(429, 30.0), (503, 30.0)])
async def test_one_answer_that_says_when_ejects_for_so_long(
    house: House, vendor: OpenAIServer, status: int, retry_after_s: float
) -> None:
    vendor.faults.add(Fault("status", status=status, retry_after_s=retry_after_s))
    assert (await house.chat("web"))[1]["x-gateway-provider"] == "sandbox"
    _, answer = await house.ask("GET", "/admin/breakers", "watcher")
    assert (answer["breakers"][0]["state"], answer["breakers"][0]["is_told"]) == ("open", True)
    assert retry_after_s - 15 < answer["breakers"][0]["retry_in_s"] <= retry_after_s
    seen = vendor.request_count
    assert (await house.chat("web"))[1]["x-gateway-provider"] == "sandbox"
    assert vendor.request_count == seen
