"""One change is made to JSON without parsing it: setting a top-level string. Every other byte stays as it was."""

from __future__ import annotations

import json as stdlib
import time
import tracemalloc
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway import json
from gateway.errors import InvalidRequest

ROOM = b" " * json.LARGE_BYTES
SPACE = st.text(" \t\r\n", max_size=2)
NAMES = st.sampled_from(
    ["model", "mode", "models", 'model"', 'x"model', "\\model", "Model", "", "a", "é", "{", "]", ":"]
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8) | NAMES
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


@dataclass(frozen=True)
class Written:
    """An object as text, and where the value of its top-level "model" stands."""

    raw: bytes
    start: int
    end: int


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """JSON of a string, some of its characters as escapes."""
    out = ""
    for character in text:
        plain = stdlib.dumps(character, ensure_ascii=False)[1:-1]
        escape = "".join(f"\\u{unit:04x}" for unit in units(character))
        out += draw(st.sampled_from([plain, plain, plain, escape, escape.upper().replace("\\U", "\\u")]))
    return f'"{out}"'


def units(character: str) -> list[int]:
    data = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """JSON of a value with white space wherever it may stand."""

    def space() -> str:
        return draw(SPACE)

    match value:
        case dict():
            members = [
                f"{space()}{draw(spelled(key))}{space()}:{space()}{draw(written(item))}{space()}"
                for key, item in value.items()
            ]
            return "{" + (",".join(members) or space()) + "}"
        case list():
            return "[" + (",".join(f"{space()}{draw(written(item))}{space()}" for item in value) or space()) + "]"
        case str():
            return draw(spelled(value))
        case _:
            return stdlib.dumps(value)


@st.composite
def requests(draw: st.DrawFn) -> Written:
    """An object with one "model", a string, at its top, anything elsewhere."""
    members = draw(st.lists(st.tuples(NAMES.filter(lambda name: name != "model"), VALUES), max_size=4))
    place = draw(st.integers(0, len(members)))
    text, start, end = draw(SPACE) + "{", 0, 0
    for index, (key, value) in enumerate([*members[:place], ("model", draw(st.text(max_size=9))), *members[place:]]):
        text += ("," if index else "") + draw(SPACE) + draw(spelled(key)) + draw(SPACE) + ":" + draw(SPACE)
        start, end = (len(text.encode()), end) if index == place else (start, end)
        text += draw(spelled(value) if index == place else written(value))
        end = len(text.encode()) if index == place else end
        text += draw(SPACE)
    return Written((text + "}" + draw(SPACE)).encode(), start, end)


@given(requests(), st.text(max_size=9))
def test_replacing_a_string_leaves_every_other_byte(request: Written, name: str) -> None:
    changed = json.set_string(request.raw, "model", name)
    assert changed == request.raw[: request.start] + json.dumps(name) + request.raw[request.end :]
    assert json.loads(changed) == json.loads(request.raw) | {"model": name}


@given(requests(), st.text(max_size=9), st.booleans())
def test_a_key_that_stands_twice_is_refused(request: Written, name: str, is_last: bool) -> None:
    twice = request.raw.rindex(b"}") if is_last else request.raw.index(b"{") + 1
    member = b'"\\u006d\\u006fdel":' + json.dumps(name)
    member = b"," + member if is_last else member + b","
    with pytest.raises(InvalidRequest) as caught:
        json.set_string(request.raw[:twice] + member + request.raw[twice:], "model", name)
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","x":{"model":"c"},"model":"b"}',
        b'{"mod\\u0065l":"a","model":"b"}',
        b'{"model":null,"model":"b"}',
    ],
)
def test_a_key_that_stands_twice_at_the_top_is_refused(raw: bytes) -> None:
    for each in (raw, raw + ROOM):
        with pytest.raises(InvalidRequest):
            json.set_string(each, "model", "m")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"{}", b'{"model":"m"}'),
        (b'{"x":"model"}', b'{"x":"model","model":"m"}'),
        (b'{"x":{"model":"a"}}', b'{"x":{"model":"a"},"model":"m"}'),
        (b'{"x\\"model":"v"}', b'{"x\\"model":"v","model":"m"}'),
        (b'{"x":"caf\\u00e9 \\u0041"}', b'{"x":"caf\\u00e9 \\u0041","model":"m"}'),
        (b'{"model": null , "x":1}', b'{"model": "m" , "x":1}'),
        (b'{"x":[{"model":null}],"model":null}', b'{"x":[{"model":null}],"model":"m"}'),
    ],
)
def test_a_key_that_was_not_said_is_set(raw: bytes, expected: bytes) -> None:
    assert json.set_string(raw, "model", "m") == expected


@pytest.mark.parametrize("value", [b"1", b"true", b"{}", b'["a"]', b'{"model":"a"}'])
def test_a_value_that_is_no_string_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        json.set_string(b'{"model": %b, "messages": [{"model": "x"}]}' % value, "model", "m")
    assert caught.value.param == "model"


@given(st.dictionaries(NAMES, VALUES, max_size=4), NAMES, VALUES, st.data())
def test_a_member_is_added_at_the_end(value: dict[str, Any], key: str, added: Any, data: st.DataObject) -> None:
    assume(key not in value)
    raw = data.draw(written(value)).encode() + data.draw(SPACE).encode()
    changed = json.insert_member(raw, key, added)
    assert json.loads(changed) == value | {key: added}
    end = raw.rindex(b"}")
    assert changed.startswith(raw[:end])
    assert changed.endswith(raw[end:])


def test_a_large_body_is_changed_in_little_time_and_memory() -> None:
    text = b"\\n words" * 1_000_000
    raw = b'{"mod\\u0065l":"a","messages":[{"content":"' + text + b'"}]}'
    tracemalloc.start()
    started_s = time.process_time()
    changed = json.set_string(raw, "model", "m")
    took_s, peak = time.process_time() - started_s, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert changed == raw.replace(b'"a"', b'"m"', 1)
    assert took_s < 1
    assert peak < 4 * len(raw)


@given(requests(), st.text(max_size=9))
def test_a_large_body_is_changed_as_a_small_one_is(request: Written, name: str) -> None:
    assert json.set_string(request.raw + ROOM, "model", name) == json.set_string(request.raw, "model", name) + ROOM


@pytest.mark.parametrize("quotes", [json.FEW_QUOTES - 2, json.FEW_QUOTES, json.FEW_QUOTES + 2])
def test_a_large_body_is_changed_however_many_quotes_it_has(quotes: int) -> None:
    raw = b'{"x":[%b],"model":"a"}' % b",".join([b'""'] * (quotes // 2 - 3)) + ROOM
    assert raw.count(b'"') == quotes
    assert json.set_string(raw, "model", "m") == raw.replace(b'"a"', b'"m"')
    with pytest.raises(InvalidRequest):
        json.set_string(raw.replace(b"[", b'["model"],"model":"b","y":[', 1), "model", "m")


def test_codec_refuses_what_is_not_json_by_value_error() -> None:
    for raw in (b"", b"{", b"nan", b'{"a":1}x', b"\xff", b"[" * 100_000):
        with pytest.raises(orjson.JSONDecodeError):
            json.loads(raw)
