"""Every speech vendor's own client before every provider: a Polly client answered by Google's simulator, and so on."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from deepgram.core.api_error import ApiError as DeepgramError
from elevenlabs.core.api_error import ApiError as ElevenLabsError
from google.api_core.exceptions import GoogleAPICallError

from gateway.audio.sniff import sniff
from gateway.dialects.signatures import pair_of
from gateway.stores.keys.secret import digest_of
from gateway.types import AudioFormat
from plugins.sandbox.speaking import speak
from tests.harness import ROOT, process
from tests.plugins.spoken import hear
from tests.voice_clients import KEY, SIGNING_SECRET, VOICES, House, house
from tests.voice_table import CLIENTS, FIRST, LISTENING_CLIENTS, SAID, SPEAKERS

# The SDK imports what is deprecated in the library it stands on.
pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")

ERRORS: dict[str, type[Exception]] = {
    "deepgram": DeepgramError,
    "elevenlabs": ElevenLabsError,
    "google": GoogleAPICallError,
    "polly": ClientError,
}
KEYS = f"{{static: [{{name: app, key: {KEY}}}], signing_secret: {SIGNING_SECRET}}}"


def said_as_wav() -> bytes:
    """Return the sandbox's speech, which carries its text: simulators and the sandbox read it."""
    return b"".join(data for _, data in speak(SAID, "tone-208", 1.0, AudioFormat("wav", "audio/wav", 24_000)))


def signing() -> tuple[str, str]:
    pair = pair_of(SIGNING_SECRET, digest_of(KEY))
    return pair.access_key_id, pair.secret_access_key


async def spoken_by(at: House, provider: str, client: str) -> None:
    audio = await asyncio.to_thread(at.clients(provider).speak, client, SAID)
    if client != "polly":  # one is enough to be decoded: what a provider says does not depend on the client
        assert sniff(audio[:4096]) == "mp3", (provider, client)
        return
    heard = hear(audio, "mp3")
    assert (heard.container, heard.codec) == ("mp3", "mp3")
    assert 0.8 < heard.seconds < 6.0


async def spoken_as_samples(at: House, provider: str, client: str) -> None:
    clients = at.clients(provider)
    pcm, mulaw = [await asyncio.to_thread(clients.speak, client, SAID, form) for form in ("pcm", "mulaw")]
    assert len(pcm) % 2 == 0
    assert 0.8 < len(pcm) / 2 / 16_000 < 6.0
    if client == "google":
        assert mulaw[:4] == b"RIFF"
        assert mulaw[20:24] == b"\x07\0\x01\0"
        assert int.from_bytes(mulaw[40:44], "little") == len(mulaw) - 44
    assert 0.8 < len(mulaw) / 8_000 < 6.0


async def written_by(at: House, provider: str, client: str, wav: bytes) -> None:
    text = await asyncio.to_thread(at.clients(f"{provider}-ear").transcribe, client, wav)
    if provider == "openai":
        assert text  # that simulator has its own idea of what tones say
    elif provider != "local-stt":  # to which tones are no speech: an answer of the right shape is all there is
        assert text.split() == SAID.split(), (provider, client)


@pytest.mark.slow
async def test_every_client_is_answered_by_every_provider(tmp_path: Path) -> None:
    wav = said_as_wav()
    async with house(tmp_path) as at:
        for provider in (target.partition("/")[0] for target in SPEAKERS):
            await asyncio.gather(*(spoken_by(at, provider, client) for client in CLIENTS))
            if provider in at.vendors:
                assert len(at.vendors[provider].requests) == len(CLIENTS)
        await asyncio.gather(*(spoken_as_samples(at, "google-tts", client) for client in CLIENTS))
        for provider in (target.partition("/")[0] for target in FIRST):
            await asyncio.gather(*(written_by(at, provider, client, wav) for client in LISTENING_CLIENTS))
            if f"{provider}-ear" in at.vendors:
                assert len(at.vendors[f"{provider}-ear"].requests) == len(LISTENING_CLIENTS)
        assert all(not vendor.refused for vendor in at.vendors.values())
        assert await asyncio.to_thread(at.clients("google-stt-ear").transcribe, "google", wav, "long") == SAID
        for client in CLIENTS:
            listed = await asyncio.to_thread(at.clients("lists").voices, client)
            assert VOICES[client] in listed


# ---------------------------------------------------------------- what goes wrong


def status_of(error: Any) -> int:
    """Return the status that a client's own exception tells."""
    if isinstance(error, ClientError):
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    status: Any = error.code if isinstance(error, GoogleAPICallError) else error.status_code
    return int(status)


async def refused(at: House, prefix: str, client: str, text: str = SAID, voice: str = "", **who: Any) -> Any:
    """Return the client's own exception for a text that is not spoken."""
    clients = at.clients(prefix, **{"pair": signing(), **who})
    with pytest.raises(ERRORS[client]) as caught:
        await asyncio.to_thread(clients.speak, client, text, "mp3", voice)
    return caught.value


@pytest.mark.slow
async def test_every_client_raises_its_own_exception(tmp_path: Path) -> None:
    async with house(tmp_path, KEYS) as at:
        for client in CLIENTS:
            clients = at.clients("limited", pair=signing())
            assert await asyncio.to_thread(clients.speak, client, SAID)
            limited = await refused(at, "limited", client, SAID + " Again.")
            strange = await refused(at, "deepgram", client, voice="Nobody")
            endless = await refused(at, "deepgram", client, "word " * 500)
            keyless = await refused(at, "deepgram", client, key="wrong-horse-battery", pair=(signing()[0], "wrong"))
            statuses = [status_of(error) for error in (limited, strange, endless, keyless)]
            if client == "polly":
                kinds = [error.response["Error"]["Code"] for error in (limited, strange, endless, keyless)]
                assert kinds == [
                    *("ThrottlingException", "ValidationException", "TextLengthExceededException"),
                    "InvalidSignatureException",
                ]
                assert statuses == [400, 400, 400, 403]
                stranger = await refused(at, "deepgram", client, pair=("GWAKFFFFFFFFFFFF", "x"))
                assert stranger.response["Error"]["Code"] == "UnrecognizedClientException"
            else:
                assert statuses == [429, 404 if client == "elevenlabs" else 400, 400, 401]
        for vendor in at.vendors.values():
            assert not vendor.requests


# ---------------------------------------------------------------- the page


@pytest.mark.slow
async def test_every_client_of_the_page_works_on_the_default_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs" / "voice-clients.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    providers, routes = ((ROOT / name).read_text() for name in ("providers.yaml", "routes.yaml"))
    files = {"GATEWAY_LISTEN": "127.0.0.1:0"}
    async with process(tmp_path, providers, routes, files) as gateway:
        for block in blocks:
            # `close` is what a script leaves to its end.
            script = f"{block.replace('http://127.0.0.1:8001', gateway.url)}\nclose(client)\n"
            await asyncio.to_thread(exec, script, {"close": closed})
    numbers = capsys.readouterr().out.splitlines()
    assert len(numbers) == 4
    assert all(line for line in numbers)


def closed(client: Any) -> None:
    """Give back the connections of a client of any make."""
    wrapper = getattr(client, "_client_wrapper", None)
    if wrapper is not None:
        wrapper.httpx_client.httpx_client.close()
    elif hasattr(client, "transport"):
        client.transport.close()
    else:
        client.close()
