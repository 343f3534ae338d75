"""Bodies that clients might send: right ones with one thing made wrong, and objects of known names with any value."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from hypothesis import strategies as st

from gateway.dialects import Dialect
from gateway.errors import InvalidRequest
from gateway.types import Ask
from tests.given import inbound

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(["", "text", "auto", "function", "custom", "data:image/png;base64,AA", "user", 0, 1, -1]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "name", "id", "function", "text", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value within."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(value: Any, path: tuple[Any, ...], put: Any) -> Any:
    """Return a copy with another value at `path`."""
    made = copy.deepcopy(value)
    at = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = put
    return made


@st.composite
def mutated(draw: st.DrawFn, rights: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    """A right body with one to three values replaced."""
    body: dict[str, Any] = copy.deepcopy(dict(draw(st.sampled_from(rights))))
    for _ in range(draw(st.integers(1, 3))):
        body = changed(body, draw(st.sampled_from(list(places(body)))), draw(JSON))
    return body


def anything(rights: tuple[Mapping[str, Any], ...]) -> st.SearchStrategy[dict[str, Any]]:
    names = sorted({key for right in rights for key in right})
    return mutated(rights) | st.dictionaries(st.sampled_from(names) | st.text(max_size=5), JSON, max_size=6)


def decode(dialect: Dialect, body: Any) -> Ask:
    return dialect.decode(inbound(orjson.dumps(body)))


def fault_of(dialect: Dialect, body: Any) -> InvalidRequest | None:
    """Return what is wrong with a body, None where it makes an Ask. Any other exception passes."""
    try:
        assert isinstance(decode(dialect, body), Ask)
    except InvalidRequest as error:
        return error
    return None


def check_ask_or_named_fault(dialect: Dialect, body: Any) -> None:
    """Any JSON object gives an Ask, or an InvalidRequest that names its field and says it in its message."""
    error = fault_of(dialect, body)
    if error is not None:
        assert error.param
        assert f"'{error.param}'" in error.message


def fault(dialect: Dialect, body: Any) -> InvalidRequest:
    found = fault_of(dialect, body)
    assert found is not None
    return found


NOT_OBJECTS = [
    b"",
    b" ",
    b"{",
    b"[]",
    b'"x"',
    b"1",
    b"null",
    b"true",
    b"{'a':1}",
    b"\xff\xfe",
    b"[" * 5000,
    b"{}x",
    b"NaN",
]
