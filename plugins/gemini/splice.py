"""The client's own bytes with the vendor's model put in where they name one: all else goes out as it came."""

from __future__ import annotations

import re

from gateway import json

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]:,]', re.DOTALL)
# A key `model`, or one that may be spelled so with escapes; the role "model" is no key.
_MAY_NAME = re.compile(rb'"model"\s*:|\\u00[2-7]')


def splice_model(raw: bytes, resource: str, depth: int) -> bytes:
    """Return `raw` with every string under a key `model` at `depth` replaced by `models/<name>`.

    Depth 1 is the body itself; 3 is the objects of an array in it, as the `requests` of `:batchEmbedContents`. The
    model stands in the path: a body may repeat it, and the vendor refuses one that differs.
    """
    if not _MAY_NAME.search(raw):
        return raw
    spans = _spans(raw, depth)
    value = json.dumps(resource)
    for start, end in reversed(spans):
        raw = raw[:start] + value + raw[end:]
    return raw


def _spans(raw: bytes, depth: int) -> list[tuple[int, int]]:
    """Return where the values start and end, quotes included, however the key is spelled."""
    spans: list[tuple[int, int]] = []
    here = 0
    tokens = _TOKEN.finditer(raw)
    previous = b""
    for match in tokens:
        token = match.group()
        if token in (b"{", b"["):
            here += 1
        elif token in (b"}", b"]"):
            here -= 1
        elif token == b":" and here == depth and json.loads(previous) == "model":
            value = next(tokens)
            token = value.group()
            if token[:1] == b'"':
                spans.append(value.span())
            elif token in (b"{", b"["):
                here += 1
        previous = token
    return spans
