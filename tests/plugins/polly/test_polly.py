"""Polly's engines, voices, lengths, SSML and signature, against a fake that goes by botocore's model and recomputes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from botocore.session import Session
from openai import BadRequestError

from gateway.errors import InvalidRequest
from gateway.plugin import load_plugin
from gateway.types import Call, Head, Model, Provider, Receipt, Speech, Target
from tests.plugins.spoken import OPENAI_VOICES, PLUGINS, TEXT, desk, hear
from tests.vendors.bedrock.sigv4 import signature_fault
from tests.vendors.polly import ENGINES, PollyServer
from tests.vendors.recording import RequestRecord

PLUGIN: Any = load_plugin("polly", (PLUGINS,)).value
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "secret"}


def target_of(engine: str = "neural", **provider: Any) -> Target:
    row = Model(engine, "speech")
    given = {"base_url": PLUGIN.default_base_url, "credentials": KEYS} | provider
    return Target(Provider("polly", PLUGIN, **given), row, PLUGIN.voices_at(row))


def call_of(**asked: Any) -> Call:
    head = Head("r", "POST", "/", {}, {}, "127.0.0.1")
    speech = Speech(**{"text": TEXT, "voice": "Joanna"} | asked)
    return Call("r", "speech", "openai.speech", "m", speech, head, Receipt("r", 0.0))


def refusal(engine: str = "neural", **asked: Any) -> str | None:
    reason: str | None = PLUGIN.refusal(call_of(**asked), target_of(engine))
    return reason


def voices() -> dict[str, Any]:
    from plugins.polly.voices import VOICES

    return dict(VOICES)


def test_every_voice_is_one_that_botocore_knows() -> None:
    model = Session().get_service_model("polly").operation_model("SynthesizeSpeech")
    assert set(voices()) <= set(model.input_shape.members["VoiceId"].enum)
    languages = {language for voice in voices().values() for language in voice.languages}
    assert languages <= set(model.input_shape.members["LanguageCode"].enum)


def test_the_fake_and_the_plugin_agree_about_engines() -> None:
    assert {name: set(voice.engines) for name, voice in voices().items() if name in ENGINES} == ENGINES


@pytest.mark.parametrize("engine", ["standard", "neural", "long-form", "generative"])
async def test_every_name_of_openais_is_spoken_by_every_engine(tmp_path: Path, engine: str) -> None:
    async with PollyServer() as vendor, desk(tmp_path, {"polly": vendor}, (f"polly/{engine}",)) as front:
        for name in (*OPENAI_VOICES, "narrator", "man", "woman"):
            await front.speak("Hello.", voice=name, response_format="wav")
    assert vendor.refused == []
    assert {record.json()["Engine"] for record in vendor.requests} == {engine}


def test_neurals_thirteen_are_thirteen_and_of_the_right_gender() -> None:
    given = PLUGIN.voices_at(Model("neural", "speech"))
    assert len({given[name] for name in OPENAI_VOICES}) == 13
    assert {voices()[given[name]].gender for name in ("nova", "shimmer", "coral", "sage", "woman")} == {"female"}
    assert {voices()[given[name]].gender for name in ("onyx", "echo", "ash", "verse", "man")} == {"male"}


@pytest.mark.parametrize(
    ("engine", "asked", "reason"),
    [
        ("neural", {}, None),
        ("neural", {"voice": "Salli"}, None),
        ("generative", {"voice": "Salli"}, "has no voice 'Salli'"),
        ("fancy", {}, "is no engine of Polly"),
        ("neural", {"language": "en"}, None),
        ("neural", {"language": "en-GB"}, "has no voice 'Joanna' in en-GB"),
        ("standard", {"voice": "Aditi", "language": "hi"}, None),
        ("neural", {"format": "wav", "sample_rate_hz": 8_000}, None),
        ("neural", {"format": "pcm"}, "has no pcm at 24000 Hz"),
        ("neural", {"format": "mp3", "sample_rate_hz": 11_025}, "has no mp3 at 11025 Hz"),
        ("neural", {"speed": 0.2}, None),
        ("neural", {"speed": 0.19}, "speaks at 0.2 to 2 times"),
        ("neural", {"speed": 2.0}, None),
        ("neural", {"speed": 2.1}, "speaks at 0.2 to 2 times"),
        ("neural", {"text": "a" * 3_000}, None),
        ("neural", {"text": "a" * 3_001}, "takes at most 3000 characters, not 3001"),
        ("neural", {"text": "&" * 1_000, "speed": 1.5}, None),  # five characters each with its escape
        ("neural", {"text": "&" * 1_200, "speed": 1.5}, "takes at most 6000 characters of SSML"),
        ("neural", {"text": "<speak>" + "<break/>" * 600 + "a</speak>", "is_ssml": True}, None),
        ("neural", {"text": "<speak>" + "<break/>" * 800 + "a</speak>", "is_ssml": True}, "takes at most"),
        ("neural", {"text": "no root", "is_ssml": True, "speed": 1.5}, "cannot change the speed of this SSML"),
    ],
)
def test_reasons(engine: str, asked: dict[str, Any], reason: str | None) -> None:
    found = refusal(engine, **asked)
    assert (found is None) if reason is None else (found is not None and found.startswith(reason))


def test_a_bilingual_voice_is_told_which_language() -> None:
    request = PLUGIN.build(call_of(voice="Aditi", language="hi-IN"), target_of("standard"))
    assert b'"LanguageCode":"hi-IN"' in request.body
    assert b"LanguageCode" not in PLUGIN.build(call_of(voice="Aditi", language="en"), target_of("standard")).body


def test_nothing_to_say_is_the_clients() -> None:
    with pytest.raises(InvalidRequest, match="nothing that can be spoken"):
        PLUGIN.build(call_of(text="<speak> <break/> </speak>", is_ssml=True), target_of())


async def test_speed_is_prosody_around_escaped_text(tmp_path: Path) -> None:
    text = "Is 1 < 2 && \"3\" > '2'? </prosody></speak>"
    async with PollyServer() as vendor, desk(tmp_path, {"polly": vendor}, ("polly/neural",)) as front:
        plain, fast = [await front.speak(text, response_format="wav", speed=speed) for speed in (1.0, 1.8)]
    assert vendor.refused == []
    root = ElementTree.fromstring(vendor.requests[1].json()["Text"])
    assert ("".join(root.itertext()), [node.tag for node in root.iter()]) == (text, ["speak", "prosody"])
    assert hear(plain.audio, "wav").seconds > 1.3 * hear(fast.audio, "wav").seconds


async def test_lengths_at_the_limit(tmp_path: Path) -> None:
    async with (
        PollyServer() as vendor,
        desk(tmp_path, {"polly": vendor}, ("polly/neural",), long_text="none") as front,
    ):
        for size in (2_999, 3_000):
            await front.speak("Hello." + " " * (size - 6), response_format="wav")
        with pytest.raises(BadRequestError, match="takes at most 3000 characters, not 3001"):
            await front.speak("a" * 3_001)
    assert (len(vendor.requests), vendor.refused) == (2, [])


# ---------------------------------------------------------------- the signature


def signed(target: Target, **asked: Any) -> RequestRecord:
    request = PLUGIN.sign(PLUGIN.build(call_of(**asked), target), target)
    path = request.url.split("/", 3)[3]
    host = request.url.split("/")[2]
    headers = (("host", host), *request.headers.items())
    return RequestRecord(1, request.method, f"/{path}", headers, 0.0, body=request.body)


@pytest.mark.parametrize("token", ["", "a-session-token"])
def test_a_request_is_signed_for_its_region_and_body(token: str) -> None:
    target = target_of(credentials=KEYS | {"session_token": token}, options={"region": "eu-west-1"})
    record = signed(target)
    secrets = {"AKIDEXAMPLE": "secret"}
    assert record.header("host") == "polly.eu-west-1.amazonaws.com"
    assert record.header("x-amz-security-token") == (token or None)
    assert signature_fault(record, secrets, "polly", "eu-west-1") is None
    assert signature_fault(record, secrets, "polly", "eu-west-2") == "InvalidSignatureException"
    assert signature_fault(record, {"AKIDEXAMPLE": "other"}, "polly", "eu-west-1") == "InvalidSignatureException"
    tampered = replace(record, body=record.body.replace(b"Hello", b"Jello"))
    assert signature_fault(tampered, secrets, "polly", "eu-west-1") == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("options", "base_url", "host"),
    [
        ({}, PLUGIN.default_base_url, "polly.us-east-1.amazonaws.com"),
        ({"region": "cn-north-1"}, PLUGIN.default_base_url, "polly.cn-north-1.amazonaws.com.cn"),
        ({"region": "eu-west-1"}, "https://vpce.example", "vpce.example"),
    ],
)
def test_the_region_decides_the_address_unless_one_is_given(options: dict[str, str], base_url: str, host: str) -> None:
    assert signed(target_of(options=options, base_url=base_url)).header("host") == host
