"""What a streamed answer cost, in the `usage` that OpenAI's clients ask for: its head was sent before it was known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gateway import json, sse
from gateway.dialects.native import cost_usd
from gateway.errors import GatewayError
from gateway.types import Event, Receipt, Verbatim

_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_REASON = re.compile(rb'"finish_reason"\s*:\s*"')


def cost_member(receipt: Receipt) -> dict[str, float]:
    """Return `cost_usd` for a `usage`; nothing where a price is not known."""
    cost = cost_usd(receipt)
    return {} if cost is None else {"cost_usd": cost}


class Priced:
    """The stage that passes a vendor's stream on, with the cost put into its last usage.

    From the chunk that may be the last with usage on, nothing goes out before either more content comes, so that it was
    not, or the answer ends and its cost is known. What is held back is that chunk and the end mark.
    """

    is_over = False

    def __init__(self, receipt: Receipt) -> None:
        self._receipt = receipt
        self._held: list[bytes] = []

    def feed(self, event: Event) -> Sequence[bytes]:
        if not isinstance(event, Verbatim):
            return ()
        released: list[bytes] = []
        if event.is_content and self._held:
            released, self._held = self._held, []
        if self._held or _may_be_last(event):
            self._held.append(event.data)
            return released
        return [*released, event.data]

    def end(self, error: Exception | None) -> Iterator[bytes]:
        if error is None:
            yield from (_spliced(data, self._receipt) for data in self._held)
            return
        if isinstance(error, GatewayError):
            yield from self._held
        raise error


def _may_be_last(event: Verbatim) -> bool:
    """A vendor may send its usage with every chunk, or its last one with the reason to end."""
    return bool(_USAGE.search(event.data)) and not (event.is_content and not _REASON.search(event.data))


def _spliced(raw: bytes, receipt: Receipt) -> bytes:
    """Return the event with the cost in its top-level `usage`, and as it was where it has none."""
    cost = cost_usd(receipt)
    if cost is None or b'"cost_usd"' in raw:
        return raw
    for found in _USAGE.finditer(raw):
        spliced = b'%b"cost_usd":%b,%b' % (raw[: found.end()], json.dumps(cost), raw[found.end() :])
        try:
            if "cost_usd" in json.loads(sse.parse(spliced).data)["usage"]:
                return spliced
        except (ValueError, KeyError, TypeError):
            continue  # an empty usage, or one that is not at the top
    return raw
