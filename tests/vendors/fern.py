"""Rules out of an SDK that Fern generated (deepgram, elevenlabs): the method's signature is the list of what is known.

Such SDKs have no types for requests, but each parameter of a raw client's method has its own; types are
`Union[Literal[…], Any]`, so that the literals have to be enforced here. Snippet of vendors.md S4.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

NOT_SENT = frozenset({"self", "request", "request_options"})


def known(method: Callable[..., Any]) -> Mapping[str, Any]:
    """Return parameter -> its type."""
    hints = typing.get_type_hints(method)
    return {
        name: hints[name] for name in inspect.signature(method).parameters if name in hints and name not in NOT_SENT
    }


def literals(hint: Any) -> tuple[Any, ...]:
    """Return the values a parameter may have, () where it may have any."""
    return tuple(value for part in _parts(hint) if typing.get_origin(part) is typing.Literal for value in part.__args__)


def query_fault(rules: Mapping[str, Any], query: Mapping[str, str]) -> str | None:
    """Return what is wrong with a query's names and values, None where nothing is."""
    for name, value in query.items():
        if name not in rules:
            return f"unknown parameter {name!r}"
        allowed = literals(rules[name])
        if allowed and value not in allowed:
            return f"{name} is {value!r}, not one of {', '.join(map(str, allowed))}"
        kinds = set(_parts(rules[name]))
        if bool in kinds and value not in ("true", "false"):
            return f"{name} is {value!r}, not true or false"
        if kinds & {int, float} and not kinds & {str} and not _is_number(value):
            return f"{name} is {value!r}, which is no number"
    return None


def _parts(hint: Any) -> Iterator[Any]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        for part in typing.get_args(hint):
            yield from _parts(part)
    else:
        yield hint


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
