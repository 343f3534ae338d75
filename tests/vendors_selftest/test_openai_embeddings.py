"""The fake OpenAI's embeddings: both encodings hold the same unit vectors, limits hold at the limit."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from tests.vendors.openai import API_KEY, OpenAIServer
from tests.vendors_selftest.conftest import unknown_fields

SMALL = "text-embedding-3-small"


async def test_vectors_have_length_one_and_depend_on_the_input(client: AsyncOpenAI) -> None:
    answer = await client.embeddings.create(model=SMALL, input=["a", "bb", "a"], encoding_format="float")
    assert unknown_fields(answer) == []
    first, second, again = (item.embedding for item in answer.data)
    assert (len(first), first == again, first == second) == (1536, True, False)
    assert math.isclose(sum(x * x for x in first), 1.0, rel_tol=1e-5)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (3, 3)


async def test_base64_is_little_endian_float32_of_the_same_vector(http: aiohttp.ClientSession) -> None:
    body = {"model": SMALL, "input": "hello", "dimensions": 8}
    async with http.post("/v1/embeddings", json=body) as response:
        floats = (await response.json())["data"][0]["embedding"]
    async with http.post("/v1/embeddings", json=body | {"encoding_format": "base64"}) as response:
        encoded = (await response.json())["data"][0]["embedding"]
    assert list(struct.unpack("<8f", base64.b64decode(encoded))) == floats


async def test_the_sdk_decodes_its_default_base64(vendor: OpenAIServer) -> None:
    async with AsyncOpenAI(base_url=vendor.base_url, api_key=API_KEY) as sdk:  # strict mode would see the base64 first
        answer = await sdk.embeddings.create(model=SMALL, input=[[1, 2, 3], [4]], dimensions=4)
    assert vendor.requests[-1].json()["encoding_format"] == "base64"
    assert [len(item.embedding) for item in answer.data] == [4, 4]
    assert answer.usage.prompt_tokens == 4


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"input": ""}, 400),
        ({"input": []}, 400),
        ({"input": ["a", ""]}, 400),
        ({"input": [["a"]]}, 400),
        ({"input": ["a"] * 2048}, 200),
        ({"input": ["a"] * 2049}, 400),
        ({"input": "x" * 4 * 8192}, 200),
        ({"input": "x" * (4 * 8192 + 1)}, 400),
        ({"input": [1] * 8192}, 200),
        ({"input": [[1] * 8000] * 37}, 200),
        ({"input": [[1] * 8000] * 38}, 400),
        ({"dimensions": 0}, 400),
        ({"dimensions": 1536}, 200),
        ({"dimensions": 1537}, 400),
        ({"model": "text-embedding-ada-002", "dimensions": 8}, 400),
        ({"encoding_format": "hex"}, 400),
        ({"truncate": True}, 400),
    ],
)
async def test_limits(http: aiohttp.ClientSession, change: dict[str, Any], status: int) -> None:
    body = {"model": SMALL, "input": "x", "encoding_format": "base64"} | change
    async with http.post("/v1/embeddings", json=body) as response:
        assert response.status == status, await response.text()
