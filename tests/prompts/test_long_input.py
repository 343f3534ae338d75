"""An input that no model can read at once, and what all the chats of one call may cost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.harness import inside
from tests.prompts.setting import GOOD, Setup, Vendor, files, write


def condense(prompt: str) -> str:
    """What a model does that keeps to its bounds: a few words for a piece, good data for the prompt."""
    return f"gist of {prompt[:12]}" if "<piece>" in prompt else GOOD


@pytest.mark.parametrize(("size", "pieces"), [(0, 0), (1, 0), (999, 0), (1000, 0), (1001, 2), (2001, 3), (5000, 5)])
async def test_an_input_beyond_the_limit_is_condensed_in_pieces(setup: Setup, size: int, pieces: int) -> None:
    setup.vendor.reply = condense
    text = ("word. " * 1000)[:size]
    status, answer = await setup.say(topic="tea", text=text)

    assert status == 200, answer
    assert answer["metadata"].get("pieces", 0) == pieces
    assert len(setup.vendor.asked) == pieces + 1
    prompts = [Vendor.prompt(body) for body in setup.vendor.asked]
    if not pieces:
        assert f"<text>{text}</text>" in prompts[-1] or not text
        return
    shown = sorted(prompts[:-1])
    assert [prompt[:11] for prompt in shown] == [f"Part {number + 1} of {pieces}" for number in range(pieces)]
    assert "".join(prompt.partition("<piece>")[2].removesuffix("</piece>") for prompt in shown) == text
    assert "gist of Part 1" in prompts[-1]
    assert prompts[-1].index("gist of Part 1") < prompts[-1].index(f"gist of Part {pieces}")
    assert answer["usage"]["total_tokens"] == 15 * (pieces + 1)
    assert setup.vendor.most_at_once <= 4


async def test_an_input_beyond_all_pieces_is_413_and_nobody_is_asked(setup: Setup) -> None:
    status, answer = await setup.say(topic="tea", text="x" * 5001)
    assert (status, answer["error"]["param"]) == (413, "text")
    assert setup.vendor.asked == []


async def test_a_model_that_condenses_nothing_is_cut_to_its_share(setup: Setup) -> None:
    setup.vendor.reply = lambda prompt: prompt * 3 if "<piece>" in prompt else GOOD
    status, _ = await setup.say(topic="tea", text="word " * 900)
    assert status == 200
    filled = Vendor.prompt(setup.vendor.asked[-1])
    assert len(filled) < 1000 + 100


async def test_a_model_that_condenses_to_nothing_leaves_the_pieces_begin(setup: Setup) -> None:
    setup.vendor.reply = lambda prompt: " " if "<piece>" in prompt else GOOD
    await setup.say(topic="tea", text="begin " + "word " * 400)
    assert "begin word" in Vendor.prompt(setup.vendor.asked[-1])


async def test_a_piece_that_fails_ends_the_call_with_the_vendors_error(setup: Setup) -> None:
    setup.vendor.reply = condense
    setup.vendor.fails_at = 2
    status, answer = await setup.say(topic="tea", text="x" * 4000)
    assert (status, answer["error"]["code"]) == (503, "upstream_unavailable")
    assert len(setup.vendor.asked) <= 4


async def test_what_a_call_may_cost_is_bounded(tmp_path: Path, vendor: Vendor) -> None:
    write(tmp_path, "fallback:", "max_cost_usd: 0.00004\nfallback:")  # two chats at 20 millionths each
    vendor.reply = condense
    async with inside(tmp_path, *files(vendor.url)) as gateway, aiohttp.ClientSession(gateway.url) as http:
        setup = Setup(gateway, http, vendor)
        assert (await setup.say(topic="tea"))[0] == 200
        status, answer = await setup.say(topic="tea", text="x" * 5000)
    assert (status, answer["error"]["code"]) == (402, "budget_exceeded")
    assert len(vendor.asked) < 1 + 6


async def test_a_budget_holds_for_all_chats_of_a_call(tmp_path: Path, vendor: Vendor) -> None:
    write(tmp_path)
    vendor.reply = condense
    providers, routes = files(vendor.url, ", quota: {budget: 0.002 USD/day}")
    providers = providers.replace("models: {chat: {operation: chat}}", "enabled: false, models: {}")
    async with inside(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as http:
        setup = Setup(gateway, http, vendor)
        assert (await setup.say(topic="tea"))[0] == 402  # twice 500 tokens of output are reserved
    assert vendor.asked == []


async def test_a_client_that_leaves_ends_every_chat_of_his_call(setup: Setup) -> None:
    setup.vendor.gate = asyncio.Event()
    with pytest.raises(asyncio.TimeoutError):
        async with setup.http.post(
            "/say", json={"topic": "tea", "text": "x" * 5000}, timeout=aiohttp.ClientTimeout(total=0.3)
        ):
            pass
    async with asyncio.timeout(3):
        while setup.vendor.left < 4 or setup.gateway.gateway.in_flight:
            await asyncio.sleep(0.01)
    assert len(setup.vendor.asked) == setup.vendor.left == 4  # those of which the vendor had heard
