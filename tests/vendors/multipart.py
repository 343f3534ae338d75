"""A strict multipart/form-data reader (RFC 7578): what a real form parser would reject is an error here too."""

from __future__ import annotations

import re
from dataclasses import dataclass

PARAMETER = re.compile(r';\s*([\w*-]+)=("(?:[^"\\]|\\.)*"|[^;\s]+)')


class MultipartError(ValueError):
    """The body is not a well-formed form."""


@dataclass(frozen=True, slots=True)
class Part:
    """One field or file of a form."""

    name: str
    filename: str | None
    content_type: str | None
    content: bytes


def parse_multipart(content_type: str, body: bytes) -> tuple[Part, ...]:
    """Return the parts in order; MultipartError says what is malformed."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise MultipartError(f"content type is {kind!r}, not multipart/form-data")
    boundary = _parameters(content_type).get("boundary", "")
    if not 1 <= len(boundary) <= 70:
        raise MultipartError("boundary is missing or longer than 70 characters")
    mark = b"--" + boundary.encode("latin-1")
    if not body.startswith(mark + b"\r\n"):
        raise MultipartError("body does not start with its boundary")
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)[1:]
    if pieces[-1] not in (b"--", b"--\r\n"):
        raise MultipartError("closing boundary is missing")
    return tuple(_part(piece) for piece in pieces[:-1])


def _part(piece: bytes) -> Part:
    head, blank_line, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if not piece.startswith(b"\r\n") or not blank_line:
        raise MultipartError("a part has no blank line after its headers")
    headers = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.decode("utf-8").partition(":")
        if not colon or name != name.strip():
            raise MultipartError(f"malformed part header {line!r}")
        headers[name.lower()] = value.strip()
    disposition = headers.get("content-disposition", "")
    parameters = _parameters(disposition)
    if not disposition.startswith("form-data") or not parameters.get("name"):
        raise MultipartError("a part has no form-data name")
    return Part(parameters["name"], parameters.get("filename"), headers.get("content-type"), content)


def _parameters(header: str) -> dict[str, str]:
    found = {}
    for name, value in PARAMETER.findall(header):
        is_quoted = value.startswith('"')
        found[name.lower()] = re.sub(r"\\(.)", r"\1", value[1:-1]) if is_quoted else value
    return found
