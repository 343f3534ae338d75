"""A request as bytes: its head, and its body as it is or as pieces to be read while they are sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from gateway.types import Form, UpstreamRequest
from gateway.upstream.files import sent_bytes, sent_chunks
from gateway.upstream.multipart import Multipart

Body = bytes | AsyncIterator[bytes]

_FIRST_LINE = re.compile(r"[A-Z]+ [!-~]+")
# What belongs to the connection or says how long the body is: nobody else's to set.
_OURS = frozenset(
    {
        "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te",
        "trailer", "transfer-encoding", "upgrade", "via",
    }
)  # fmt: skip
_HAVE_BODIES = frozenset({"POST", "PUT", "PATCH"})  # whose length is told even where it is 0 (RFC 9110, 8.6)


def outgoing(request: UpstreamRequest, authority: str, target: str, via: str) -> tuple[bytes, Body]:
    """Return the head and the body. Raises ValueError where a line of the head would not stay one line."""
    body: Body
    if isinstance(request.body, Form):
        form = Multipart(request.body)
        body, size_bytes, content_type = form.chunks(), form.size_bytes, form.content_type
    elif request.upload is not None:
        body, size_bytes, content_type = sent_chunks(request.upload), sent_bytes(request.upload), ""
    else:
        body, size_bytes, content_type = request.body, len(request.body), ""
    first = f"{request.method} {target}"
    if not _FIRST_LINE.fullmatch(first):
        raise ValueError("the first line would not be one")
    lines = [f"{first} HTTP/1.1", f"host: {request.headers.get('host', authority)}"]
    lines += [
        f"{name}: {value}"
        for name, value in request.headers.items()
        if name.lower() not in _OURS and not (content_type and name.lower() == "content-type")
    ]
    lines += ["accept-encoding: identity", f"via: {via}"]
    if content_type:
        lines.append(f"content-type: {content_type}")
    if size_bytes or request.method in _HAVE_BODIES:
        lines.append(f"content-length: {size_bytes}")
    head = "\r\n".join(lines)
    if head.count("\n") >= len(lines) or head.count("\r") >= len(lines) or "\0" in head:
        raise ValueError("a header holds a line break")
    # Halves of surrogates stand for bytes that are no UTF-8, which some client has sent; they are left out.
    return head.encode(errors="ignore") + b"\r\n\r\n", body
