"""A fake OpenAI, the real SDK pointed at it, and a plain HTTP client for what the SDK would never send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.vendors.openai import API_KEY, OpenAIServer
from tests.vendors.tones import tone_pcm, wav_file


@pytest_asyncio.fixture
async def vendor() -> AsyncIterator[OpenAIServer]:
    """Return a running fake OpenAI."""
    async with OpenAIServer() as server:
        yield server


@pytest_asyncio.fixture
async def client(vendor: OpenAIServer) -> AsyncIterator[AsyncOpenAI]:
    """Return the SDK, strict about answers and without retries."""
    options: dict[str, Any] = {"max_retries": 0, "_strict_response_validation": True}
    async with AsyncOpenAI(base_url=vendor.base_url, api_key=API_KEY, **options) as sdk:
        yield sdk


@pytest_asyncio.fixture
async def http(vendor: OpenAIServer) -> AsyncIterator[aiohttp.ClientSession]:
    """Return an HTTP client that has the simulator's key; paths are relative to its origin."""
    headers = {"authorization": f"Bearer {API_KEY}"}
    async with aiohttp.ClientSession(vendor.origin, headers=headers) as session:
        yield session


@pytest.fixture(scope="session")
def one_second_wav() -> bytes:
    """Return one second of 24 kHz mono audio."""
    return wav_file(tone_pcm(400, 1.0))


def unknown_fields(model: Any, path: str = "") -> list[str]:
    """Return the paths of fields an SDK model does not declare; the SDK itself lets them pass."""
    if isinstance(model, list):
        return [found for i, item in enumerate(model) for found in unknown_fields(item, f"{path}[{i}]")]
    if not isinstance(model, BaseModel):
        return []
    extra = [f"{path}.{name}" for name in model.model_extra or {}]
    declared = [unknown_fields(getattr(model, name), f"{path}.{name}") for name in type(model).model_fields]
    return extra + [found for part in declared for found in part]
