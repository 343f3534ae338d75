"""The prompt that is shipped, on the default files: the sandbox stands in for every vendor."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
import yaml

from tests.harness import ROOT, inside

SCRIPT = yaml.safe_load((ROOT / "prompts" / "generate-script.yaml").read_text())


@pytest.fixture
async def shipped(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """The default files: the sandbox stands in for everybody."""
    providers, routes = ((ROOT / name).read_text() for name in ("providers.yaml", "routes.yaml"))
    async with inside(tmp_path, providers, routes, {"GATEWAY_LISTEN": "127.0.0.1:0"}) as gateway:
        async with aiohttp.ClientSession(gateway.url) as http:
            yield http


@pytest.mark.parametrize(
    "body",
    [
        {"topic": "ordering coffee"},
        {"document_content": "x"},
        {"document_content": "One. " * 12_000},  # at the limit of what is taken as it stands
        {"document_content": "One. " * 12_000 + "x"},
        {"document_content": "A sentence of a report.\n\n" * 42_000},  # 1 MB
        {
            "document_content": "A report.",
            "topic": "reports",
            "difficulty_level": "beginner",
            "target_duration_minutes": 2.5,
            "language": "French",
        },
    ],
    ids=["topic", "1", "limit", "beyond", "1MB", "all"],
)
async def test_a_script_comes_from_a_topic_or_a_document_of_any_length(
    shipped: aiohttp.ClientSession, body: dict[str, Any]
) -> None:
    async with shipped.post("/llm/generate-script", data=io.BytesIO(json.dumps(body).encode())) as response:
        answer = await response.json()
        assert response.status == 200, answer
    jsonschema.Draft202012Validator(SCRIPT["output"]).validate(answer["data"])
    assert 10 <= len(answer["data"]["turns"]) <= 15
    assert answer["metadata"]["fallback"] is False


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None), ({"topic": ""}, None), ({"topic": "  "}, None), ({"document_content": ""}, None),
        ({"document_content": None, "topic": None}, None), ({"topic": 1}, "topic"),
        ({"document_content": ["x"]}, "document_content"), ({"topic": "x", "difficulty_level": 3}, "difficulty_level"),
        ({"topic": "x", "target_duration_minutes": "5"}, "target_duration_minutes"),
        ({"topic": "x", "target_duration_minutes": 0}, "target_duration_minutes"),
        ({"topic": "x", "language": False}, "language"), ({"topic": "x", "levle": "A2"}, "levle"),
    ],
)  # fmt: skip
async def test_a_wrong_field_of_the_script_is_named(
    shipped: aiohttp.ClientSession, body: dict[str, Any], param: str | None
) -> None:
    async with shipped.post("/llm/generate-script", data=io.BytesIO(json.dumps(body).encode())) as response:
        answer = await response.json()
    assert response.status == 400
    assert answer["error"]["param"] == param
    if param is None:
        assert "'document_content' or 'topic'" in answer["error"]["message"]


async def test_a_document_that_is_empty_leaves_the_topic(shipped: aiohttp.ClientSession) -> None:
    async with shipped.post("/llm/generate-script", json={"topic": "tea", "document_content": ""}) as response:
        assert response.status == 200


async def test_a_document_beyond_all_pieces_is_413(shipped: aiohttp.ClientSession) -> None:
    body = io.BytesIO(json.dumps({"document_content": "x" * 6_000_001}).encode())
    async with shipped.post("/llm/generate-script", data=body) as response:
        assert response.status == 413
        assert (await response.json())["error"]["param"] == "document_content"
