"""The speech vendors' own clients, each behind the same two verbs, and a gateway at which each meets every provider.

A client blocks, as its makers have it: tests call it in threads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config as BotoConfig
from deepgram import DeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from elevenlabs import ElevenLabs
from google.cloud import speech_v1, speech_v2
from google.cloud import texttospeech_v1 as tts

from tests import harness
from tests.plugins.spoken import ROWS
from tests.vendors.server import VendorServer
from tests.voice_table import LISTENERS, SANDBOX_VOICE, SIMULATORS, SPEAKERS

KEY, SIGNING_SECRET = "correct-horse-battery", "0123456789abcdef0123456789abcdef"
# Each client's own name of a voice, as in the default routes.yaml.
VOICES: Mapping[str, str] = {
    "deepgram": "aura-2-thalia-en",
    "elevenlabs": "21m00Tcm4TlvDq8ikWAM",
    "google": "en-US-Chirp3-HD-Kore",
    "polly": "Joanna",
}
_ONCE: Any = {"max_retries": 0}
_ENCODINGS = {"mp3": tts.AudioEncoding.MP3, "pcm": tts.AudioEncoding.PCM, "mulaw": tts.AudioEncoding.MULAW}


@dataclass(frozen=True, slots=True)
class Clients:
    """All of them, below one path of a gateway. `pair` is what boto3 signs with."""

    url: str
    key: str = KEY
    pair: tuple[str, str] = ("any", "any")

    def speak(self, client: str, text: str, form: str = "mp3", voice: str = "") -> bytes:
        """Return mp3, pcm of 16 kHz, or µ-law of 8 kHz (of Google behind a WAV header). Raises the client's error."""
        audio: bytes = getattr(self, f"_{client}_speak")(text, form, voice or VOICES[client])
        return audio

    def transcribe(self, client: str, wav: bytes, model: str = "") -> str:
        text: str = getattr(self, f"_{client}_transcribe")(wav, model)
        return text

    def voices(self, client: str) -> Sequence[str]:
        names: Sequence[str] = getattr(self, f"_{client}_voices")()
        return names

    # ---------------------------------------------------------------- Deepgram

    @contextmanager
    def deepgram(self) -> Iterator[DeepgramClient]:
        base = f"{self.url}/deepgram"
        environment = DeepgramClientEnvironment(base=base, production=base, agent=base, agent_rest=base)
        with httpx.Client(timeout=30) as http:
            yield DeepgramClient(api_key=self.key, environment=environment, httpx_client=http)

    def _deepgram_speak(self, text: str, form: str, voice: str) -> bytes:
        how: dict[str, Any] = {
            "mp3": {"encoding": "mp3"},
            "pcm": {"encoding": "linear16", "container": "none", "sample_rate": 16_000},
            "mulaw": {"encoding": "mulaw", "container": "none", "sample_rate": 8_000},
        }
        with self.deepgram() as client:
            said = client.speak.v1.audio.generate(text=text, model=voice, request_options=_ONCE, **how[form])
            return b"".join(said)

    def _deepgram_transcribe(self, wav: bytes, model: str) -> str:
        with self.deepgram() as client:
            answer: Any = client.listen.v1.media.transcribe_file(
                request=wav, model=model or "nova-3", smart_format=True, utterances=True, request_options=_ONCE
            )
        alternative = answer.results.channels[0].alternatives[0]
        assert answer.metadata.duration > 0
        assert all(word.start <= word.end for word in alternative.words)
        return str(alternative.transcript)

    def _deepgram_voices(self) -> Sequence[str]:
        with self.deepgram() as client:
            return [str(model.name) for model in client.manage.v1.models.list().tts or ()]

    # ---------------------------------------------------------------- ElevenLabs

    @contextmanager
    def elevenlabs(self) -> Iterator[ElevenLabs]:
        with httpx.Client(timeout=30) as http:
            yield ElevenLabs(base_url=f"{self.url}/elevenlabs", api_key=self.key, httpx_client=http)

    def _elevenlabs_speak(self, text: str, form: str, voice: str) -> bytes:
        how = {"mp3": "mp3_44100_128", "pcm": "pcm_16000", "mulaw": "ulaw_8000"}[form]
        with self.elevenlabs() as client:
            said = client.text_to_speech.stream(
                voice_id=voice, text=text, model_id="eleven_flash_v2_5", output_format=how, request_options=_ONCE
            )
            return b"".join(said)

    def _elevenlabs_transcribe(self, wav: bytes, model: str) -> str:
        with self.elevenlabs() as client:
            answer: Any = client.speech_to_text.convert(
                model_id=model or "scribe_v2", file=("said.wav", wav), request_options=_ONCE
            )
        words = [word.text for word in answer.words if word.type == "word"]
        assert not words or " ".join(words).split() == answer.text.split()
        return str(answer.text)

    def _elevenlabs_voices(self) -> Sequence[str]:
        with self.elevenlabs() as client:
            listed = [voice.voice_id for voice in client.voices.get_all().voices]
            assert [voice.voice_id for voice in client.voices.search().voices] == listed
            return listed

    # ---------------------------------------------------------------- Google

    @contextmanager
    def google(self, kind: Any) -> Iterator[Any]:
        options = {"api_endpoint": f"{self.url}/google", "api_key": self.key}
        with kind(transport="rest", client_options=options) as client:
            yield client

    def _google_speak(self, text: str, form: str, voice: str) -> bytes:
        rate_hz = {"mp3": 0, "pcm": 16_000, "mulaw": 8_000}[form]
        with self.google(tts.TextToSpeechClient) as client:
            answer = client.synthesize_speech(
                input=tts.SynthesisInput(text=text),
                voice=tts.VoiceSelectionParams(language_code="en-US", name=voice),
                audio_config=tts.AudioConfig(audio_encoding=_ENCODINGS[form], sample_rate_hertz=rate_hz),
                retry=None,
            )
        audio: bytes = answer.audio_content
        return audio

    def _google_transcribe(self, wav: bytes, model: str) -> str:
        """By v1, and by v2 for a model that is Google's own there."""
        if model:
            config = speech_v2.RecognitionConfig(
                auto_decoding_config=speech_v2.AutoDetectDecodingConfig(), language_codes=["en-US"], model=model
            )
            asked = speech_v2.RecognizeRequest(
                recognizer="projects/p/locations/global/recognizers/_", config=config, content=wav
            )
            with self.google(speech_v2.SpeechClient) as client:
                answer = client.recognize(request=asked, retry=None)
        else:
            with self.google(speech_v1.SpeechClient) as client:
                answer = client.recognize(
                    config=speech_v1.RecognitionConfig(language_code="en-US", enable_word_time_offsets=True),
                    audio=speech_v1.RecognitionAudio(content=wav),
                    retry=None,
                )
        return "".join(result.alternatives[0].transcript for result in answer.results)

    def _google_voices(self) -> Sequence[str]:
        with self.google(tts.TextToSpeechClient) as client:
            return [voice.name for voice in client.list_voices().voices]

    # ---------------------------------------------------------------- Polly

    @contextmanager
    def polly(self) -> Iterator[Any]:
        client = boto3.session.Session().client(
            "polly",
            endpoint_url=f"{self.url}/polly",
            region_name="eu-central-1",
            aws_access_key_id=self.pair[0],
            aws_secret_access_key=self.pair[1],
            config=BotoConfig(retries={"total_max_attempts": 1}),
        )
        with closing(client):
            yield client

    def _polly_speak(self, text: str, form: str, voice: str) -> bytes:
        with self.polly() as client:
            answer = client.synthesize_speech(Text=text, OutputFormat=form, VoiceId=voice, Engine="neural")
            assert answer["RequestCharacters"] == len(text)
            audio: bytes = answer["AudioStream"].read()
        return audio

    def _polly_voices(self) -> Sequence[str]:
        with self.polly() as client:
            return [voice["Id"] for voice in client.describe_voices()["Voices"]]


@dataclass(frozen=True, slots=True)
class House:
    """A gateway process with every provider behind it; below `/PROVIDER` each client is served by that one alone."""

    gateway: harness.Process
    vendors: Mapping[str, VendorServer]

    def clients(self, prefix: str, key: str = KEY, pair: tuple[str, str] = ("any", "any")) -> Clients:
        return Clients(f"{self.gateway.url}/{prefix}", key, pair)


def routes_of(prefix: str, speak: str, listen: str, more: str = "") -> str:
    """Return the rows that serve all clients below a prefix; a model "" leaves its operation out."""
    paths = []
    if speak:
        paths += [
            ("deepgram/v1/speak", "deepgram.speak", speak),
            ("elevenlabs/v1/text-to-speech/{voice}", "elevenlabs.tts", speak),
            ("google/v1/text:synthesize", "google.synthesize", speak),
            ("polly/v1/speech", "polly.speech", speak),
        ]
    if listen:
        paths += [
            ("deepgram/v1/listen", "deepgram.listen", listen),
            ("elevenlabs/v1/speech-to-text", "elevenlabs.stt", listen),
            ("google/v1/speech:recognize", "google.recognize", listen),
            (
                "google/v2/projects/{project}/locations/{location}/recognizers/{recognizer}:recognize",
                "google.recognize",
                listen,
            ),
        ]
    rows = [
        f'  - {{path: "/{prefix}/{path}", dialect: {dialect}, model: {model}{more}}}' for path, dialect, model in paths
    ]
    return "\n".join(rows)


LISTS = "\n".join(
    f"  - {{path: /lists/{path}, dialect: {dialect}}}"
    for path, dialect in (
        ("deepgram/v1/models", "deepgram.models"),
        ("elevenlabs/v1/voices", "elevenlabs.voices"),
        ("elevenlabs/v2/voices", "elevenlabs.voices"),
        ("google/v1/voices", "google.voices"),
        ("polly/v1/voices", "polly.voices"),
    )
)


@asynccontextmanager
async def house(folder: Path, keys: str = "{anonymous: loopback}") -> AsyncIterator[House]:
    """Run the gateway before all simulators and the providers of this machine. What does not fit is converted."""
    async with AsyncExitStack() as stack:
        rows: dict[str, str] = {}
        vendors: dict[str, VendorServer] = {}
        models: list[str] = []
        routes: list[str] = [LISTS]
        voice_rows = {target: {**ROWS, "sandbox": SANDBOX_VOICE}[target.partition("/")[0]] for target in SPEAKERS}
        for operation, table in (("speech", voice_rows), ("transcription", LISTENERS)):
            for target, row in table.items():
                provider, _, model = target.partition("/")
                name = provider if operation == "speech" else f"{provider}-ear"
                if name in rows:
                    continue
                kind = SIMULATORS.get(provider)
                address = ""
                if kind is not None:
                    vendors[name] = await stack.enter_async_context(kind())
                    address = f"\n    base_url: {vendors[name].base_url}"
                is_voice = operation == "speech"
                rows[name] = row + address + ("\n    convert: true" if is_voice else "")
                models.append(f"  by-{name}: {{operation: {operation}, targets: [{name}/{model}]}}")
                routes.append(routes_of(name, f"by-{name}" * is_voice, f"by-{name}" * (not is_voice)))
        routes.append(routes_of("limited", "by-sandbox", "by-sandbox-ear", ", quota: {requests: 1/hour}"))
        providers = "version: 1\nproviders:\n" + "\n".join(f"  {name}:{row}" for name, row in rows.items())
        voices = "\n".join(f'  {voice}: {{"*": nova}}' for voice in VOICES.values())
        text = "\n".join(
            [
                'version: 1\nserver: {listen: "127.0.0.1:0"}',
                "defaults: {long_text: none, long_recordings: none}  # so that each provider says itself what it takes",
                f"keys: {keys}\nvoices:\n{voices}\nmodels:",
                *models,
                "routes:",
                *routes,
            ]
        )
        yield House(await stack.enter_async_context(harness.process(folder, providers, text)), vendors)
