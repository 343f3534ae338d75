"""Which vendor takes and gives what of voice, as tests/test_voice_matrix.py has it proved, and the page that says so.

`python -m tests.voice_table` writes docs/compatibility-voice.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.plugins.spoken import FORMATS
from tests.vendors import deepgram, elevenlabs, google_stt, google_tts, openai, polly
from tests.vendors.server import VendorServer

DOCUMENT = Path(__file__).parents[1] / "docs" / "compatibility-voice.md"
SAID = "The quick brown fox jumps over the lazy dog. It is gone."
CONTAINERS: Mapping[str, tuple[str, ...]] = {  # what ffmpeg makes of the sandbox's voice
    "wav": ("-f", "wav"),
    "mp3": ("-f", "mp3", "-b:a", "64k"),
    "flac": ("-f", "flac"),
    "ogg": ("-f", "ogg", "-c:a", "libopus"),
    "webm": ("-f", "webm", "-c:a", "libopus"),
    "mp4": ("-f", "ipod", "-c:a", "aac", "-movflags", "+faststart"),
    "aac": ("-f", "adts", "-c:a", "aac"),
}
RENDERERS = ("json", "text", "srt", "vtt", "verbose_json", "words", "diarized_json", "stream", "translation")

LISTENERS: Mapping[str, str] = {
    "openai/whisper-1": f"""
    plugin: openai
    credentials: {{api_key: {openai.API_KEY}}}
    models:
      whisper-1:
        operation: transcription
        containers: [wav, mp3, flac, ogg, webm, mp4]
        options: {{translates: true, transcript_formats: [json, text, srt, verbose_json, vtt]}}""",
    "openai/gpt-transcribe": f"""
    plugin: openai
    credentials: {{api_key: {openai.API_KEY}}}
    models:
      gpt-transcribe:
        operation: transcription
        containers: [wav, mp3, flac, ogg, webm, mp4]
        options: {{transcript_formats: [json, text]}}""",
    "openai/gpt-4o-transcribe-diarize": f"""
    plugin: openai
    credentials: {{api_key: {openai.API_KEY}}}
    models:
      gpt-4o-transcribe-diarize:
        operation: transcription
        containers: [wav, mp3, flac, ogg, webm, mp4]
        options: {{transcript_formats: [json, text, diarized_json]}}""",
    "google-stt/latest_long": f"""
    plugin: google_stt
    credentials: {{api_key: {google_stt.API_KEY}}}
    models: {{latest_long: {{operation: transcription}}}}""",
    "google-stt-v2/chirp_2": f"""
    plugin: google_stt
    options: {{api: v2, auth: access-token, project: {google_stt.PROJECT}}}
    credentials: {{access_token: {google_stt.ACCESS_TOKEN}}}
    models: {{chirp_2: {{operation: transcription, options: {{translates: true, language: auto}}}}}}""",
    "deepgram/nova-3": f"""
    plugin: deepgram
    credentials: {{api_key: {deepgram.API_KEY}}}
    models: {{nova-3: {{operation: transcription}}}}""",
    "elevenlabs/scribe_v2": f"""
    plugin: elevenlabs
    credentials: {{api_key: {elevenlabs.API_KEY}}}
    models: {{scribe_v2: {{operation: transcription}}}}""",
    "local-stt/pocketsphinx": """
    plugin: local_stt
    models: {pocketsphinx: {operation: transcription}}""",
    "sandbox/transcription": """
    plugin: sandbox
    models: {transcription: {operation: transcription}}""",
}
SIMULATORS: Mapping[str, type[VendorServer]] = {
    "openai": openai.OpenAIServer,
    "google-stt": google_stt.GoogleSttServer,
    "google-stt-v2": google_stt.GoogleSttServer,
    "google-tts": google_tts.GoogleTtsServer,
    "deepgram": deepgram.DeepgramServer,
    "elevenlabs": elevenlabs.ElevenLabsServer,
    "polly": polly.PollyServer,
}

_NO_AAC = "does not take aac; it takes flac, mp3, mp4, ogg, wav, webm"
# (target, container or form of answer) -> what the refusal says, and the reason why it is one
REFUSED: Mapping[tuple[str, str], str] = {
    **{(f"openai/{model}", "aac"): _NO_AAC for model in ("whisper-1", "gpt-transcribe", "gpt-4o-transcribe-diarize")},
    ("openai/whisper-1", "diarized_json"): "cannot answer in the format diarized_json",
    **{
        ("openai/gpt-transcribe", name): "cannot answer in the format"
        for name in ("srt", "vtt", "verbose_json", "words", "diarized_json")
    },
    **{
        ("openai/gpt-4o-transcribe-diarize", name): "cannot answer in the format"
        for name in ("srt", "vtt", "verbose_json", "words")
    },
    ("google-stt/latest_long", "mp4"): "does not take mp4 with v1",
    ("google-stt/latest_long", "aac"): "does not take aac with v1",
    ("google-stt-v2/chirp_2", "aac"): "does not take aac",
    ("local-stt/pocketsphinx", "diarized_json"): "does not tell speakers apart",
    **{
        ("sandbox/transcription", name): "writes down only what it spoke itself"
        for name in ("mp3", "flac", "ogg", "webm", "mp4", "aac")
    },
    **{
        (target, "translation"): "does not translate"
        for target in LISTENERS
        if target not in ("openai/whisper-1", "google-stt-v2/chirp_2")
    },
}

# Whose own clients ask each provider, by what they do (tests/test_voice_clients.py); Polly's only speaks.
CLIENTS = ("deepgram", "elevenlabs", "google", "polly")
LISTENING_CLIENTS = CLIENTS[:-1]

SPEAKERS = (
    "openai/tts-1",
    "google-tts/chirp3-hd",
    "polly/neural",
    "deepgram/aura-2",
    "elevenlabs/eleven_flash_v2_5",
    "local-tts/espeak",
    "sandbox/speech",
)
SANDBOX_VOICE = """
    plugin: sandbox
    models: {speech: {operation: speech}}"""
# (target, format) -> what the refusal says where nothing is converted
NOT_SPOKEN: Mapping[tuple[str, str], str] = {
    **{
        (target, name): f"has no format {name}"
        for target in ("google-tts/chirp3-hd", "polly/neural", "elevenlabs/eleven_flash_v2_5")
        for name in ("aac", "flac")
    },
    ("polly/neural", "pcm"): "has no pcm at 24000 Hz",
    **{("sandbox/speech", name): f"has no format {name}" for name in ("opus", "aac", "flac")},
}


# ---------------------------------------------------------------- the page


def page() -> str:
    """Return docs/compatibility-voice.md."""
    lines = [
        "# Voice: what works with whom",
        "",
        "Written by `python -m tests.voice_table`; tests/test_voice_matrix.py holds every cell to the truth. Each",
        "was asked through the gateway by OpenAI's official client, against a strict fake of the vendor, which really",
        "speaks and really decodes what it hears, and every byte stream was decoded by ffmpeg. What only a vendor's",
        "live service could show is not shown here.",
        "",
        "## Speech to text: containers",
        "",
        "As they are, with `long_recordings: none`. Otherwise, with the extra `audio`, a file that none of a model's",
        "targets takes is decoded, and sent in pieces that they take: see [long-audio.md](long-audio.md).",
        "",
        *_table(("target", *CONTAINERS), [(target, *_cells(target, CONTAINERS)) for target in LISTENERS]),
        "",
        "## Speech to text: forms of the answer",
        "",
        "`words` is verbose_json with times of words, `stream` its events (whisper-1 answers with JSON, as it does",
        "at the vendor), `translation` the endpoint for that.",
        "",
        *_table(("target", *RENDERERS), [(target, *_cells(target, RENDERERS)) for target in LISTENERS]),
        "",
        "## Text to speech: formats",
        "",
        "Each as a whole, streamed, and as events. **c**: only with `convert: true`, then at 24 kHz.",
        "",
        *_table(("target", *FORMATS), [(target, *_voice_cells(target)) for target in SPEAKERS]),
        "",
        "## Clients of speech vendors",
        "",
        "Every vendor's own client before every provider, by tests/test_voice_clients.py: a text as mp3, a recording.",
        "Samples of 16 kHz and µ-law are asked of one provider by each client.",
        "",
        *_table(("speaks", *CLIENTS), [(target, *("yes" for _ in CLIENTS)) for target in SPEAKERS]),
        "",
        *_table(
            ("writes down", *LISTENING_CLIENTS), [(target, *("yes" for _ in LISTENING_CLIENTS)) for target in FIRST]
        ),
        "",
        "## Why not",
        "",
        *_reasons(),
        "",
    ]
    return "\n".join(lines)


# Of a provider's models the first: a client's own model is what the route's stands in for.
FIRST = tuple({target.partition("/")[0]: target for target in reversed(list(LISTENERS))}.values())[::-1]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, tuple("---" for _ in head), *rows)]


def _cells(target: str, columns: Iterable[str]) -> list[str]:
    return ["–" if (target, column) in REFUSED else "yes" for column in columns]


def _voice_cells(target: str) -> list[str]:
    return ["c" if (target, name) in NOT_SPOKEN else "yes" for name in FORMATS]


def _reasons() -> list[str]:
    by_reason: dict[tuple[str, str], list[str]] = {}
    for (target, what), reason in {**REFUSED, **NOT_SPOKEN}.items():
        by_reason.setdefault((target, reason), []).append(what)
    return [f"- {target}, {', '.join(whats)}: {reason}." for (target, reason), whats in sorted(by_reason.items())]


if __name__ == "__main__":
    DOCUMENT.write_text(page())
