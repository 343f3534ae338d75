"""What goes wrong reaches the official client as Google's own errors, whichever vendor failed."""

from __future__ import annotations

import aiohttp
import pytest
from google.genai import errors, types

from tests.gemini_client.house import House, streamed
from tests.vendors.faults import Fault

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


@pytest.mark.parametrize("model", ["own", "gpt"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_vendors_failure_is_googles_error(house: House, model: str, stream: bool) -> None:
    vendor = house.gemini if model == "own" else house.openai
    vendor.faults.add(Fault("status", status=429, retry_after_s=70, times=None))
    with pytest.raises(errors.ClientError) as caught:
        await (
            streamed(house, model=model, contents="x")
            if stream
            else house.client.generate_content(model=model, contents="x")
        )
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    details = caught.value.details["error"]["details"]
    assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "70s"} in details


@pytest.mark.parametrize("model", ["own", "gpt"])
async def test_a_stream_that_breaks_raises(house: House, model: str) -> None:
    vendor = house.gemini if model == "own" else house.openai
    vendor.faults.add(Fault("cut_without_terminator", after_events=4))
    with pytest.raises(errors.ServerError) as caught:
        await streamed(house, model=model, contents="a b c d e f g")
    assert caught.value.status == "UNAVAILABLE"


async def test_an_array_that_breaks_does_not_end(house: House) -> None:
    house.gemini.faults.add(Fault("cut_without_terminator", after_events=3))
    url = f"{house.gateway.url}/v1beta/models/own:streamGenerateContent"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json={"contents": [{"parts": [{"text": "a b"}]}]}) as response,
    ):
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_a_blocked_prompt_and_a_blocked_answer_are_told(house: House) -> None:
    blocked = await house.client.generate_content(model="own", contents="[blocked]")
    assert blocked.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    for model in ("own", "gpt"):
        answer = await house.client.generate_content(model=model, contents="a[content_filter]b")
        assert answer.candidates[0].finish_reason == types.FinishReason.SAFETY
        assert answer.text.endswith("echoes: a")


async def test_a_failed_vendor_is_replaced(house: House) -> None:
    house.gemini.faults.add(Fault("status", status=503))
    answer = await house.client.generate_content(model="both", contents="hi")
    assert answer.text == "openai/gpt-5.4-mini echoes: hi"


async def test_what_a_field_should_be_is_said(house: House) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"{house.gateway.url}/v1beta/models/own:generateContent"
        async with http.post(url, json={"contents": [{"role": "robot", "parts": []}]}) as response:
            error = (await response.json())["error"]
        async with http.post(url.replace("v1beta", "v7"), json={"contents": []}) as response:
            assert response.status == 404
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    (violation,) = next(detail["fieldViolations"] for detail in error["details"] if "fieldViolations" in detail)
    assert violation["field"] == "contents[0].role"


async def test_what_was_left_out_is_told_by_the_names_of_this_format(house: House) -> None:
    asked = {
        "contents": [{"parts": [{"text": "hi"}]}],
        "generationConfig": {"topK": 5, "thinkingConfig": {"thinkingBudget": 9}},
    }
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{house.gateway.url}/v1beta/models/gpt:generateContent", json=asked) as response:
            dropped = response.headers["x-gateway-dropped"]
    assert dropped == "generationConfig.thinkingConfig.thinkingBudget,generationConfig.topK"


@pytest.mark.parametrize("name", ["../../admin", "a?x=1", "a%3Fx", "a b", "x" * 300, "..", "gemini/..", "a#b"])
async def test_a_model_never_leads_to_another_path(house: House, name: str) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"{house.gateway.url}/v1/chat/completions"
        async with http.post(url, json={"model": name, "messages": [{"role": "user", "content": "x"}]}) as response:
            assert response.status in (400, 404)
    assert list(house.gemini.requests) == []
