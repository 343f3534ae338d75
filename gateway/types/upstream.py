"""What goes out to a vendor, and what comes from there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from gateway.types.answers import Closer
from gateway.types.inbound import Base64File, Form, Upload
from gateway.types.values import quick


@quick
@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One request to a vendor. `url` is absolute and already percent-encoded; nothing rewrites it."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | Form = field(default=b"", repr=False)
    upload: Upload | Base64File | None = None  # what is sent instead of `body`, where that may be too large for memory


@quick
@dataclass(frozen=True, slots=True)
class UpstreamResponse:
    """A vendor's answer: header names lower-case, the body as chunks. `close` is idempotent and stops the vendor."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    chunks: AsyncIterator[bytes] = field(repr=False)
    close: Closer = field(repr=False)
