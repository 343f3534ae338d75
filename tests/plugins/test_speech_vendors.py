"""What every speech vendor keeps: the format asked for or a refusal, audio as it comes, no cut taken for an end."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from openai import APIError, APIStatusError, BadRequestError, InternalServerError

from tests.plugins.spoken import CONTENT_TYPES, FORMATS, KINDS, TEXT, desk, hear
from tests.vendors.answers import Answer
from tests.vendors.deepgram import DeepgramServer
from tests.vendors.elevenlabs import ElevenLabsServer
from tests.vendors.faults import Fault
from tests.vendors.google_tts import GoogleTtsServer
from tests.vendors.openai import OpenAIServer
from tests.vendors.polly import PollyServer
from tests.vendors.recording import RequestRecord
from tests.vendors.server import VendorServer
from tests.vendors.voices import Said, speech

VENDORS: dict[str, tuple[type[VendorServer], str]] = {
    "google-tts": (GoogleTtsServer, "chirp3-hd"),
    "polly": (PollyServer, "neural"),
    "deepgram": (DeepgramServer, "aura-2"),
    "elevenlabs": (ElevenLabsServer, "eleven_flash_v2_5"),
}
STREAMING = ("polly", "deepgram", "elevenlabs")  # Google answers when everything was spoken
# The sample rate that a decoder finds (Opus always decodes at 48 kHz); left out: the target refuses the format.
RATES_HZ = {
    "google-tts": {"mp3": 24_000, "opus": 48_000, "wav": 24_000, "pcm": 24_000},
    "polly": {"mp3": 24_000, "opus": 48_000, "wav": 16_000},
    "deepgram": {"mp3": 22_050, "opus": 48_000, "aac": 22_050, "flac": 48_000, "wav": 24_000, "pcm": 24_000},
    "elevenlabs": {"mp3": 44_100, "opus": 48_000, "wav": 24_000, "pcm": 24_000},
}


@pytest.mark.parametrize("name", VENDORS)
async def test_the_bytes_are_what_was_asked_for(tmp_path: Path, name: str) -> None:
    make, model = VENDORS[name]
    async with make() as vendor, desk(tmp_path, {name: vendor}, (f"{name}/{model}",)) as front:
        for kind, rate_hz in RATES_HZ[name].items():
            spoken = await front.speak(response_format=kind)
            heard = hear(spoken.audio, kind)
            assert (heard.container, heard.codec) == KINDS[kind], kind
            assert (heard.rate_hz, heard.channels) == (rate_hz, 1), kind
            assert heard.seconds == pytest.approx(2.57, abs=0.1), kind  # espeak-ng's own length; encoders pad
            assert spoken.headers["content-type"] == CONTENT_TYPES[kind]
            assert b"".join(await front.stream(response_format=kind)) == spoken.audio, kind
    assert vendor.refused == []


@pytest.mark.parametrize("name", VENDORS)
async def test_a_format_that_is_not_to_be_had_is_refused_before_the_vendor_is_asked(tmp_path: Path, name: str) -> None:
    make, model = VENDORS[name]
    async with make() as vendor, desk(tmp_path, {name: vendor}, (f"{name}/{model}",)) as front:
        for kind in set(FORMATS) - set(RATES_HZ[name]):
            with pytest.raises(BadRequestError, match=rf"{name}/{model} has no (format )?{kind}"):
                await front.speak(response_format=kind)
    assert len(vendor.requests) == 0


@pytest.mark.parametrize("name", STREAMING)
async def test_audio_flows_as_the_vendor_sends_it(tmp_path: Path, name: str) -> None:
    make, model = VENDORS[name]
    async with make(event_interval_s=0.02) as vendor, desk(tmp_path, {name: vendor}, (f"{name}/{model}",)) as front:
        wish = {"model": "speak", "voice": "nova", "input": TEXT, "response_format": "wav"}
        async with front.client.audio.speech.with_streaming_response.create(**wish) as response:  # type: ignore[arg-type]
            pieces = response.iter_bytes()
            first = await anext(pieces)
            record = vendor.requests[-1]
            sent, outcome = record.events_sent, record.outcome
            rest = [piece async for piece in pieces]
    assert first.startswith(b"RIFF")
    assert (outcome, len(rest) > 5) == ("pending", True)
    assert sent <= 3


@pytest.mark.parametrize("name", STREAMING)
async def test_audio_that_breaks_off_is_an_error_and_never_a_shorter_success(tmp_path: Path, name: str) -> None:
    make, model = VENDORS[name]
    async with make() as vendor, desk(tmp_path, {name: vendor}, (f"{name}/{model}",)) as front:
        vendor.faults.add(Fault("cut_mid_stream", after_events=3))
        with pytest.raises(Exception, match=r"closed|incomplete|reset|peer"):
            await front.speak()


@pytest.mark.parametrize("name", VENDORS)
async def test_an_error_inside_a_200_is_an_error(tmp_path: Path, name: str) -> None:
    make, model = VENDORS[name]
    async with make() as vendor, desk(tmp_path, {name: vendor}, (f"{name}/{model}",)) as front:
        vendor.faults.add(Fault("error_event_in_200", after_events=0, times=None))
        with pytest.raises(InternalServerError):
            await front.speak()


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("status", [500, 503])
async def test_a_failing_vendor_is_told_from_a_wrong_request(tmp_path: Path, name: str, status: int) -> None:
    make, model = VENDORS[name]
    async with make() as vendor, desk(tmp_path, {name: vendor}, (f"{name}/{model}",)) as front:
        for fault, wanted in (
            (Fault("status", status=status), 503),
            (Fault("html", status=502), 503),
            (Fault("redirect"), 502),
        ):
            vendor.faults.clear()
            vendor.faults.add(replace(fault, times=None))
            with pytest.raises(APIStatusError) as caught:
                await front.speak()
            assert caught.value.status_code == wanted


@pytest.mark.parametrize("name", VENDORS)
async def test_a_wrong_key_is_the_operators_and_is_not_shown(tmp_path: Path, name: str) -> None:
    make, model = VENDORS[name]
    async with make() as vendor, desk(tmp_path, {name: vendor}, (f"{name}/{model}",)) as front:
        secret = "region" if name == "polly" else "api_key"
        setattr(vendor, secret, "another")
        with pytest.raises(APIStatusError) as caught:
            await front.speak()
    assert caught.value.status_code == 502
    assert "does not accept the gateway's credentials" in caught.value.message
    assert vendor.refused[0].status in (400, 401, 403)


# ---------------------------------------------------------------- answers that no simulator gives of itself


class Canned(VendorServer):
    """A vendor that answers everything with the same bytes."""

    def __init__(self, audio: bytes, content_type: str) -> None:
        super().__init__()
        self.audio, self.content_type = audio, content_type

    def answer(self, record: RequestRecord) -> Answer:
        return Answer(200, (("content-type", self.content_type),), (self.audio,), is_streamed=True)

    def error_answer(self, fault: Fault) -> Answer:
        return Answer(fault.status, (), (b"",))

    def error_event(self, fault: Fault) -> bytes:
        return b""


def canned(name: str, audio: bytes) -> Canned:
    """Return a vendor that gives this audio, in its own wrapping."""
    if name == "google-tts":
        return Canned(b'{"audioContent": "%b"}' % base64.b64encode(audio), "application/json")
    return Canned(audio, "audio/whatever")


@pytest.mark.parametrize("name", VENDORS)
async def test_another_format_than_was_asked_for_never_reaches_the_client(tmp_path: Path, name: str) -> None:
    audio = speech(Said(TEXT, "x", "opus", 48_000))
    async with canned(name, audio) as vendor, desk(tmp_path, {name: vendor}, (f"{name}/{VENDORS[name][1]}",)) as front:
        for kind in ("mp3", "wav"):
            with pytest.raises(APIError, match=r"sent ogg where (mp3|wav|pcm) was asked for"):
                await front.speak(response_format=kind)


@pytest.mark.parametrize("name", ["google-tts", "deepgram", "elevenlabs"])
async def test_a_wav_header_is_taken_off_where_samples_were_asked_for(tmp_path: Path, name: str) -> None:
    samples, wrapped = (speech(Said(TEXT, "x", kind, 24_000)) for kind in ("pcm", "wav"))
    async with (
        canned(name, wrapped) as vendor,
        desk(tmp_path, {name: vendor}, (f"{name}/{VENDORS[name][1]}",)) as front,
    ):
        assert (await front.speak(response_format="pcm")).audio == samples


@pytest.mark.parametrize("name", ["google-tts", "deepgram", "elevenlabs"])
async def test_samples_at_another_rate_than_promised_are_an_error(tmp_path: Path, name: str) -> None:
    wrapped = speech(Said(TEXT, "x", "wav", 16_000))
    async with (
        canned(name, wrapped) as vendor,
        desk(tmp_path, {name: vendor}, (f"{name}/{VENDORS[name][1]}",)) as front,
    ):
        with pytest.raises(APIError, match="16 bit pcm at 16000 Hz where 16 bit pcm at 24000 Hz was asked for"):
            await front.speak(response_format="pcm")


@pytest.mark.parametrize("name", VENDORS)
async def test_an_empty_answer_is_an_error(tmp_path: Path, name: str) -> None:
    async with canned(name, b"") as vendor, desk(tmp_path, {name: vendor}, (f"{name}/{VENDORS[name][1]}",)) as front:
        with pytest.raises(APIError, match="holds no audio"):
            await front.speak()


@asynccontextmanager
async def unframed(body: bytes, content_type: str) -> AsyncIterator[VendorServer]:
    """A vendor that ends its answer by closing the connection, as HTTP/1.0 does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nConnection: close\r\n\r\n" % content_type.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        vendor = Canned(b"", "")
        vendor.port = server.sockets[0].getsockname()[1]
        yield vendor


@pytest.mark.parametrize("name", STREAMING)
async def test_audio_without_length_or_chunks_is_refused(tmp_path: Path, name: str) -> None:
    audio = speech(Said(TEXT, "x", "mp3", 24_000))
    async with (
        unframed(audio, "audio/mpeg") as vendor,
        desk(tmp_path, {name: vendor}, (f"{name}/{VENDORS[name][1]}",)) as front,
    ):
        with pytest.raises(APIError, match="its end cannot be told from a cut"):
            await front.speak()


async def test_googles_object_has_an_end_of_its_own(tmp_path: Path) -> None:
    audio = speech(Said(TEXT, "x", "mp3", 24_000))
    body = b'{"audioContent": "%b"}' % base64.b64encode(audio)
    target = ("google-tts/chirp3-hd",)
    async with unframed(body, "application/json") as vendor, desk(tmp_path, {"google-tts": vendor}, target) as front:
        assert (await front.speak()).audio == audio
    async with (
        unframed(body[:-20], "application/json") as vendor,
        desk(tmp_path, {"google-tts": vendor}, target) as front,
    ):
        with pytest.raises(Exception, match=r"closed|incomplete|cut|ended"):
            await front.speak()


# ---------------------------------------------------------------- text


BAD_TEXTS = {
    " \n\t ": "input",
    "\x00\x01\x1b\x7f": "nothing that can be spoken",
    "a" * 1_000_001: "at most 1000000",
}
GOOD_TEXTS = (
    "a < b & \"c\" > 'd' </speak><break/>",
    "Well done 🎉👩‍👩‍👧!",
    "one\x00two\x1b[31mthree\x9f four",
    "你好，世界。 Привет, мир.",
)


@pytest.mark.parametrize("name", VENDORS)
async def test_text_that_nobody_can_speak_is_refused_clearly(tmp_path: Path, name: str) -> None:
    make, model = VENDORS[name]
    async with make() as vendor, desk(tmp_path, {name: vendor}, (f"{name}/{model}",)) as front:
        for text, message in BAD_TEXTS.items():
            with pytest.raises(BadRequestError, match=message):
                await front.speak(text)
    assert len(vendor.requests) == 0


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("speed", [1.0, 1.2])
async def test_odd_text_is_spoken(tmp_path: Path, name: str, speed: float) -> None:
    make, model = VENDORS[name]
    async with make() as vendor, desk(tmp_path, {name: vendor}, (f"{name}/{model}",)) as front:
        for text in GOOD_TEXTS:
            spoken = await front.speak(text, response_format="wav", speed=speed)
            assert hear(spoken.audio, "wav").seconds > 0.3, text
    assert vendor.refused == []


# ---------------------------------------------------------------- how it is to be spoken


@pytest.mark.parametrize("name", [*VENDORS, "local-tts", "openai"])
async def test_instructions_that_are_left_out_are_said_to_be(tmp_path: Path, name: str) -> None:
    make, model = {**VENDORS, "local-tts": (None, "espeak"), "openai": (OpenAIServer, "tts-1")}[name]
    async with AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(make()) if make is not None else None
        front = await stack.enter_async_context(desk(tmp_path, {name: vendor}, (f"{name}/{model}",)))
        told = await front.speak(response_format="wav", instructions="Whisper.")
        assert told.headers["x-gateway-dropped"] == "instructions"
        assert "x-gateway-dropped" not in (await front.speak(response_format="wav")).headers
        assert vendor is None or vendor.refused == []


async def test_instructions_go_to_whom_they_mean_something_and_no_header_is_left_of_another(tmp_path: Path) -> None:
    async with PollyServer() as polly, OpenAIServer() as openai:
        targets = ("polly/neural", "openai/gpt-4o-mini-tts")
        async with desk(tmp_path, {"polly": polly, "openai": openai}, targets) as front:
            polly.faults.add(Fault("status", status=503))
            told = await front.speak(response_format="wav", instructions="Whisper.")
    assert told.by == "openai/gpt-4o-mini-tts"
    assert "x-gateway-dropped" not in told.headers
    assert openai.requests[0].json()["instructions"] == "Whisper."
