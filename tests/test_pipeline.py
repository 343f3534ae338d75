"""A pipeline is one request: speech goes in and comes out, streamed, with one budget, one receipt and one row."""

from __future__ import annotations

import asyncio
import base64
import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway import json
from gateway.config.load import load
from gateway.errors import ConfigError
from tests.harness import ROUTES, SANDBOX, Inside, inside

SAID = "Hello there. This is a test of the pipeline. It has three sentences."
ADMIN = "Bearer ops-secret-0123456789"
KEYS = """
keys:
  anonymous: loopback
  static:
    - {name: ops, key: ops-secret-0123456789, role: admin, tenant: "*"}
    - {name: ears, key: ears-secret-0123456789, operations: [transcription]}
stores: {database_url: "sqlite:gateway.db"}
"""
SLOW = "{operation: chat, options: {tokens_per_s: 60}, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}"
PROVIDERS = f"{SANDBOX}      slow: {SLOW}\n"
STEPS = """
      fields: {to: French, voice: alloy, name: null}
      steps:
        - transcription: {model: transcribe}
        - chat: {model: chat, system: "Translate into {{ to }} for {{ name }}.", max_tokens: 200}
        - speech: {model: speak, voice: "{{ voice }}", format: wav}
"""
TALK = f"""
  - path: /dub
    dialect: pipeline
    pipeline:{STEPS}
  - path: /slowly
    dialect: pipeline
    pipeline:
      steps:
        - chat: {{model: slow}}
        - speech: {{model: speak, voice: alloy, format: wav}}
  - path: /notes
    dialect: pipeline
    pipeline:
      steps:
        - transcription: {{model: transcribe}}
        - chat: {{model: chat, message: "Note: {{{{ text }}}}"}}
        - chat: {{model: chat, message: "Shorter: {{{{ text }}}}"}}
  - path: /echo
    dialect: pipeline
    pipeline:
      steps:
        - transcription: {{model: transcribe}}
        - speech: {{model: speak, voice: alloy, format: wav}}
"""
WITH_SLOW = ROUTES.replace("models:\n", "models:\n  slow: {operation: chat, targets: [sandbox/slow]}\n", 1)
ROUTED = WITH_SLOW.replace("keys: {anonymous: loopback}", KEYS) + TALK


@dataclass
class House:
    gateway: Inside
    http: aiohttp.ClientSession

    async def spoken(self, text: str = SAID) -> bytes:
        body = {"model": "speak", "voice": "alloy", "input": text, "response_format": "wav"}
        async with self.http.post(self.gateway.url + "/v1/audio/speech", json=body) as answer:
            return await answer.read()

    async def heard(self, audio: bytes) -> str:
        async with self.http.post(self.gateway.url + "/v1/audio/transcriptions", data=form(audio)) as answer:
            text: str = (await answer.json())["text"]
            return text

    async def rows(self, request_id: str) -> list[dict[str, Any]]:
        await self.gateway.services.ledger.flush()
        url = f"{self.gateway.url}/admin/requests/{request_id}"
        async with self.http.get(url, headers={"authorization": ADMIN}) as answer:
            found: list[dict[str, Any]] = (await answer.json())["requests"]
            return found


@asynccontextmanager
async def house(folder: Path, routes: str = ROUTED, providers: str = PROVIDERS) -> AsyncIterator[House]:
    async with inside(folder, providers, routes) as gateway, aiohttp.ClientSession() as http:
        yield House(gateway, http)


def form(audio: bytes, **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData()
    data.add_field("file", audio, filename="a.wav")
    for name, value in fields.items():
        data.add_field(name, value)
    return data


def seconds(wav: bytes) -> float:
    with wave.open(io.BytesIO(wav)) as sound:
        return float((len(wav) - 44) / 2 / sound.getframerate())


def events_of(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix(b"data: ")) for line in body.split(b"\n\n") if line]


async def test_speech_goes_in_and_comes_out_with_one_row_for_all_of_it(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        sent = await at.spoken()
        async with at.http.post(at.gateway.url + "/dub", data=form(sent, name="Ann")) as answer:
            audio = await answer.read()
            assert (answer.status, answer.content_type) == (200, "audio/wav")
            told = answer.headers
        assert told["x-gateway-steps"] == (
            "transcription sandbox/transcription, chat sandbox/chat, speech sandbox/speech"
        )
        assert told["x-gateway-model"] == "speech"
        assert SAID.startswith(await at.heard(audio))  # a sandbox's sound carries its text, of which the first is read
        assert seconds(audio) == pytest.approx(seconds(sent), abs=0.01)
        [row] = await at.rows(told["x-request-id"])
    done = [(one["operation"], one["outcome"]) for one in row["attempts"]]
    assert done[:2] == [("transcription", "ok"), ("chat", "ok")]
    assert set(done[2:]) == {("speech", "ok")}
    assert (row["operation"], row["state"], row["status"]) == ("pipeline", "settled", 200)
    assert row["cost_nano_usd"] == sum(one["cost_nano_usd"] for one in row["attempts"]) > 0
    assert row["cost_nano_usd"] <= row["reserved_nano_usd"]
    assert row["characters"] == len(SAID)
    assert row["audio_seconds"] == pytest.approx(seconds(sent), abs=0.01)


async def test_a_stream_of_events_has_what_was_heard_said_and_spoken_and_what_it_cost(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        data = form(await at.spoken(), name="Ann", stream_format="sse")
        async with at.http.post(at.gateway.url + "/dub", data=data) as answer:
            events = events_of(await answer.read())
            request_id = answer.headers["x-request-id"]
        kinds = [event["type"] for event in events]
        assert (kinds[0], events[0]["text"]) == ("pipeline.transcript", SAID)
        assert "".join(event["delta"] for event in events if event["type"] == "pipeline.text.delta") == SAID
        audio = b"".join(
            base64.b64decode(event["audio"]) for event in events if event["type"] == "pipeline.audio.delta"
        )
        assert seconds(audio) == pytest.approx(seconds(await at.spoken()), abs=0.01)
        [row] = await at.rows(request_id)
    assert kinds[-1] == "pipeline.done"
    assert events[-1]["cost_usd"] == pytest.approx(row["cost_nano_usd"] / 1e9)
    assert events[-1]["usage"]["characters"] == len(SAID)


async def test_the_first_sentence_is_spoken_while_the_next_are_written(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        body = {"input": SAID, "stream_format": "sse"}
        async with at.http.post(at.gateway.url + "/slowly", json=body) as answer:
            kinds = [event["type"] for event in events_of(await answer.read())]
    last_text = len(kinds) - 1 - kinds[::-1].index("pipeline.text.delta")
    assert kinds.index("pipeline.audio.delta") < last_text


async def test_a_pipeline_that_ends_in_text_answers_with_it(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        async with at.http.post(at.gateway.url + "/notes", data=form(await at.spoken())) as answer:
            said = await answer.json()
    assert (answer.status, said["success"], said["transcript"]) == (200, True, SAID)
    assert said["text"] == f"Shorter: Note: {SAID}"
    assert said["cost_usd"] > 0


async def test_what_is_heard_may_be_spoken_again_without_a_chat(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        async with at.http.post(at.gateway.url + "/echo", data=form(await at.spoken())) as answer:
            audio = await answer.read()
        assert seconds(audio) == pytest.approx(seconds(await at.spoken()), abs=0.01)


async def test_a_step_fails_over_alone(tmp_path: Path) -> None:
    providers = (
        PROVIDERS + "  away: {plugin: openai, base_url: 'http://127.0.0.1:9/v1', credentials: {api_key: sk-x},\n"
    )
    providers += "    models: {gpt: {operation: chat}}}\n"
    routes = ROUTED.replace("chat: {operation: chat, targets: [", "chat: {operation: chat, targets: [away/gpt, ")
    async with house(tmp_path, routes, providers) as at:
        async with at.http.post(at.gateway.url + "/dub", data=form(await at.spoken(), name="Ann")) as answer:
            await answer.read()
            assert answer.status == 200
            [row] = await at.rows(answer.headers["x-request-id"])
    assert [(one["target"], one["outcome"] == "ok") for one in row["attempts"]][:3] == [
        ("sandbox/transcription", True),
        ("away/gpt", False),
        ("sandbox/chat", True),
    ]


async def test_a_step_that_nobody_can_do_is_a_clean_error_and_what_was_done_is_paid_for(tmp_path: Path) -> None:
    providers = (
        PROVIDERS + "  away: {plugin: openai, base_url: 'http://127.0.0.1:9/v1', credentials: {api_key: sk-x},\n"
    )
    providers += "    models: {gpt: {operation: chat}}}\n"
    routes = ROUTED.replace("targets: [sandbox/chat]", "targets: [away/gpt]")
    async with house(tmp_path, routes, providers) as at:
        async with at.http.post(at.gateway.url + "/dub", data=form(await at.spoken(), name="Ann")) as answer:
            said = await answer.json()
            [row] = await at.rows(answer.headers["x-request-id"])
    assert (answer.status, said["success"]) == (502, False)
    assert row["cost_nano_usd"] == row["attempts"][0]["cost_nano_usd"] > 0


async def test_whoever_hangs_up_ends_all_steps_and_has_one_row(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        answer = await at.http.post(at.gateway.url + "/slowly", json={"input": SAID * 20, "stream_format": "sse"})
        await answer.content.readany()
        request_id = answer.headers["x-request-id"]
        answer.close()
        async with asyncio.timeout(20):
            while not (rows := await at.rows(request_id)) or rows[0]["state"] != "settled":
                await asyncio.sleep(0.02)
        [row] = rows
        names = {task.get_name() for task in asyncio.all_tasks()}
    assert row["status"] == 499
    assert not [name for name in names if name.startswith("pipeline") or name == "one part of a call"]


REFUSED: dict[str, tuple[dict[str, str], str]] = {
    "a field that is none": ({"name": "Ann", "vioce": "alloy"}, "did you mean 'voice'?"),
    "a field that is needed": ({}, "'name' is required"),
    "a field that is too long": ({"name": "x" * 2_001}, "at most 2000 characters"),
    "a format that is none": ({"name": "Ann", "response_format": "ogg"}, "must be one of"),
    "a stream that is none": ({"name": "Ann", "stream_format": "ndjson"}, "must be one of"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_mistake_in_the_request_is_named(tmp_path: Path, case: str) -> None:
    fields, said = REFUSED[case]
    async with house(tmp_path) as at:
        async with at.http.post(at.gateway.url + "/dub", data=form(await at.spoken(), **fields)) as answer:
            error = (await answer.json())["error"]
    assert (answer.status, said in error["message"]) == (400, True), error


async def test_no_provider_serves_a_pipeline_alone(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        data, pin = form(await at.spoken(), name="Ann"), {"x-gateway-provider": "sandbox"}
        async with at.http.post(at.gateway.url + "/dub", data=data, headers=pin) as answer:
            assert answer.status == 400


async def test_a_key_needs_to_be_for_every_step(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        data, key = form(await at.spoken(), name="Ann"), {"authorization": "Bearer ears-secret-0123456789"}
        async with at.http.post(at.gateway.url + "/dub", data=data, headers=key) as answer:
            error = (await answer.json())["error"]
    assert (answer.status, "'chat'" in error["message"]) == (403, True)


@pytest.mark.parametrize(("usd", "status"), [("0.0001", 402), ("10", 200)])
async def test_a_budget_has_to_cover_all_steps_before_the_first(tmp_path: Path, usd: str, status: int) -> None:
    routes = ROUTED.replace("  - path: /dub\n", f"  - path: /dub\n    quota: {{budget: {usd} USD/day}}\n")
    async with house(tmp_path, routes) as at:
        async with at.http.post(at.gateway.url + "/dub", data=form(await at.spoken(), name="Ann")) as answer:
            await answer.read()
            assert answer.status == status
            assert ("x-gateway-attempts" in answer.headers) == (status == 200)


async def test_the_explanation_tells_the_steps(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        asked = {"method": "POST", "path": "/slowly", "body": {"input": "hello"}}
        url, key = f"{at.gateway.url}/admin/explain", {"authorization": ADMIN}
        async with at.http.post(url, json=asked, headers=key) as answer:
            facts = await answer.json()
    assert facts["steps"] == [
        {"operation": "chat", "model": "slow", "targets": ["sandbox/slow"]},
        {"operation": "speech", "model": "speak", "targets": ["sandbox/speech"]},
    ]


FAULTY = {
    "steps: [{chat: {model: chat}}, {transcription: {model: transcribe}}]": "a transcription is a pipeline's first",
    "steps: [{speech: {model: speak, voice: alloy}}, {chat: {model: chat}}]": "speech is a pipeline's last step",
    "steps: [{chat: {model: chat}}]": "steps needs at least 2",
    "steps: [{chat: {model: chta}}, {chat: {model: chat}}]": "did you mean 'chat'?",
    "steps: [{chat: {model: speak}}, {chat: {model: chat}}]": "model 'speak' is not in models for chat",
    "steps: [{chat: {model: chat, system: '{{ too }}'}}, {chat: {model: chat}}], fields: {to: x}": "did you mean 'to'?",
    "steps: [{chat: {model: chat, system: '{{ to'}}, {chat: {model: chat}}]": "the template cannot be read",
    "steps: [{chat: {model: chat}}, {speech: {model: speak}}]": "voice",
    "steps: [{chat: {model: chat}}, {chat: {model: chat}}], fields: {text: x}": "every pipeline has 'text' already",
    "steps: [{chat: {model: chat}, speech: {model: speak, voice: x}}, {chat: {model: chat}}]": "at most 1",
}


@pytest.mark.parametrize("pipeline", FAULTY)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, pipeline: str) -> None:
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    row = f"  - {{path: /p, dialect: pipeline, pipeline: {{{pipeline}}}}}\n"
    (tmp_path / "routes.yaml").write_text(ROUTES.rstrip() + "\n" + row)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    said = " ".join(map(str, caught.value.problems))
    assert FAULTY[pipeline] in said, said


CHATS = "pipeline: {steps: [{chat: {model: chat}}, {chat: {model: chat}}]}"
ROWS = {
    "{path: /p, dialect: pipeline}": "needs 'pipeline'",
    f"{{path: /p, dialect: openai.chat, {CHATS}}}": "goes with",
    f"{{path: /p, dialect: pipeline, model: chat, {CHATS}}}": "takes no model",
}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_and_its_dialect_belong_together(tmp_path: Path, row: str) -> None:
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    (tmp_path / "routes.yaml").write_text(f"{ROUTES.rstrip()}\n  - {row}\n")
    with pytest.raises(ConfigError, match=ROWS[row]):
        load(tmp_path, {})
