"""What a dialect of live audio has beside what every dialect has: how a session's messages are read and written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable
from urllib.parse import parse_qsl, unquote_plus

from gateway import json
from gateway.errors import GatewayError, InvalidRequest
from gateway.types import Call, Event, Frame, Head, LiveItem, Rendered

MAX_RATE_HZ = 192_000
MAX_CHANNELS = 20
_CREDENTIALS = frozenset({"key", "api_key", "apikey", "api-key", "access_token", "token"})  # of a query


@dataclass(frozen=True, slots=True)
class Taken:
    """What one message of a client means: what it asks, and what it is answered at once."""

    items: tuple[LiveItem, ...] = ()
    replies: tuple[Frame, ...] = ()


class Talk(Protocol):
    """One session, as its client sees it. Keeps what the dialect's own rules have to remember."""

    def measure(self, frame: Frame) -> tuple[float, int]:
        """Return the seconds of audio and the characters of text to be spoken in a client's message."""
        ...

    def take(self, frame: Frame) -> Taken:
        """Return what a client's message means, where nobody takes it as it is. Raises InvalidRequest, WrongFrame."""
        ...

    def tell(self, event: Event) -> tuple[Frame, ...]:
        """Return an event as messages of this dialect."""
        ...

    def fault(self, error: GatewayError) -> tuple[Frame, ...]:
        """Return an error as messages, which are followed by a close frame."""
        ...


@runtime_checkable
class LiveDialect(Protocol):
    """Of a dialect that answers an upgrade."""

    def subprotocol(self, offered: Sequence[str]) -> tuple[str, str]:
        """Return which of the offered subprotocols is spoken, and the key that came among them; "" for none."""
        ...

    def talk(self, call: Call) -> Talk:
        """Begin a session."""
        ...


class NotRendered:
    """A live dialect writes messages; there is no body to encode."""

    async def encode(self, call: Call, events: AsyncIterator[Event]) -> Rendered:
        raise RuntimeError("a live session has no answer but its messages")


def plain_query(head: Head) -> str:
    """Return the query as it was sent, without the parameters that carry keys."""
    kept = [pair for pair in head.raw_query.split("&") if pair and not _carries_key(pair)]
    return "&".join(kept)


def one_each(head: Head, repeated: frozenset[str]) -> dict[str, str]:
    """Return the query's parameters. Raises InvalidRequest where one stands twice that may not."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(head.raw_query, keep_blank_values=True):
        if name in found and name not in repeated:
            raise InvalidRequest(f"'{name[:60]}' stands twice in the query; give it once", param=name[:60])
        found[name] = value
    return found


def whole_number(query: dict[str, str], name: str, most: int) -> int | None:
    """Return a parameter that is a number from 1 to `most`, None where it is not there. Raises InvalidRequest."""
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise InvalidRequest(f"'{name}' must be a whole number from 1 to {most}, not {text[:40]!r}", param=name)
    return int(text)


def yes_or_no(query: dict[str, str], name: str) -> bool:
    """Return a parameter that is `true` or `false`, False where it is not there. Raises InvalidRequest."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise InvalidRequest(f"'{name}' must be true or false, not {text[:40]!r}", param=name)
    return text == "true"


def message_of(frame: Frame) -> dict[str, Any]:
    """Return a text message that has to be a JSON object with a `type`. Raises InvalidRequest."""
    try:
        value = json.loads(frame.data)
    except ValueError as error:
        raise InvalidRequest("a text message must be JSON; this one is not") from error
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise InvalidRequest("a text message must be a JSON object with a 'type'")
    return value


def text_frame(value: Any) -> Frame:
    return Frame(json.dumps(value), is_text=True)


def _carries_key(pair: str) -> bool:
    return unquote_plus(pair.partition("=")[0]).lower() in _CREDENTIALS
