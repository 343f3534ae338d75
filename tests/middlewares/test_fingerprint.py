"""What decides an answer: the same JSON is the same request, and nothing else is."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.model import Route, UserMiddleware
from gateway.middlewares.fingerprint import Fingerprints, canonical
from gateway.types import Call, Chat, Choice, Message, Place, Price, Speech, Text, When, Words
from tests.given import call, recording_call, target
from tests.middlewares.caching import PATHS, TARGETS, chat

NONE: frozenset[str] = frozenset()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(st.sampled_from(["model", "messages", "tools", "a", "temperature"]), JSON, max_size=4)


def shuffled(value: Any) -> Any:
    """Return the value with the members of its objects in another order, but for those that hold schemas."""
    if isinstance(value, dict):
        return {name: inner if name == "tools" else shuffled(inner) for name, inner in reversed(value.items())}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


@given(BODIES)
def test_order_and_spacing_decide_nothing(body: dict[str, Any]) -> None:
    spaced = orjson.dumps(shuffled(body), option=orjson.OPT_INDENT_2)
    plain = orjson.dumps(body)
    if canonical(plain, NONE).startswith(b"json:") and canonical(spaced, NONE).startswith(b"json:"):
        assert canonical(spaced, NONE) == canonical(plain, NONE)


def test_order_and_spacing_decide_nothing_in_a_usual_request() -> None:
    first = b'{"model":"a","messages":[{"role":"user","content":"Hi: \\u00e9"}],"temperature":0.5}'
    other = '{ "temperature": 0.50, "messages": [ {"content": "Hi: é", "role": "user"} ], "model": "a" }'.encode()
    assert canonical(first, NONE) == canonical(other, NONE)
    assert canonical(first, NONE).startswith(b"json:")


@given(BODIES, BODIES)
def test_two_requests_are_the_same_only_where_their_json_is(first: dict[str, Any], second: dict[str, Any]) -> None:
    # As text, since Python finds 1 and True and 1.0 equal.
    written = [orjson.dumps(body, option=orjson.OPT_SORT_KEYS) for body in (first, second)]
    if written[0] != written[1]:
        assert canonical(orjson.dumps(first), NONE) != canonical(orjson.dumps(second), NONE)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b'{"a":1}', b'{"a":1.0}'),
        (b'{"a":1}', b'{"a":true}'),
        (b'{"a":"1"}', b'{"a":1}'),
        (b'{"a":null}', b"{}"),
        (b'{"a":[1,2]}', b'{"a":[2,1]}'),
        (b'{"a":1,"a":2}', b'{"a":2}'),  # some vendors take the first
        (b'{"a":{"b":1,"b":2}}', b'{"a":{"b":2}}'),
        (b'{"seed":12345678901234567890123}', b'{"seed":12345678901234567890124}'),
        (b'{"a":"\\u003a"}', b'{"a":":"}'),  # may hide a member that stands twice
        (b'{"a":"x","b":""}', b'{"a":"","b":"x"}'),
        (b"{", b"["),
        (b'["a"]', b'{"a":1}'),
        (
            b'{"tools":[{"parameters":{"properties":{"a":{},"b":{}}}}]}',
            b'{"tools":[{"parameters":{"properties":{"b":{},"a":{}}}}]}',
        ),  # a model writes them in this order
    ],
)
def test_what_differs_is_told_apart(first: bytes, second: bytes) -> None:
    assert canonical(first, NONE) != canonical(second, NONE)


def test_what_decides_nothing_is_left_out() -> None:
    ignored = frozenset({"user", "stream", "stream_options"})
    plain = canonical(b'{"a":1}', ignored)
    assert canonical(b'{"a":1,"user":"u","stream":true,"stream_options":{"include_usage":true}}', ignored) == plain
    assert canonical(b'{"a":1,"stream_options":{"include_obfuscation":true}}', ignored) != plain
    assert canonical(b'{"a":{"user":"u"}}', ignored) != canonical(b'{"a":{}}', ignored)  # only at the top


# ---------------------------------------------------------------- keys of calls


def fingerprints(dialect: str = "openai.chat", **more: Any) -> Fingerprints:
    return Fingerprints(Route("POST", PATHS[dialect], dialect, **more))


async def digest(given_call: Call, among: Fingerprints | None = None) -> str:
    key, _ = await (among or fingerprints()).key(given_call)
    return key.digest


async def test_a_plain_chat_is_one_request_as_a_stream_and_as_a_whole() -> None:
    whole, stream = chat(b'{"a":1}'), chat(b'{"a":1,"stream":true}', stream=True)
    found = fingerprints()
    assert await digest(whole, found) == await digest(stream, found)
    assert [(await found.key(each))[1] for each in (whole, stream)] == ["whole", "stream"]


@pytest.mark.parametrize(
    "more", [{"logprobs": True}, {"extra": {"vendor_field": 1}}, {"only_verbatim": frozenset({"x"})}]
)
async def test_what_only_the_vendors_own_bytes_carry_is_another_as_a_stream(more: dict[str, Any]) -> None:
    body = Chat((Message("user", (Text("hello"),)),), **more)
    whole = call(body, raw=b'{"a":1}', targets=TARGETS)
    stream = call(body, raw=b'{"a":1,"stream":true}', targets=TARGETS, stream=True)
    assert await digest(whole) != await digest(stream)


async def test_what_a_middleware_of_the_operators_changed_is_part_of_the_key() -> None:
    async def link(asked: Any, handler: Any) -> Any:
        raise AssertionError("it is not run here")

    one, other = (chat(body=Chat((Message("user", (Text(text),)),))) for text in ("hello", "[name]"))
    plain, changing = fingerprints(), fingerprints(middlewares=(UserMiddleware("redact", "auth", link),))
    assert await digest(one, plain) == await digest(other, plain)  # the raw body is the same
    assert await digest(one, changing) != await digest(other, changing)


async def test_recordings_of_one_sound_in_another_format_of_answer_are_told_apart() -> None:
    found = fingerprints("openai.transcription")
    keys = set()
    for name in ("json", "verbose_json", "srt"):
        given_call = recording_call(b"RIFF", recording={"format": name, "fields": (("response_format", name),)})
        keys.add(await digest(given_call, found))
    assert len(keys) == 3


async def test_a_target_is_known_by_all_that_changes_its_answers_and_not_by_its_price() -> None:
    async def of(**more: Any) -> str:
        return await digest(chat(targets=(target("first/model", **more),)))

    plain = await of()
    assert await of(price=Price(per_request=5)) == plain
    assert await of(credentials={"api_key": "other"}) == plain
    assert await of(base_url="http://other.test") != plain
    assert await of(provider_options={"region": "eu"}) != plain
    assert await of(max_output_tokens=10) != plain


async def test_names_that_are_no_utf8_have_a_key() -> None:
    body = Speech("hello", "\udcff")
    given_call = call(body, operation="speech", dialect="openai.speech", raw=b"{}", path="/\udcff", targets=TARGETS)
    assert len(await digest(given_call, fingerprints("openai.speech"))) == 64


async def test_a_large_body_has_the_key_that_a_small_one_would() -> None:
    large = b'{"a":"' + b"x" * 300_000 + b'"}'
    assert await digest(chat(large)) == await digest(chat(large.replace(b":", b" : ", 1)))


async def test_calls_share_an_answer_where_the_same_targets_are_for_them() -> None:
    high = When(headers=(("x-quality", Words(("high",), re.compile("high"))),))
    place = Place(Choice("fast"), "first/model", when=high)
    targets = (target("first/model", place=place), target("second/model"))
    found = fingerprints()
    keys = [
        await digest(chat(targets=targets, headers={"x-quality": word}), found) for word in ("high", "low", "lower")
    ]
    assert keys[1] == keys[2] != keys[0]
