"""Google's formats of speech: messages in either spelling, sound in base64, and results one a segment, by v1 and v2."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from google.cloud import speech_v1, speech_v2
from google.cloud import texttospeech_v1 as tts
from google.protobuf.json_format import ParseDict
from hypothesis import given

from gateway.audio import wav
from gateway.audio.companding import Compander
from gateway.dialects.google_recognize import GoogleRecognize
from gateway.dialects.google_synthesize import GoogleSynthesize
from gateway.dialects.google_voices import GoogleVoices
from gateway.errors import InvalidRequest, UpstreamCut
from gateway.types import AudioFormat, Done, Inbound, Recording, Speech, Transcript, Units, Usage, VoiceCatalog
from tests.dialects.bodies import anything, check_ask_or_named_fault
from tests.dialects.vendors import MP3, PCM, SAID, WAV, answered, fault, inbound, listing, object_of, sound

SYNTHESIZE, RECOGNIZE, VOICES = GoogleSynthesize(), GoogleRecognize(), GoogleVoices()
PLAIN: dict[str, Any] = {
    "input": {"text": "Good morning."},
    "voice": {"languageCode": "en-US", "name": "en-US-Neural2-F"},
    "audioConfig": {"audioEncoding": "MP3"},
}
RICH: dict[str, Any] = {
    "input": {"ssml": "<speak>Good morning.</speak>", "prompt": "Cheerfully.", "custom_pronunciations": {"a": 1}},
    "voice": {"language_code": "en-GB", "ssml_gender": 1, "model_name": "gemini-tts"},
    "audio_config": {"audio_encoding": "LINEAR16", "speaking_rate": 1.5, "pitch": 2, "sample_rate_hertz": "16000"},
}
CONTENT = base64.b64encode(WAV).decode()
V1: dict[str, Any] = {
    "config": {
        "languageCode": "en-US",
        "speechContexts": [{"phrases": ["a", "b"], "boost": 3}],
        "model": "latest_long",
    },
    "audio": {"content": CONTENT},
}
V2: dict[str, Any] = {
    "config": {"autoDecodingConfig": {}, "languageCodes": ["auto"], "features": {"maxAlternatives": 3}},
    "content": CONTENT,
}
V2_PATH = "/v2/projects/p/locations/l/recognizers/_:recognize"


@given(anything((PLAIN, RICH)))
def test_any_text_gives_an_ask_or_a_complaint_that_names_its_field(body: dict[str, Any]) -> None:
    if "" not in body:
        check_ask_or_named_fault(SYNTHESIZE, body)


@given(anything((V1, V2)))
def test_any_recording_gives_an_ask_or_a_complaint_that_names_its_field(body: dict[str, Any]) -> None:
    if "" not in body:
        check_ask_or_named_fault(RECOGNIZE, body)


# ---------------------------------------------------------------- synthesize


def speech(body: dict[str, Any]) -> Speech:
    found = SYNTHESIZE.decode(inbound(orjson.dumps(body))).body
    assert isinstance(found, Speech)
    return found


def with_(part: str, **fields: Any) -> dict[str, Any]:
    return PLAIN | {part: PLAIN[part] | fields}


def test_a_message_is_read_whole_in_either_spelling() -> None:
    ask = SYNTHESIZE.decode(inbound(orjson.dumps(RICH)))
    assert (ask.model, ask.wish) == ("gemini-tts", "voice.modelName")
    assert ask.body == Speech(
        "<speak>Good morning.</speak>", "onyx", "wav", 1.5, "Cheerfully.", "en-GB", 16_000, is_ssml=True,
        extra={"audioConfig.pitch": 2, "input.customPronunciations": {"a": 1}},
    )  # fmt: skip
    ask = SYNTHESIZE.decode(inbound(orjson.dumps(PLAIN)))
    assert (ask.model, ask.wish) == ("neural2", "")
    assert ask.body == Speech("Good morning.", "en-US-Neural2-F", "mp3", language="en-US")
    assert speech(with_("voice", name="")).voice == "alloy"
    assert speech(with_("audioConfig", audioEncoding="MULAW")).sample_rate_hz == 24_000


@pytest.mark.parametrize(
    ("part", "fields", "param"),
    [
        ("input", {"text": ""}, "input.text"),
        ("input", {"ssml": "<speak/>"}, "input.text"),
        ("input", {"markup": "x"}, "input.markup"),
        ("voice", {"languageCode": None}, "voice.languageCode"),
        ("voice", {"voiceClone": {"voiceCloningKey": "x"}}, "voice.voiceClone"),
        ("audioConfig", {"audioEncoding": "M4A"}, "audioConfig.audioEncoding"),
        ("audioConfig", {"audioEncoding": 0}, "audioConfig.audioEncoding"),
        ("audioConfig", {"speakingRate": 0.1}, "audioConfig.speakingRate"),
        ("audioConfig", {"sampleRateHertz": 4000}, "audioConfig.sampleRateHertz"),
        ("audioConfig", {"pitch": 99}, "audioConfig.pitch"),
        ("audioConfig", {"reverb": 1}, "audioConfig.reverb"),
    ],
)
def test_what_cannot_be_spoken_is_refused_by_name(part: str, fields: dict[str, Any], param: str) -> None:
    assert fault(SYNTHESIZE, inbound(orjson.dumps(with_(part, **fields)))) == param


async def audio_of(encoding: str, form: AudioFormat, *pieces: bytes) -> bytes:
    asked = inbound(orjson.dumps(with_("audioConfig", audioEncoding=encoding)))
    _, body = await answered(SYNTHESIZE, asked, sound(form, *pieces))
    message = tts.SynthesizeSpeechResponse.from_json(body.decode())
    audio: bytes = message.audio_content
    return audio


async def test_sound_comes_in_base64_and_with_a_header_that_knows_its_length() -> None:
    assert await audio_of("MP3", MP3, b"ab", b"c") == b"abc"
    streamed = wav.header(16_000) + b"\1\2\3\4"
    assert await audio_of("LINEAR16", AudioFormat("wav", "audio/wav", 16_000), streamed) == wav.wrap(
        b"\1\2\3\4", 16_000
    )
    head, samples = wav.strip(await audio_of("ALAW", PCM, b"\1\2\3", b"\4"))
    assert (head.encoding, head.sample_rate_hz, head.data_bytes) == ("alaw", 8_000, 2)
    assert samples == Compander("alaw").feed(b"\1\2\3\4")
    with pytest.raises(UpstreamCut):
        await answered(SYNTHESIZE, inbound(orjson.dumps(PLAIN)), (Done(),))


# ---------------------------------------------------------------- recognize


def recording(body: dict[str, Any], path: str = "/v1/speech:recognize") -> Recording:
    found = RECOGNIZE.decode(inbound(orjson.dumps(body), path=path)).body
    assert isinstance(found, Recording)
    return found


def test_a_recording_is_read_with_its_config() -> None:
    ask = RECOGNIZE.decode(inbound(orjson.dumps(V1)))
    found = ask.body
    assert isinstance(found, Recording)
    assert (ask.model, ask.wish, found.container) == ("latest_long", "config.model", "wav")
    assert (found.language, found.prompt, found.format) == ("en-US", "a, b", "json")
    found = recording(V2, V2_PATH)
    assert (found.language, found.format) == (None, "json")
    assert found.extra == {"config.features.maxAlternatives": 3, "words": False, "speakers": False}


def config(**fields: Any) -> dict[str, Any]:
    return V1 | {"config": V1["config"] | fields}


def test_samples_without_a_header_become_a_recording() -> None:
    raw = base64.b64encode(b"\1\2" * 800).decode()
    found = recording(config(encoding=1, sampleRateHertz=16_000) | {"audio": {"content": raw}})
    assert (found.container, found.duration_s) == ("wav", 0.05)
    explicit = {"explicitDecodingConfig": {"encoding": "ALAW", "sampleRateHertz": 8_000}, "languageCodes": ["en-US"]}
    assert recording({"config": explicit, "content": raw}, V2_PATH).duration_s == 0.2


def test_speakers_translation_and_phrases_are_asked_for() -> None:
    assert recording(config(diarizationConfig={"enableSpeakerDiarization": True})).format == "diarized_json"
    assert recording(config(diarizationConfig={"enableSpeakerDiarization": False})).format == "json"
    more = {
        "features": {"diarizationConfig": {"maxSpeakerCount": 2}},
        "adaptation": {"phraseSets": [{"inlinePhraseSet": {"phrases": [{"value": "a"}]}}]},
        "translationConfig": {"targetLanguage": "en-US"},
        "languageCodes": ["de-DE", "fr-FR"],
    }
    found = recording({"config": more, "content": CONTENT}, V2_PATH)
    assert (found.format, found.prompt, found.is_translation) == ("diarized_json", "a", True)
    assert found.extra["config.languageCodes"] == ("fr-FR",)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (V1 | {"audio": {"uri": "gs://bucket/a.wav"}}, "audio.uri"),
        (V1 | {"audio": {"content": "***"}}, "audio.content"),
        (V1 | {"audio": {"content": "AAAA"}}, "audio.content"),
        (V1 | {"audio": None}, "audio"),
        (config(languageCode=None), "config.languageCode"),
        (config(encoding="AMR"), "config.encoding"),
        (config(encoding="LINEAR16") | {"audio": {"content": "AAAA"}}, "config.sampleRateHertz"),
        (config(profanityFilter=True), "config.profanityFilter"),
        (config(enableSeparateRecognitionPerChannel=True), "config.enableSeparateRecognitionPerChannel"),
    ],
)
def test_what_v1_cannot_carry_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    assert fault(RECOGNIZE, inbound(orjson.dumps(body))) == param


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"translationConfig": {"targetLanguage": "de"}}, "config.translationConfig.targetLanguage"),
        ({"adaptation": {"phraseSets": [{"phraseSet": "p"}]}}, "config.adaptation.phraseSets[0].inlinePhraseSet"),
        ({"features": {"multiChannelMode": 1}}, "config.features.multiChannelMode"),
    ],
)
def test_what_v2_cannot_carry_is_refused_by_name(more: dict[str, Any], param: str) -> None:
    body = V2 | {"config": V2["config"] | more}
    assert fault(RECOGNIZE, inbound(orjson.dumps(body), path=V2_PATH)) == param


async def recognized(body: dict[str, Any], path: str, transcript: Transcript = SAID) -> Any:
    """Return the answer as the client's message; what that does not know fails."""
    asked: Inbound = inbound(orjson.dumps(body), path=path)
    answer = await object_of(RECOGNIZE, asked, transcript, Usage(Units(audio_seconds=1.2)))
    module: Any = speech_v2 if path == V2_PATH else speech_v1
    return ParseDict(answer, module.RecognizeResponse.pb(module.RecognizeResponse()).__class__())


async def test_v1_repeats_all_words_with_their_speakers() -> None:
    body = config(enableWordTimeOffsets=True, diarizationConfig={"enableSpeakerDiarization": True})
    answer = await recognized(body, "/v1/speech:recognize")
    assert [one.alternatives[0].transcript for one in answer.results] == ["Good morning.", " Hello!", ""]
    assert [word.word for word in answer.results[0].alternatives[0].words] == ["Good", "morning."]
    last = answer.results[2].alternatives[0].words
    assert [(word.word, word.speaker_tag) for word in last] == [("Good", 1), ("morning.", 1), ("Hello!", 2)]
    assert last[1].end_time.ToMilliseconds() == 900
    assert answer.results[0].alternatives[0].confidence == pytest.approx(0.8)
    assert (answer.total_billed_time.seconds, answer.results[1].language_code) == (2, "en-US")


async def test_v1_has_no_results_for_silence_and_no_words_unless_asked() -> None:
    assert list((await recognized(V1, "/v1/speech:recognize", Transcript(""))).results) == []
    plain = await recognized(V1, "/v1/speech:recognize")
    assert [len(one.alternatives[0].words) for one in plain.results] == [0, 0]
    with pytest.raises(UpstreamCut):
        await object_of(RECOGNIZE, inbound(orjson.dumps(V1)), Done())


async def test_v2_names_the_speaker_at_each_word() -> None:
    body = V2 | {"config": V2["config"] | {"features": {"diarizationConfig": {"maxSpeakerCount": 2}}}}
    answer = await recognized(body, V2_PATH)
    assert [(word.word, word.speaker_label) for one in answer.results for word in one.alternatives[0].words] == [
        ("Good", "1"),
        ("morning.", "1"),
        ("Hello!", "2"),
    ]
    assert answer.metadata.total_billed_duration.seconds == 2


# ---------------------------------------------------------------- the rest


async def test_voices_are_listed_as_google_has_them() -> None:
    assert VOICES.decode(inbound(query="languageCode=de&%24alt=json")).body == VoiceCatalog(language="de")
    answer = await object_of(VOICES, inbound(), listing())
    listed = tts.ListVoicesResponse.from_json(orjson.dumps(answer).decode())
    assert [(voice.name, voice.ssml_gender.name) for voice in listed.voices] == [
        ("narrator", "FEMALE"),
        ("robot", "SSML_VOICE_GENDER_UNSPECIFIED"),
        ("v1", "MALE"),
    ]


def test_errors_call_a_field_what_google_calls_it() -> None:
    error = InvalidRequest("'voice' 'x' is not known", param="voice")
    told = orjson.loads(SYNTHESIZE.encode_error(error, "r", started=False))["error"]
    assert (told["code"], told["status"], told["message"]) == (
        400,
        "INVALID_ARGUMENT",
        "'voice.name' 'x' is not known",
    )
    assert error.param == "voice"
