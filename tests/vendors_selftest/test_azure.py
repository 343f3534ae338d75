"""The fake Azure OpenAI, through the real SDK's Azure client and through the plain one on the v1 surface."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from openai import AsyncAzureOpenAI

from tests.vendors.openai import API_KEY
from tests.vendors.openai.azure import AzureServer

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
CHAT = "/openai/v1/chat/completions"
DATED = "/openai/deployments/gpt-4o-mini/chat/completions"


async def test_the_azure_client_is_served_on_the_dated_surface() -> None:
    async with AzureServer() as vendor:
        client = AsyncAzureOpenAI(azure_endpoint=vendor.origin, api_key=API_KEY, api_version="2024-10-21")
        answer = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
        await client.close()
        assert answer.choices[0].message.content == "openai/gpt-4o-mini echoes: hello"
        assert (answer.model_extra or {})["prompt_filter_results"]
        assert vendor.requests[0].path == DATED


async def test_a_stream_begins_with_filter_results_and_no_choice() -> None:
    async with AzureServer() as vendor, aiohttp.ClientSession(vendor.origin, headers={"api-key": API_KEY}) as http:
        body = {"model": "gpt-4o-mini", "messages": HELLO, "stream": True}
        async with http.post(CHAT, json=body) as response:
            first = (await response.read()).split(b"\n\n")[0]
        assert b'"choices":[]' in first
        assert b"prompt_filter_results" in first


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({"api-key": API_KEY}, CHAT, 200),
        ({"api-key": "wrong"}, CHAT, 401),
        ({"authorization": f"Bearer {API_KEY}"}, CHAT, 401),
        ({"api-key": API_KEY, "authorization": "Bearer x"}, CHAT, 401),
        ({"api-key": API_KEY}, DATED, 404),
        ({"api-key": API_KEY}, DATED + "?api-version=2024-10-21", 200),
        ({"api-key": API_KEY}, DATED + "?api-version=now", 404),
        ({"api-key": API_KEY}, "/v1/chat/completions", 404),
    ],
)
async def test_keys_and_paths_are_azures(headers: dict[str, str], path: str, status: int) -> None:
    body = {"model": "gpt-4o-mini", "messages": HELLO}
    async with AzureServer() as vendor, aiohttp.ClientSession(vendor.origin) as http:
        response = await http.post(path, json=body, headers=headers)
        assert response.status == status
