"""Audio that a cache gives again is all there: it has a validator, and any part of it may be asked for (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from gateway.types import Rendered

_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.ASCII | re.IGNORECASE)


async def conditional(rendered: Rendered, etag: str, headers: Mapping[str, str]) -> Rendered:
    """Return the audio, or the part of it, or the word that the client has it. What is no audio is returned as it is.

    `etag` is quoted and strong. A range that is none, or more than one, is passed over: the whole is always right.
    """
    if not rendered.content_type.startswith("audio/"):
        return rendered
    known = headers.get("if-none-match")
    told = {**rendered.headers, "etag": etag, "accept-ranges": "bytes"}
    if known is not None and _is_among(etag, known):
        return replace(rendered, status=304, body=b"", headers=told)
    audio = rendered.body if isinstance(rendered.body, bytes) else b"".join([chunk async for chunk in rendered.body])
    asked = headers.get("range")
    wanted = headers.get("if-range", etag)
    if asked is None or wanted.strip() != etag:
        return replace(rendered, body=audio, headers=told)
    span = _span(asked, len(audio))
    if span is None:
        return replace(rendered, body=audio, headers=told)
    start, end = span
    if start >= end:
        return replace(rendered, status=416, body=b"", headers={**told, "content-range": f"bytes */{len(audio)}"})
    place = f"bytes {start}-{end - 1}/{len(audio)}"
    return replace(rendered, status=206, body=audio[start:end], headers={**told, "content-range": place})


def _is_among(etag: str, known: str) -> bool:
    """A weak comparison, as If-None-Match has it."""
    return any(word.strip().removeprefix("W/") in (etag, "*") for word in known.split(","))


def _span(text: str, size: int) -> tuple[int, int] | None:
    """Return start and end, the end not included; an empty span where there is no such part, None for no range."""
    match = _RANGE.fullmatch(text.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:  # the last so many
        return max(0, size - int(match[2])) if int(match[2]) else size, size
    start, last = int(match[1]), int(match[2] or size)
    if last < start:
        return None
    return min(start, size), min(last + 1, size)
