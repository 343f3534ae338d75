"""`/v1/speak`: to a vendor as it is, and from whoever speaks at all, in the vendor's protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from deepgram.speak.v1.types import SpeakV1Text

from tests.live_house import KEY, SANDBOX, SPEAK, deepgram, house, kinds, settled, told

# The SDK asks websockets for a name that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")


async def spoken(url: str, *texts: str) -> tuple[bytes, list[Any]]:
    """Have texts spoken by the vendor's own client, each flushed. Returns the audio and the messages."""
    audio, messages = b"", []
    async with deepgram(url).speak.v1.connect(
        model="aura-2-thalia-en", encoding="linear16", sample_rate=16000
    ) as socket:
        for text in texts:
            await socket.send_text(SpeakV1Text(text=text))
            await socket.send_flush()
        await socket.send_close()
        async for message in socket:
            if isinstance(message, bytes):
                audio += message
            else:
                messages.append(message)
    return audio, messages


async def test_the_vendors_own_client_is_spoken_to_by_the_vendor(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        audio, messages = await spoken(at.gateway.url, "hello", "there")
        await at.idle()
        assert len(audio) == 10 * 200
        assert [message.type for message in messages] == ["Metadata", "Flushed", "Flushed"]
        assert messages[0].model_name == "aura-2-thalia-en"
        assert at.vendor.refused == []
    assert settled(tmp_path, "status, outcome, characters, cost_nano_usd") == [(101, "ok", 10, 300_000)]


async def test_the_same_client_is_spoken_to_without_any_vendor(tmp_path: Path) -> None:
    async with house(tmp_path, providers=SANDBOX) as at:
        audio, messages = await spoken(at.gateway.url, "hello there", "and goodbye")
        await at.idle()
        assert [message.type for message in messages] == ["Metadata", "Flushed", "Flushed"]
        assert [message.sequence_id for message in messages[1:]] == [0, 1]
        assert len(audio) > 32_000, "more than a second of samples"
    assert settled(tmp_path, "status, outcome, characters, cost_nano_usd, is_estimated") == [
        (101, "ok", 22, 660_000, 0)
    ]


async def test_clear_forgets_what_was_not_spoken(tmp_path: Path) -> None:
    async with house(tmp_path, providers=SANDBOX) as at, at.socket(SPEAK) as socket:
        await socket.send_json({"type": "Speak", "text": "never mind"})
        await socket.send_json({"type": "Clear"})
        await socket.send_json({"type": "Close"})
        messages, code, _ = await told(socket)
        assert kinds(messages) == ["Metadata", "Cleared"]
        assert not [message for message in messages if isinstance(message, bytes)]
        assert code == 1000


@pytest.mark.parametrize(
    ("message", "code", "said"),
    [
        (b"\0\1", 1003, "text to be spoken is sent in text messages; binary ones are not taken"),
        ("no json", 1008, "a text message must be JSON; this one is not"),
        ('{"type":"Sing"}', 1008, "the message type 'Sing' is not known; there are Speak, Flush, Clear and Close"),
        ('{"type":"Speak"}', 1008, "a message of type Speak must have a 'text'"),
    ],
)
async def test_what_cannot_be_read_ends_the_session_and_says_why(
    tmp_path: Path, message: bytes | str, code: int, said: str
) -> None:
    async with house(tmp_path, providers=SANDBOX) as at, at.socket(SPEAK) as socket:
        await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))
        messages, *end = await told(socket)
        assert end == [code, said]
        assert messages[-1]["description"] == said


@pytest.mark.parametrize("query", ["encoding=mp3", "sample_rate=0", "speed=fast", "encoding=mulaw&sample_rate=8000"])
async def test_what_the_sandbox_cannot_speak_is_refused_before_the_upgrade(tmp_path: Path, query: str) -> None:
    async with house(tmp_path, providers=SANDBOX) as at:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with at.http.ws_connect(
                f"/v1/speak?model=aura-2-thalia-en&{query}", headers={"authorization": f"Token {KEY}"}
            ):
                pytest.fail("it is connected")
        assert caught.value.status == 400
