"""What goes to OpenAI: the client's own bytes with the model spliced, or the normal form written out, signed."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.types import (
    Audio,
    Call,
    Catalog,
    Chat,
    Embeddings,
    File,
    Form,
    Image,
    Message,
    OutputFormat,
    Target,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    UpstreamRequest,
)
from tests.given import HELLO, call, recording_call, speech_call, target
from tests.plugins.openai.answers import PLUGIN

AT = target("openai/gpt-5.4-mini", plugin=PLUGIN, base_url="https://api.test/v1")


def built(asked: Call, at: Target = AT) -> UpstreamRequest:
    request = PLUGIN.build(asked, at)
    assert isinstance(request, UpstreamRequest)
    return request


def body_of(asked: Call, at: Target = AT) -> Any:
    body = built(asked, at).body
    assert isinstance(body, bytes)
    return orjson.loads(body)


# ---------------------------------------------------------------- where it goes and who signs


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (call(), "/chat/completions"),
        (call(Embeddings(("a",)), operation="embeddings"), "/embeddings"),
        (speech_call(), "/audio/speech"),
        (recording_call(), "/audio/transcriptions"),
        (recording_call(recording={"is_translation": True}), "/audio/translations"),
    ],
)
def test_each_operation_has_its_path(asked: Call, path: str) -> None:
    request = built(asked)
    assert (request.method, request.url) == ("POST", "https://api.test/v1" + path)


def test_what_is_no_operation_of_openais_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        built(call(Catalog(), operation="models"))


@given(st.text(max_size=20) | st.sampled_from(["..", ".", "../../admin", "a?x=1", "a#b", "%2e%2e", "a\r\nx: y", "a/b"]))
def test_no_model_name_changes_the_path(name: str) -> None:
    """Pain 46: the path matches its template, or the request is refused."""
    at = target(f"openai/{name}", plugin=PLUGIN, base_url="https://api.test/v1")
    assert built(call(), at).url == "https://api.test/v1/chat/completions"
    azure = target(
        f"openai/{name}", plugin=PLUGIN, base_url="https://a.test", provider_options={"prefix": "/deployments/{model}"}
    )
    if name.strip(".") == "":
        with pytest.raises(InvalidRequest, match="path"):
            built(call(), azure)
        return
    url = built(call(), azure).url
    assert re.fullmatch(r"https://a\.test/deployments/[A-Za-z0-9._~%-]+/chat/completions", url)
    assert unquote(url.split("/")[4]) == name


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, {"authorization": "Bearer sk-canary"}), ({"auth": "api-key"}, {"api-key": "sk-canary"})],
)
def test_the_key_goes_where_the_row_says(options: dict[str, str], expected: dict[str, str]) -> None:
    at = target(plugin=PLUGIN, provider_options=options)
    request = built(call(), at)
    assert "sk-canary" not in repr(request.headers)
    signed = PLUGIN.sign(request, at)
    assert {name: value for name, value in signed.headers.items() if "canary" in value} == expected
    assert "canary" not in repr(signed)


def test_the_clients_own_key_and_cookies_do_not_go_out() -> None:
    secret = {
        "authorization": "Bearer sk-client",
        "x-api-key": "sk-client",
        "cookie": "a=sk-client",
        "x-forwarded-for": "9",
    }
    request = PLUGIN.sign(built(call(headers={**secret, "openai-beta": "x=v1", "idempotency-key": "k1"})), AT)
    assert "sk-client" not in str(dict(request.headers))
    assert (request.headers["openai-beta"], request.headers["idempotency-key"]) == ("x=v1", "k1")
    assert set(request.headers) == {"openai-beta", "idempotency-key", "accept", "content-type", "authorization"}


def test_the_organisation_is_told() -> None:
    at = target(plugin=PLUGIN, provider_options={"organization": "org-1", "project": "proj-1"})
    headers = built(call(), at).headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")


@pytest.mark.parametrize(("is_streamed", "accept"), [(True, "text/event-stream"), (False, "*/*")])
def test_a_stream_is_asked_for(is_streamed: bool, accept: str) -> None:
    assert built(call(stream=is_streamed)).headers["accept"] == accept


# ---------------------------------------------------------------- the client's own bytes


def untouched(raw: bytes, *, stream: bool = False, wants_usage: bool = True) -> Call:
    return call(replace(HELLO, wants_usage=wants_usage), raw=raw, stream=stream, is_verbatim=True)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{ "model" : "fast" , "x" : 1.0e0 }', b'{ "model" : "gpt-5.4-mini" , "x" : 1.0e0 }'),
        (b'{"messages":[{"content":"\\u00e9 \\"model\\""}]}',
         b'{"messages":[{"content":"\\u00e9 \\"model\\""}],"model":"gpt-5.4-mini"}'),
        (b'{"messages":[{"model":"x"}],"model":null}', b'{"messages":[{"model":"x"}],"model":"gpt-5.4-mini"}'),
    ],
)  # fmt: skip
def test_the_clients_bytes_go_out_with_only_the_model_changed(raw: bytes, expected: bytes) -> None:
    assert built(untouched(raw)).body == expected


def test_a_model_that_is_named_twice_is_refused() -> None:
    """Two parsers might read two models: what was paid for, and what was served."""
    with pytest.raises(InvalidRequest):
        built(untouched(b'{"model":"cheap","model":"dear"}'))


@pytest.mark.parametrize(
    ("raw", "options", "is_asked"),
    [
        (b'{"model":"a","stream":true}', {}, True),
        (b'{"model":"a","stream":true}', {"stream_usage": False}, False),
        (b'{"model":"a","stream":true,"stream_options":{"include_usage":false}}', {}, False),
    ],
)
def test_usage_is_asked_for_where_the_client_did_not(raw: bytes, options: dict[str, Any], is_asked: bool) -> None:
    at = target(plugin=PLUGIN, provider_options=options)
    body = body_of(untouched(raw, stream=True, wants_usage=False), at)
    assert (body.get("stream_options") == {"include_usage": True}) == is_asked


@pytest.mark.parametrize("operation", ["chat", "embeddings"])
def test_the_rest_of_a_large_body_is_not_touched(operation: Any) -> None:
    raw = b'{"model":"a","x":"' + b"\\ud83d\\ude00 \\n" * 10_000 + b'"}'
    body = HELLO if operation == "chat" else Embeddings(("a",))
    request = built(call(body, operation=operation, dialect=f"openai.{operation}", raw=raw, is_verbatim=True))
    assert request.body == raw.replace(b'"a"', b'"gpt-5.4-mini"')


# ---------------------------------------------------------------- the normal form


RICH = Chat(
    (
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("What?"), Image("image/png", "AA==", detail="low"), Audio("wav", "AA=="),
                         File("a.pdf", "application/pdf", "AA==")), "ann"),
        Message("assistant", (Thinking("hm", vendor="other"), Text("I look."), ToolUse("c1", "look", "{}"))),
        Message("tool", (ToolResult("c1", (Text("a "), Text("cat"))),)),
        Message("user", (Text("a"), Text("b"))),
    ),
    max_output_tokens=9,
    temperature=0.0,
    stop=("x",),
    seed=0,
    n=2,
    tools=(Tool("look", "d", {"type": "object"}, True),),
    tool_choice=ToolChoice("tool", "look"),
    parallel_tool_calls=False,
    output_format=OutputFormat("json_schema", "s", {"type": "object"}, is_strict=True),
    user="u",
)  # fmt: skip


def test_a_chat_is_written_out_whole() -> None:
    body = body_of(call(RICH, dialect="other.chat", stream=True))
    assert body.pop("messages") == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "What?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"format": "wav", "data": "AA=="}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
            ],
        },
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]
    assert body == {
        "model": "gpt-5.4-mini",
        "max_completion_tokens": 9,
        "temperature": 0.0,
        "stop": ["x"],
        "seed": 0,
        "n": 2,
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "d", "parameters": {"type": "object"}, "strict": True},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True},
        },
        "user": "u",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_was_not_said_is_not_sent() -> None:
    assert body_of(call(dialect="other.chat")) == {
        "model": "gpt-5.4-mini",
        "messages": [{"role": "user", "content": "hello"}],
    }


def test_embeddings_are_asked_for_in_the_short_form() -> None:
    asked = call(Embeddings(("a", (1, 2)), 256, user="u"), operation="embeddings", dialect="other.embeddings")
    body = body_of(asked)
    assert (body["model"], body["input"], body["dimensions"]) == ("gpt-5.4-mini", ["a", [1, 2]], 256)
    assert body["encoding_format"] == "base64"


def test_speech_is_asked_for_in_the_vendors_voice() -> None:
    at = target("openai/tts-1", plugin=PLUGIN, operation="speech", voices={"narrator": "onyx"})
    assert body_of(speech_call("Hi.", voice="narrator", format="wav"), at) == {
        "model": "tts-1",
        "input": "Hi.",
        "voice": "onyx",
        "response_format": "wav",
    }


# ---------------------------------------------------------------- recordings


def form_of(asked: Call, at: Target = AT) -> Form:
    body = built(asked, at).body
    assert isinstance(body, Form)
    return body


def test_a_clients_form_goes_on_with_only_the_model_changed() -> None:
    fields = (("model", "alias"), ("language", "de"), ("include[]", "logprobs"), ("response_format", "json"))
    form = form_of(recording_call(recording={"fields": fields}, is_verbatim=True))
    assert form.fields == (("model", "gpt-5.4-mini"), *fields[1:])


def test_a_file_is_named_for_what_its_bytes_are() -> None:
    """The vendor goes by the name; and a client's file name is nobody else's business."""
    ((name, file),) = form_of(recording_call(b"RIFF")).files
    assert (name, file.filename, file.size_bytes) == ("file", "file.wav", 4)


def test_without_the_clients_form_the_richest_answer_is_asked_for() -> None:
    asked = recording_call(recording={"language": "de", "prompt": "Grüße", "temperature": 0.25, "format": "srt"})
    form = form_of(asked, target("openai/whisper-1", plugin=PLUGIN, operation="transcription"))
    assert form.fields == (
        ("model", "whisper-1"),
        ("response_format", "verbose_json"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("language", "de"),
        ("prompt", "Grüße"),
        ("temperature", "0.25"),
    )


@pytest.mark.parametrize(
    ("has", "wanted", "is_served"),
    [
        (None, "srt", True),
        (["json"], "json", True),
        (["json"], "text", True),
        (["json"], "srt", False),
        (["json"], "diarized_json", False),
        (["verbose_json"], "vtt", True),
        (["json", "diarized_json"], "diarized_json", True),
    ],
)
def test_a_format_that_the_model_cannot_give_is_refused(has: list[str] | None, wanted: str, is_served: bool) -> None:
    at = target(plugin=PLUGIN, operation="transcription", options={"transcript_formats": has} if has else {})
    refusal = PLUGIN.refusal(recording_call(recording={"format": wanted}), at)
    assert (refusal is None) == is_served
