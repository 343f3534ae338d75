"""`/v1/realtime`: OpenAI's own client to OpenAI as it is, and to the sandbox in OpenAI's protocol."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.realtime.realtime_server_event import RealtimeServerEvent
from pydantic import TypeAdapter

from plugins.sandbox.speaking import speak, spoken_format
from tests.live_house import KEY, REALTIME, SANDBOX, House, house, settled, told

SECOND = base64.b64encode(b"\x01\x00" * 24_000).decode()
EVENTS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def openai(at: House) -> AsyncOpenAI:
    return AsyncOpenAI(api_key=KEY, base_url=at.gateway.url + "/v1")


async def until(connection: Any, kind: str) -> list[Any]:
    """Return the events up to one of a kind."""
    events = []
    async for event in connection:
        events.append(event)
        if event.type == kind:
            return events
    raise AssertionError(f"no {kind} in {[event.type for event in events]}")


async def test_the_vendors_own_client_talks_to_the_vendor(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        async with openai(at).realtime.connect(model="gpt-realtime") as connection:
            assert (await until(connection, "session.created"))[0].session.model == "gpt-realtime"
            await connection.session.update(session={"type": "realtime", "instructions": "be kind"})
            await until(connection, "session.updated")
            for _ in range(3):
                await connection.input_audio_buffer.append(audio=SECOND)
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            events = await until(connection, "response.done")
            assert [event.delta for event in events if event.type == "response.output_audio_transcript.delta"] == [
                "heard 3000 ms"
            ]
            assert events[-1].response.usage.input_tokens == 40
        await at.idle()
        (session,) = at.other.sessions
        assert session.code == 1000
        assert session.request.refusal is None
        assert session.request.header("authorization") != f"Bearer {KEY}"
    # 10 tokens of text at 4, 30 of audio at 32, 10 spoken at 64 USD a million.
    assert settled(tmp_path, "status, outcome, input_tokens, output_tokens, cost_nano_usd, is_estimated") == [
        (101, "ok", 40, 10, 40_000 + 960_000 + 640_000, 0)
    ]


async def test_use_is_the_sum_of_all_responses(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        async with openai(at).realtime.connect(model="gpt-realtime") as connection:
            for _ in range(2):
                await connection.input_audio_buffer.append(audio=SECOND)
                await connection.input_audio_buffer.commit()
                await connection.response.create()
                await until(connection, "response.done")
        await at.idle()
    assert settled(tmp_path, "input_tokens, output_tokens") == [(40, 20)]


async def test_an_event_that_the_vendor_refuses_is_the_vendors_to_answer(tmp_path: Path) -> None:
    async with house(tmp_path) as at, openai(at).realtime.connect(model="gpt-realtime") as connection:
        await connection.send_raw('{"type":"session.update","session":{"type":"realtime","volume":11}}')
        (*_, error) = await until(connection, "error")
        assert "volume" in error.error.message


async def test_a_browsers_key_is_among_its_subprotocols(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        protocols = ("realtime", f"openai-insecure-api-key.{KEY}")
        async with at.http.ws_connect(REALTIME, protocols=protocols) as socket:
            assert socket.protocol == "realtime"
            assert (await socket.receive_json())["type"] == "session.created"
            await socket.close()
        await at.idle()
        assert KEY not in str(at.other.sessions[0].request.headers)
    assert settled(tmp_path, "key") == [("ann",)]


async def test_binary_belongs_nowhere_in_a_conversation(tmp_path: Path) -> None:
    async with house(tmp_path) as at, at.socket(REALTIME) as socket:
        await socket.send_bytes(b"\0\1")
        assert (await told(socket))[1:] == (1003, "binary messages are not supported")
    async with house(tmp_path, providers=SANDBOX) as at, at.socket(REALTIME) as socket:
        await socket.send_bytes(b"\0\1")
        messages, code, reason = await told(socket)
        assert (code, messages[-1]["error"]["message"]) == (1003, reason)


# ---------------------------------------------------------------- without a vendor


async def test_the_same_client_talks_to_the_sandbox(tmp_path: Path) -> None:
    said = b"".join(data for _, data in speak("repeat after me", "tone-250", 1.0, spoken_format("pcm", 24_000)))
    async with house(tmp_path, providers=SANDBOX) as at:
        async with openai(at).realtime.connect(model="gpt-realtime") as connection:
            await until(connection, "session.created")
            await connection.session.update(
                session={"type": "realtime", "audio": {"input": {"turn_detection": None}, "output": {"voice": "echo"}}}
            )
            await until(connection, "session.updated")
            for begin in range(0, len(said), 4_800):
                audio = base64.b64encode(said[begin : begin + 4_800]).decode()
                await connection.input_audio_buffer.append(audio=audio)
            await connection.input_audio_buffer.commit()
            await connection.response.create()
            events = await until(connection, "response.done")
            for event in events:
                EVENTS.validate_json(event.to_json(), strict=True)
            heard = [each for each in events if each.type == "conversation.item.input_audio_transcription.completed"]
            assert heard[0].transcript == "repeat after me"
            spoken = [each for each in events if each.type == "response.output_audio_transcript.done"]
            assert spoken[0].transcript == "repeat after me"
            audio_bytes = sum(
                len(base64.b64decode(each.delta)) for each in events if each.type == "response.output_audio.delta"
            )
            assert audio_bytes > 24_000
            usage = events[-1].response.usage
            assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
            await connection.conversation.item.create(
                item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "and in writing"}]}
            )
            await connection.response.create(response={"output_modalities": ["text"]})
            events = await until(connection, "response.done")
            assert (
                "".join(each.delta for each in events if each.type == "response.output_text.delta") == "and in writing"
            )
            total = usage.total_tokens + events[-1].response.usage.total_tokens
        await at.idle()
    ((status, outcome, given, made, estimated),) = settled(
        tmp_path, "status, outcome, input_tokens, output_tokens, is_estimated"
    )
    assert (status, outcome, estimated) == (101, "ok", 0)
    assert given + made == total


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ('{"type":"input_audio_buffer.commit","event_id":"e1"}', "the input audio buffer is empty"),
        ('{"type":"input_audio_buffer.append","audio":"***","event_id":"e1"}', "'audio' must be base64"),
        ('{"type":"session.update","session":{"tools":[{}]},"event_id":"e1"}', "no tools are called"),
        (
            '{"type":"session.update","session":{"audio":{"input":{"turn_detection":{"type":"server_vad"}}}},"event_id":"e1"}',
            "nobody listens for the end of speech here",
        ),
        ('{"type":"conversation.item.delete","item_id":"x","event_id":"e1"}', "there is no item 'x'"),
        ('{"type":"response.cancel","event_id":"e1"}', "there is no response to be cancelled"),
        ('{"type":"dance","event_id":"e1"}', "the event type 'dance' is not known"),
    ],
)
async def test_an_event_that_the_sandbox_cannot_serve_ends_nothing(tmp_path: Path, event: str, said: str) -> None:
    async with house(tmp_path, providers=SANDBOX) as at, at.socket(REALTIME) as socket:
        await socket.receive_json()
        await socket.send_str(event)
        error = await socket.receive_json()
        assert (error["type"], error["error"]["event_id"]) == ("error", "e1")
        assert said in error["error"]["message"]
        await socket.send_str('{"type":"input_audio_buffer.clear"}')
        assert (await socket.receive_json())["type"] == "input_audio_buffer.cleared"
