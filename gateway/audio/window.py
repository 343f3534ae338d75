"""A stretch of samples in a larger file as a WAV file of its own: nothing is copied."""

from __future__ import annotations

import io
import os
from typing import IO, Any

from gateway.audio import wav


class WavWindow(io.RawIOBase):
    """Reads a header and then bytes `start` to `end` of `file`, whose own position stays: several may read at once."""

    def __init__(self, file: IO[bytes], start: int, end: int, sample_rate_hz: int) -> None:
        self._fd = file.fileno()
        self._header = wav.header(sample_rate_hz, data_bytes=end - start)
        self._start = start
        self.size_bytes = len(self._header) + end - start
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        count = min(len(view), max(0, self.size_bytes - self._at))
        data = self._header[self._at : self._at + count]
        if len(data) < count:
            place = self._start + self._at + len(data) - len(self._header)
            data += os.pread(self._fd, count - len(data), place)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
