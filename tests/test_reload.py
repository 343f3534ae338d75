"""SIGHUP: new YAML takes effect, bad YAML does not, and nobody who is being served notices either."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

import aiohttp
import pytest

from tests.harness import ROUTES, SANDBOX, Process, process

CHAT = "/v1/chat/completions"
ASK = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}

SLOW = SANDBOX + "      slow: {operation: chat, options: {tokens_per_s: 12}}\n"
WITH_SLOW = ROUTES.replace("models:\n", "models:\n  slow: {operation: chat, targets: [sandbox/slow]}\n", 1)


async def ask(http: aiohttp.ClientSession, gateway: Process, **body: object) -> tuple[dict[str, object], str]:
    async with http.post(gateway.url + CHAT, json=ASK | body) as response:
        assert response.status == 200, await response.text()
        return await response.json(), response.headers["x-gateway-config"]


async def test_a_reload_reroutes_and_says_which_configuration_answered(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, WITH_SLOW) as gateway, aiohttp.ClientSession() as http:
        before, generation = await ask(http, gateway)
        assert (before["model"], generation[:2]) == ("chat", "1-")

        gateway.write(routes=WITH_SLOW.replace("[sandbox/chat]", "[sandbox/slow]"))
        assert await gateway.reload() == []
        after, generation = await ask(http, gateway)
        assert (after["model"], generation[:2]) == ("slow", "2-")


async def test_a_bad_file_is_refused_with_all_its_problems_and_the_old_one_serves_on(tmp_path: Path) -> None:
    async with process(tmp_path) as gateway, aiohttp.ClientSession() as http:
        gateway.write(
            routes=ROUTES.replace("sandbox/chat", "sandbox/chatt").replace("dialect: openai.speech", "dialekt: x")
        )
        problems = await gateway.reload()

        assert any("'chatt'" in problem and "did you mean 'chat'" in problem for problem in problems), problems
        assert any("dialekt" in problem for problem in problems), problems
        assert all(re.match(r".*routes\.yaml:\d+:\d+: ", problem) for problem in problems)
        _, generation = await ask(http, gateway)
        assert generation.startswith("1-")
        async with http.get(gateway.url + "/metrics") as response:
            metrics = await response.text()
        assert 'gateway_config_reloads_total{result="refused"} 1.0' in metrics
        assert "gateway_config_last_reload_successful 0.0" in metrics

        gateway.write(routes=ROUTES)
        assert await gateway.reload() == []
        async with http.get(gateway.url + "/metrics") as response:
            assert "gateway_config_last_reload_successful 1.0" in await response.text()


async def test_an_open_stream_ends_on_the_configuration_it_began_with(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, WITH_SLOW) as gateway, aiohttp.ClientSession() as http:
        async with http.post(gateway.url + CHAT, json=ASK | {"model": "slow", "stream": True}) as response:
            assert response.headers["x-gateway-config"].startswith("1-")
            gateway.write(routes=ROUTES, providers=SANDBOX)  # without the model that is streaming
            assert await gateway.reload() == []
            body = await response.text()
        assert body.endswith("data: [DONE]\n\n")


async def test_counters_and_cache_survive_a_reload(tmp_path: Path) -> None:
    routes = ROUTES.replace(
        "dialect: openai.chat}", "dialect: openai.chat, quota: {requests: [5/hour]}, cache: {ttl_s: 300}}"
    )
    async with process(tmp_path, SANDBOX, routes) as gateway, aiohttp.ClientSession() as http:
        first, _ = await ask(http, gateway)
        assert await gateway.reload() == []
        async with http.post(gateway.url + CHAT, json=ASK) as response:
            assert response.headers["x-gateway-cache"] == "hit"
            assert response.headers["x-gateway-cost-usd"] == "0.000000000"
            assert response.headers["x-ratelimit-remaining-requests"] == "3"
            again = await response.json()
        assert again["choices"] == first["choices"]


MIDDLEWARE = """
from dataclasses import replace

def MIDDLEWARE(options):
    async def shout(call, handler):
        call.receipt.headers["x-shout"] = options["word"]
        return await handler(call)
    return shout
"""


async def test_a_users_own_middleware_beside_his_yaml_is_picked_up_by_a_reload(tmp_path: Path) -> None:
    async with process(tmp_path) as gateway, aiohttp.ClientSession() as http:
        (tmp_path / "plugins").mkdir()
        (tmp_path / "plugins" / "shout.py").write_text(MIDDLEWARE)
        link = "middlewares: [{name: shout, after: auth, options: {word: loud}}]"
        gateway.write(routes=ROUTES.replace("dialect: openai.chat}", f"dialect: openai.chat, {link}}}"))
        assert await gateway.reload() == []
        async with http.post(gateway.url + CHAT, json=ASK) as response:
            assert response.headers["x-shout"] == "loud"

        (tmp_path / "plugins" / "shout.py").write_text(MIDDLEWARE.replace('options["word"]', '"louder"'))
        assert await gateway.reload() == []
        async with http.post(gateway.url + CHAT, json=ASK) as response:
            assert response.headers["x-shout"] == "louder"

        (tmp_path / "plugins" / "shout.py").write_text("def MIDDLEWARE(:\n")
        problems = await gateway.reload()
        assert any("shout.py:1" in problem for problem in problems), problems


# ---------------------------------------------------------------- under load


@pytest.mark.slow
async def test_a_hundred_broken_files_under_load_disturb_nothing(tmp_path: Path) -> None:
    """Mutations that no loader may take: every one is refused with a place, while requests go on."""
    rng = random.Random(20261123)
    over = asyncio.Event()

    async def client(http: aiohttp.ClientSession, gateway: Process) -> int:
        count = 0
        while not over.is_set():
            _, generation = await ask(http, gateway)
            assert generation.startswith("1-")
            count += 1
        return count

    async with process(tmp_path) as gateway, aiohttp.ClientSession() as http:
        clients = [asyncio.create_task(client(http, gateway)) for _ in range(4)]
        for _ in range(100):
            gateway.write(routes=_broken(rng))
            problems = await gateway.reload()
            assert problems
            assert all(re.search(r"routes\.yaml:\d+:\d+: .", problem) for problem in problems), problems
        over.set()
        counts = await asyncio.gather(*clients)
    assert min(counts) > 30


def _broken(rng: random.Random) -> str:
    """Return ROUTES with one of many faults that make it invalid, each at a random place."""
    lines = ROUTES.strip().splitlines()
    at = rng.randrange(1, len(lines))
    line = lines[at]
    kind = rng.randrange(6)
    if kind == 0:  # a key that nobody knows
        lines.insert(at if not line.startswith(" ") else 1, f"unknown_{rng.randrange(999)}: 1")
    elif kind == 1:  # a key twice
        lines.append("version: 1")
    elif kind == 2:  # brackets that do not close
        lines[at] = line + " {["
    elif kind == 3:  # a target that is not there
        return ROUTES.replace("sandbox/chat", f"sandbox/{rng.randrange(10**6)}")
    elif kind == 4:  # a dialect that is not there
        return ROUTES.replace("openai.speech", f"openai.{rng.randrange(10**6)}")
    else:  # a tab or a control character
        lines[at] = rng.choice(["\t", "\x00", "\x07", "- ", ": "]) + line.strip() + " }"
    return "\n".join(lines) + "\n"
