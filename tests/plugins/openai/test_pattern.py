"""An event that fits a pattern is one that reading it would say the same of."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.openai.pattern import Pattern

EVENT = (
    b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"%b"},"logprobs":null,"finish_reason":null}],'
    b'"usage":null}\n\n'
)


def fits(raw: bytes) -> bool:
    pattern = Pattern.of(EVENT % b"so")
    assert pattern is not None
    return pattern.fits(raw)


@pytest.mark.parametrize(
    "text", ["it is", " ", 'a \\"word\\"', "\\n\\n", "\\\\", "é😀", "{}[],:", '\\",\\"usage\\":{'], ids=repr
)
def test_another_text_fits(text: str) -> None:
    assert fits(EVENT % text.encode())


@pytest.mark.parametrize(
    "raw",
    [
        EVENT % b"",  # no content
        EVENT % b'a","refusal":"b',
        EVENT % b'a"},"finish_reason":"stop","delta":{"content":"b',
        EVENT % b"\\",
        EVENT % b"\\x",
        EVENT % b"\\ud800",  # the parser knows about halves of characters
        EVENT % b"a\nb",
        EVENT % b"\xff",
        EVENT % b"\xed\xa0\x80",
        (EVENT % b"a").replace(b'"usage":null', b'"usage":{}'),
        (EVENT % b"a").replace(b'"finish_reason":null', b'"finish_reason":"stop"'),
        (EVENT % b"a").replace(b'"id":"1"', b'"id":"2"'),
        (EVENT % b"a")[:-1],
        (EVENT % b"a") * 2,
        EVENT[: EVENT.index(b"%b")] + EVENT[EVENT.index(b"%b") + 2 :][1:],
        b"data: [DONE]\n\n",
        b"",
    ],
)
def test_anything_else_is_read(raw: bytes) -> None:
    assert not fits(raw)


@given(st.binary(max_size=12))
def test_what_fits_is_json_with_content_and_nothing_else_new(text: bytes) -> None:
    if fits(EVENT % text):
        read = json.loads((EVENT % text).removeprefix(b"data: "))
        assert read["choices"][0]["delta"].pop("content")
        assert read == {
            "id": "1",
            "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}],
            "usage": None,
        }


@pytest.mark.parametrize(
    "raw",
    [
        b'data: {"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}\n\n',
        b'data: {"choices":[{"delta":{"refusal":"a"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":""}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"a"}}]}\r\r',  # a line feed may still come
    ],
)
def test_what_has_not_one_text_has_no_pattern(raw: bytes) -> None:
    assert Pattern.of(raw) is None
