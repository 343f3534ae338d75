"""One provider and no other: `provider` in the body of whatever dialect, or the header `x-gateway-provider`."""

from __future__ import annotations

from dataclasses import replace

from gateway import json
from gateway.errors import InvalidRequest
from gateway.types import Ask, Chat, Embeddings, Inbound, Recording, Speech

FIELD = "provider"
HEADER = "x-gateway-provider"
_HAVE_EXTRA = (Chat, Embeddings, Speech, Recording)


def read_pin(ask: Ask, inbound: Inbound) -> tuple[Ask, bytes]:
    """Return the ask with the provider it is pinned to, and the body as it may be sent on: without that field.

    A field of that name which is no text is the client's own (OpenRouter takes an object) and stays where it is.
    """
    ask, body = _out_of_extra(ask, inbound)
    named = inbound.head.headers.get(HEADER, "").strip()
    if named and ask.provider and named != ask.provider:
        raise InvalidRequest(
            f"'{FIELD}' is {ask.provider[:60]!r} and {HEADER} is {named[:60]!r}; give one", param=FIELD
        )
    return (replace(ask, provider=named) if named else ask), body


def _out_of_extra(ask: Ask, inbound: Inbound) -> tuple[Ask, bytes]:
    body = ask.body
    if not isinstance(body, _HAVE_EXTRA):
        return ask, inbound.body
    value = body.extra.get(FIELD)
    if value is None:
        return ask, inbound.body
    extra = {name: item for name, item in body.extra.items() if name != FIELD}
    if isinstance(value, str):
        plain = replace(ask, body=replace(body, extra=extra), provider=value)
        return plain, json.remove_member(inbound.body, FIELD)
    if isinstance(body, Recording) and isinstance(value, tuple) and len(value) == 1:
        fields = tuple((name, text) for name, text in body.fields if name != FIELD)
        return replace(ask, body=replace(body, extra=extra, fields=fields), provider=value[0]), inbound.body
    return ask, inbound.body
