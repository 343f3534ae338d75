"""The answer of text:synthesize: `{"audioContent": "<base64>"}`, decoded while it arrives.

The audio may be megabytes; only a few bytes of it are held. The object's end is the end mark. An object that does not
begin with `audioContent` is small, or wrong: it is read whole.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator
from typing import Any

from gateway import json
from gateway.errors import UpstreamCut, UpstreamMalformed

from .errors import object_error

_HEAD = re.compile(rb'\s*\{\s*"audioContent"\s*:\s*"')
_HEAD_BYTES = 64  # within which the head stands, however it is spaced
_MAX_OTHER_BYTES = 67_108_864  # an object of another order of fields: 10 minutes of 24 kHz samples in base64 are 38 MB
_MAX_TAIL_BYTES = 1_048_576  # what may follow the audio: timepoints and the like


async def decode(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the audio. Raises UpstreamCut, UpstreamMalformed, or the error that the object holds."""
    start = b""
    async for chunk in chunks:
        start += chunk
        if len(start) >= _HEAD_BYTES:
            break
    head = _HEAD.match(start)
    if head is None:
        yield await _whole(start, chunks)
        return
    text = _Text()
    tail = b""
    async for chunk in _joined(start[head.end() :], chunks):
        if text.is_over:
            tail += chunk
            if len(tail) > _MAX_TAIL_BYTES:
                raise UpstreamMalformed(f"more than {_MAX_TAIL_BYTES} bytes follow the vendor's audio")
            continue
        if audio := text.feed(chunk):
            yield audio
        tail = text.rest
    if not text.is_over:
        raise UpstreamCut("the vendor's answer ended within its audio")
    _check_tail(tail)


class _Text:
    """The inside of a JSON string of base64, in pieces. `rest` is what came after its end."""

    def __init__(self) -> None:
        self.is_over = False
        self.rest = b""
        self._held = b""  # less than four characters, or the start of an escape

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes decoded so far. Raises UpstreamMalformed."""
        text = self._held + chunk
        end = text.find(b'"')  # base64 has no quote, escaped or not
        if end >= 0:
            self.is_over, self.rest, text = True, text[end + 1 :], text[:end]
        keep = text.rfind(b"\\", max(0, len(text) - 5)) if not self.is_over else -1
        cut, text = (text[keep:], text[:keep]) if keep >= 0 else (b"", text)
        if b"\\" in text:
            text = _unescaped(text)
        whole = len(text) if self.is_over else len(text) // 4 * 4
        self._held = text[whole:] + cut
        try:
            return base64.b64decode(text[:whole], validate=True)
        except binascii.Error as error:
            raise UpstreamMalformed("the vendor's audioContent is not base64") from error


def _unescaped(text: bytes) -> bytes:
    """Some of Google's servers write `=` as `\\u003d`, and JSON allows `\\/`."""
    try:
        value: str = json.loads(b'"%b"' % text)
        return value.encode("ascii")
    except ValueError as error:
        raise UpstreamMalformed("the vendor's audioContent is not base64") from error


async def _whole(start: bytes, chunks: AsyncIterator[bytes]) -> bytes:
    body = bytearray(start)
    async for chunk in chunks:
        body += chunk
        if len(body) > _MAX_OTHER_BYTES:
            raise UpstreamMalformed(f"the answer is larger than {_MAX_OTHER_BYTES} bytes")
    value = _object(bytes(body))
    if value.get("error"):
        raise object_error(value["error"])
    content = value.get("audioContent")
    if not isinstance(content, str):
        raise UpstreamMalformed("the vendor's answer holds no audioContent")
    text = _Text()
    return text.feed(content.encode() + b'"')


def _check_tail(tail: bytes) -> None:
    value = _object(b'{"audioContent":""' + tail)
    if value.get("error"):
        raise object_error(value["error"])


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise UpstreamCut("the vendor's answer is not JSON, or was cut") from error
    if not isinstance(value, dict):
        raise UpstreamMalformed("the vendor's answer is not a JSON object")
    return value


async def _joined(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for chunk in rest:
        yield chunk
