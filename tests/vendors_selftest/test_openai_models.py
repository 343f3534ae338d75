"""The fake OpenAI's model list, through the real SDK."""

from __future__ import annotations

from openai import AsyncOpenAI

from tests.vendors_selftest.conftest import unknown_fields


async def test_models_are_listed_and_retrieved(client: AsyncOpenAI) -> None:
    listed = [model async for model in client.models.list()]
    assert [unknown_fields(model) for model in listed] == [[]] * len(listed)
    assert {"gpt-5.4-mini", "tts-1", "whisper-1", "text-embedding-3-small"} <= {model.id for model in listed}
    assert await client.models.retrieve("tts-1") in listed
