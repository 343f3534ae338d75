"""The fake Bedrock, through boto3 itself: signed, modelled, streamed in AWS's own framing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from typing import Any

import aiohttp
import boto3
import pytest
import pytest_asyncio
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from tests.vendors.bedrock import ACCESS_KEY, API_KEY, SECRET_KEY, BedrockServer
from tests.vendors.faults import Fault

REGION = "us-east-1"
MODEL = "amazon.nova-lite-v1:0"
HELLO: list[Any] = [{"role": "user", "content": [{"text": "hello there"}]}]
WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
}


@pytest_asyncio.fixture
async def vendor() -> AsyncIterator[BedrockServer]:
    async with BedrockServer() as server:
        yield server


async def asked(
    vendor: BedrockServer, ask: Callable[[Any], Any], *, secret: str = SECRET_KEY, region: str = REGION
) -> Any:
    """Return what `ask` gets from a client, which is closed after it."""

    def run() -> Any:
        client = boto3.client(
            "bedrock-runtime",
            endpoint_url=vendor.origin,
            region_name=region,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}),
        )
        with closing(client):
            return ask(client)

    return await asyncio.to_thread(run)


async def converse(vendor: BedrockServer, **options: Any) -> Any:
    given = {"modelId": MODEL, "messages": HELLO} | options
    return await asked(vendor, lambda client: client.converse(**given))


async def streamed(vendor: BedrockServer, **options: Any) -> list[Any]:
    given = {"modelId": MODEL, "messages": HELLO} | options
    events: list[Any] = await asked(vendor, lambda client: _listed(client.converse_stream(**given)["stream"]))
    return events


def _listed(stream: Any) -> list[Any]:
    with closing(stream):
        return list(stream)


async def test_a_signed_request_is_echoed(vendor: BedrockServer) -> None:
    answer = await converse(vendor, system=[{"text": "Be brief."}])
    assert answer["output"]["message"]["content"] == [{"text": f"bedrock/{MODEL} echoes: hello there"}]
    assert answer["stopReason"] == "end_turn"
    assert vendor.requests[0].path == "/model/amazon.nova-lite-v1%3A0/converse"


async def test_a_stream_says_what_the_whole_answer_says(vendor: BedrockServer) -> None:
    events = await streamed(vendor)
    text = "".join(event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event)
    assert text == f"bedrock/{MODEL} echoes: hello there"
    assert [next(iter(event)) for event in events[-2:]] == ["messageStop", "metadata"]


async def test_a_tool_loop(vendor: BedrockServer) -> None:
    question = [{"role": "user", "content": [{"text": "get_weather"}]}]
    first = await converse(vendor, messages=question, toolConfig={"tools": [WEATHER]})
    message = first["output"]["message"]
    used = message["content"][0]["toolUse"]
    result = {"toolResult": {"toolUseId": used["toolUseId"], "content": [{"text": "rain"}]}}
    turn = [*question, message, {"role": "user", "content": [result]}]
    second = await converse(vendor, messages=turn, toolConfig={"tools": [WEATHER]})
    assert second["output"]["message"]["content"][0]["text"].endswith("echoes: rain")


@pytest.mark.parametrize("wrong", [{"secret": "other"}, {"region": "eu-west-1"}])
async def test_a_wrong_secret_or_region_is_403(vendor: BedrockServer, wrong: dict[str, str]) -> None:
    with pytest.raises(ClientError) as caught:
        await asked(vendor, lambda client: client.converse(modelId=MODEL, messages=HELLO), **wrong)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


async def test_an_api_key_stands_for_a_signature(vendor: BedrockServer) -> None:
    async with aiohttp.ClientSession(vendor.origin) as http:
        for key, status in ((API_KEY, 200), ("other", 403)):
            headers = {"authorization": f"Bearer {key}"}
            response = await http.post("/model/titan/converse", json={"messages": HELLO}, headers=headers)
            assert response.status == status


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


USED = {"toolUse": {"toolUseId": "t1", "name": "f", "input": {}}}
CASES: list[dict[str, Any]] = [
    {"nope": 1},
    {"messages": []},
    {"messages": [{"role": "assistant", "content": [{"text": "x"}]}]},
    {"messages": [*HELLO, *HELLO]},
    {"messages": [user({"text": ""})]},
    {"messages": [user({"text": "a", "image": {"format": "png", "source": {"bytes": "AAAA"}}})]},
    {"messages": [user({"image": {"format": "bmp", "source": {"bytes": "AAAA"}}})]},
    {"messages": [user({"image": {"format": "png", "source": {"bytes": "***"}}})]},
    {"messages": [user({"document": {"format": "pdf", "name": "a/b", "source": {"bytes": "AAAA"}}}, {"text": "x"})]},
    {"messages": [*HELLO, {"role": "assistant", "content": [USED]}, user({"text": "no result"})]},
    {"messages": [user({"toolResult": {"toolUseId": "t1", "content": [{"text": "x"}]}})]},
    {"inferenceConfig": {"temperature": 1.1}},
    {"inferenceConfig": {"maxTokens": 0}},
    {"toolConfig": {"tools": []}},
    {"toolConfig": {"tools": [{"toolSpec": {"name": "a b", "inputSchema": {"json": {"type": "object"}}}}]}},
    {"toolConfig": {"tools": [WEATHER], "toolChoice": {"auto": {}, "any": {}}}},
    {"toolConfig": {"tools": [WEATHER], "toolChoice": {"tool": {"name": "other"}}}},
    {"outputConfig": {"effort": "high"}},
    {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}}},
]


@pytest.mark.parametrize("change", CASES, ids=lambda change: json.dumps(change)[:60])
async def test_converse_refuses(vendor: BedrockServer, change: dict[str, Any]) -> None:
    path = "/model/amazon.nova-lite-v1%3A0/converse"
    headers = {"authorization": f"Bearer {API_KEY}"}
    async with aiohttp.ClientSession(vendor.origin) as http:
        response = await http.post(path, json={"messages": HELLO} | change, headers=headers)
        assert response.status == 400, await response.text()
    assert len(vendor.refused) == 1


async def test_an_exception_in_the_stream_reaches_boto3_as_one(vendor: BedrockServer) -> None:
    vendor.faults.add(Fault("error_event_in_200", status=429, after_events=2))
    with pytest.raises(EventStreamError, match="throttlingException"):
        await streamed(vendor)


async def test_a_failure_is_the_modelled_exception(vendor: BedrockServer) -> None:
    vendor.faults.add(Fault("status", status=429, retry_after_s=3))
    with pytest.raises(ClientError) as caught:
        await converse(vendor)
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
