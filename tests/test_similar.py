"""A question that means the same gets the answer that was given, in the same talk of the same tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway import json
from tests.cached_house import ADMIN_KEY, CHAT, EMBED, ROUTES, CachedHouse, Got, providers_of, question
from tests.harness import Inside, inside
from tests.vendors.faults import Fault
from tests.vendors.openai.server import OpenAIServer

ASKED = "what is the capital of France"
NEAR = "what is the capital of France please"
FAR = "how many moons has the planet Jupiter"
WORDS = """
  words:
    plugin: sandbox
    models: {words: {operation: embeddings, price: {input_usd_per_mtok: 1}}}
"""
SEMANTIC = "semantic: {model: meaning, threshold: 0.8}"
ROUTED = (
    ROUTES.replace("models:\n", "models:\n  meaning: {operation: embeddings, targets: [words/words]}\n")
    .replace("dialect: openai.chat,", f"dialect: openai.chat, cache: {{ttl_s: 300, {SEMANTIC}}},")
    .replace(
        'tenant: "*"}]',
        'tenant: "*"}, {name: ann, key: ann-secret-0123456789}, {name: ben, key: ben-secret-0123456789}]',
    )
)
SCORE, KEY, COST = "x-gateway-cache-score", "x-gateway-cache-key", "x-gateway-cost-usd"


@asynccontextmanager
async def house(folder: Path, routes: str = ROUTED) -> AsyncIterator[CachedHouse]:
    async with OpenAIServer() as server:
        async with (
            inside(folder, providers_of(server) + WORDS, routes) as gateway,
            aiohttp.ClientSession() as http,
        ):
            yield CachedHouse(gateway, server, http)


def asked(house: CachedHouse) -> int:
    return len(house.vendor.requests)


def content(got: Got) -> str:
    text: str = json.loads(got.body)["choices"][0]["message"]["content"]
    return text


async def test_a_similar_question_gets_the_answer_with_its_score_and_costs_its_embedding(tmp_path: Path) -> None:
    async with house(tmp_path) as served:
        first = await served.chat(ASKED)
        second = await served.chat(NEAR)
        assert (first.cache, second.cache, asked(served)) == ("miss", "similar", 1)
        assert content(second) == content(first)
        assert 0.8 <= float(second.headers[SCORE]) < 1
        assert SCORE not in first.headers
        assert second.headers[KEY] == first.headers[KEY]
        assert second.headers["x-gateway-provider"] == "openai"
        assert 0 < float(second.headers[COST]) < float(first.headers[COST])
        assert int(second.headers["age"]) >= 0


async def test_one_row_has_all_that_the_call_asked(tmp_path: Path) -> None:
    async with house(tmp_path) as served:
        await served.chat(ASKED)
        got = await served.chat(NEAR)
        assert isinstance(served.gateway, Inside)
        await served.gateway.services.ledger.flush()
        async with served.http.get(
            f"{served.gateway.url}/admin/requests/{got.headers['x-request-id']}",
            headers={"authorization": f"Bearer {ADMIN_KEY}"},
        ) as answer:
            [row] = (await answer.json())["requests"]
    attempts = row["attempts"]
    assert tuple(attempts[0][name] for name in ("target", "operation", "outcome")) == (
        "words/words",
        "embeddings",
        "ok",
    )
    assert (row["cache"], row["cost_nano_usd"]) == ("similar", attempts[0]["cost_nano_usd"])
    assert row["cost_nano_usd"] > 0


async def test_the_very_same_question_is_answered_without_an_embedding(tmp_path: Path) -> None:
    async with house(tmp_path) as served:
        await served.chat(ASKED)
        again = await served.chat(ASKED)
    assert (again.cache, float(again.headers[COST])) == ("hit", 0)


async def test_what_is_below_the_threshold_is_asked(tmp_path: Path) -> None:
    async with house(tmp_path) as served:
        await served.chat(ASKED)
        assert (await served.chat(FAR)).cache == "miss"
        assert asked(served) == 2


async def test_a_stream_is_given_from_a_whole_answer_and_the_other_way_round(tmp_path: Path) -> None:
    async with house(tmp_path) as served:
        await served.chat(ASKED)
        streamed = await served.chat(NEAR, stream=True)
        await served.chat(FAR, stream=True)
        whole = await served.chat(FAR + " please")
    assert (streamed.cache, whole.cache) == ("similar", "similar")
    assert streamed.body.endswith(b"data: [DONE]\n\n")


OTHERS: dict[str, dict[str, Any]] = {
    "another talk before": {
        "messages": [{"role": "system", "content": "Answer in Latin."}, {"role": "user", "content": NEAR}]
    },
    "a setting": {"temperature": 0.3},
    "tools": {"tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]},
    "an image": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": NEAR},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                ],
            }
        ]
    },
}


@pytest.mark.parametrize("other", OTHERS)
async def test_all_but_the_words_of_the_last_message_has_to_be_the_same(tmp_path: Path, other: str) -> None:
    async with house(tmp_path) as served:
        await served.chat(ASKED)
        got = await served.post(CHAT, question(NEAR) | OTHERS[other])
    assert (got.status, got.cache) == (200, "miss")


async def test_nobody_gets_the_answer_of_another_tenant(tmp_path: Path) -> None:
    async with house(tmp_path) as served:
        ann, ben = (f"Bearer {name}-secret-0123456789" for name in ("ann", "ben"))
        await served.chat(ASKED, authorization=ann)
        assert (await served.chat(NEAR, authorization=ben)).cache == "miss"
        assert (await served.chat(NEAR + " now", authorization=ann)).cache == "similar"


@pytest.mark.parametrize(
    ("control", "result"), [("no-cache", "bypass"), ("no-store", "bypass"), ("max-age=60", "similar")]
)
async def test_a_client_that_wants_it_fresh_is_asked_no_embedding(tmp_path: Path, control: str, result: str) -> None:
    async with house(tmp_path) as served:
        await served.chat(ASKED)
        got = await served.chat(NEAR, cache_control=control)
    assert got.cache == result
    assert int(got.headers["x-gateway-attempts"]) == 1


async def test_without_an_embedding_the_vendor_is_asked(tmp_path: Path) -> None:
    routes = ROUTED.replace("targets: [words/words]", "targets: [openai/text-embedding-3-small]")
    async with house(tmp_path, routes) as served:
        served.vendor.faults.add(Fault("status", status=400, times=1))
        got = await served.chat(ASKED)
        assert (got.status, got.cache) == (200, "miss")
        assert [record.path for record in served.vendor.requests] == ["/v1/embeddings", "/v1/chat/completions"]


async def test_what_was_purged_is_no_longer_given(tmp_path: Path) -> None:
    async with house(tmp_path) as served:
        first = await served.chat(ASKED)
        async with served.http.delete(
            f"{served.gateway.url}/admin/cache?cache_key={first.headers[KEY]}",
            headers={"authorization": f"Bearer {ADMIN_KEY}"},
        ) as answer:
            assert answer.status == 200
        assert (await served.chat(NEAR)).cache == "miss"
        assert (await served.chat(ASKED)).cache == "similar"  # of the one that was kept since


async def test_a_call_that_failed_teaches_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as served:
        served.vendor.faults.add(Fault("status", status=400, times=1))
        assert (await served.chat(ASKED)).status == 400
        assert (await served.chat(NEAR)).cache == "miss"


async def test_the_explanation_says_that_a_similar_question_may_answer(tmp_path: Path) -> None:
    async with house(tmp_path) as served:
        async with served.http.post(
            f"{served.gateway.url}/admin/explain",
            json={"method": "POST", "path": CHAT, "body": question(ASKED)},
            headers={"authorization": f"Bearer {ADMIN_KEY}"},
        ) as answer:
            facts = await answer.json()
        assert facts["cache"]["similar"] == "of 0.8 or more by 'meaning' answers"
        assert asked(served) == 0


async def test_other_routes_have_no_such_cache(tmp_path: Path) -> None:
    async with house(tmp_path) as served:
        for text in (ASKED, NEAR):
            got = await served.post(EMBED, {"model": "embed", "input": text})
            assert got.cache == "miss"
