"""The legacy dialect openai.completions, through the official client and in front of chat models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from openai import BadRequestError

from tests.plugins.chat_setup import Setup, chat_setup

NOVA = "bedrock/amazon.nova-lite-v1:0"


@pytest_asyncio.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    async with chat_setup(tmp_path) as ready:
        yield ready
        assert [record.refusal for record in (*ready.openai.refused, *ready.bedrock.refused)] == []


@pytest.mark.parametrize("prompt", ["hello", ["hello"]])
@pytest.mark.parametrize("model", ["both/gpt-4o-mini", NOVA])
async def test_a_prompt_is_continued(setup: Setup, model: str, prompt: Any) -> None:
    answer = await setup.strict.completions.create(model=model, prompt=prompt, max_tokens=50)
    assert answer.choices[0].text.endswith("echoes: hello")
    assert (answer.object, answer.choices[0].finish_reason) == ("text_completion", "stop")
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0


async def test_sixteen_tokens_are_the_default(setup: Setup) -> None:
    answer = await setup.strict.completions.create(model="both/gpt-4o-mini", prompt="word " * 40)
    assert answer.choices[0].finish_reason == "length"
    assert setup.openai.requests[-1].json()["max_completion_tokens"] == 16


async def test_a_stream_with_echo_several_choices_and_usage(setup: Setup) -> None:
    stream = await setup.client.completions.create(
        model="both/gpt-4o-mini",
        prompt="hi",
        max_tokens=50,
        n=2,
        echo=True,
        stream=True,
        stream_options={"include_usage": True},
    )
    texts = {0: "", 1: ""}
    reasons = {}
    async for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            reasons[choice.index] = choice.finish_reason
    assert texts == {0: "hiopenai/gpt-4o-mini echoes: hi", 1: "hiopenai/gpt-4o-mini echoes: hi (#1)"}
    assert reasons == {0: "stop", 1: "stop"}
    assert chunk.usage is not None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "a", "logprobs": 2}, "logprobs"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "best_of": 2}, "best_of"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": 3}, "prompt"),
        ({}, "prompt"),
        ({"prompt": "a", "echo": "yes"}, "echo"),
    ],
)
async def test_what_chat_models_cannot_do_is_refused_by_name(setup: Setup, body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        await setup.client.post("/completions", cast_to=object, body={"model": "both/gpt-4o-mini"} | body)
    assert caught.value.param == param


async def test_fields_that_ask_for_nothing_pass(setup: Setup) -> None:
    body = {"model": "both/gpt-4o-mini", "prompt": "a", "logprobs": None, "best_of": 1, "suffix": None, "echo": False}
    await setup.client.post("/completions", cast_to=object, body=body)
