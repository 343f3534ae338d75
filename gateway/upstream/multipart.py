"""A form as multipart/form-data: its length is known before it is sent, and its files are read as they go out."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator

from gateway.types import Form, Upload
from gateway.upstream.files import file_chunks

_ONE_LINE = re.compile(r"[ -~]+")


class Multipart:
    """One form, encoded. Can be sent again: nothing is consumed."""

    def __init__(self, form: Form) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._delimiter = f"--{boundary}\r\n".encode()
        self._end = f"--{boundary}--\r\n".encode()
        self._form = form
        self.size_bytes = (
            sum(len(self._field(name, value)) for name, value in form.fields)
            + sum(len(self._file_head(name, file)) + file.size_bytes + 2 for name, file in form.files)
            + len(self._end)
        )

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the encoded form, `size_bytes` in all."""
        for name, value in self._form.fields:
            yield self._field(name, value)
        for name, file in self._form.files:
            yield self._file_head(name, file)
            async for chunk in file_chunks(file):
                yield chunk
            yield b"\r\n"
        yield self._end

    def _field(self, name: str, value: str) -> bytes:
        head = f'Content-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n'
        return self._delimiter + _bytes(head) + value.encode() + b"\r\n"

    def _file_head(self, name: str, file: Upload) -> bytes:
        disposition = f'form-data; name="{_quoted(name)}"; filename="{_quoted(file.filename)}"'
        head = f"Content-Disposition: {disposition}\r\nContent-Type: {_media_type(file)}\r\n\r\n"
        return self._delimiter + _bytes(head)


def _media_type(file: Upload) -> str:
    """What the client said of its file, if it is one line."""
    return file.content_type if _ONE_LINE.fullmatch(file.content_type) else "application/octet-stream"


def _bytes(head: str) -> bytes:
    """Names that clients sent in bytes that are no UTF-8 go out as they came."""
    return head.encode(errors="surrogateescape")


def _quoted(text: str) -> str:
    """As the HTML standard has it: only these three are escaped, and nothing can end the line."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
