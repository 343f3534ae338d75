"""A running house, whose vendors refused nothing when it is torn down."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google import genai
from google.genai import types

from tests.gemini_client.house import PROVIDERS, ROUTES, House
from tests.harness import inside
from tests.vendors import gemini as gemini_vendor
from tests.vendors import openai as openai_vendor
from tests.vendors.gemini import GeminiServer
from tests.vendors.openai import OpenAIServer


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with GeminiServer() as gemini, OpenAIServer() as openai:
        providers = PROVIDERS.format(
            gemini=gemini.base_url,
            gemini_key=gemini_vendor.API_KEY,
            openai=openai.base_url,
            openai_key=openai_vendor.API_KEY,
        )
        async with inside(tmp_path, providers, ROUTES) as gateway:
            options = types.HttpOptions(base_url=gateway.url, api_version="v1beta")
            async with genai.Client(api_key="any", http_options=options).aio as client:
                yield House(gateway, gemini, openai, client.models)
            assert [record.refusal for vendor in (gemini, openai) for record in vendor.refused] == []
