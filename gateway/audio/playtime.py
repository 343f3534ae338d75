"""How long streamed audio plays, told from its bytes as they pass: a few additions a chunk, nothing is decoded."""

from __future__ import annotations

from gateway.audio import wav
from gateway.audio.frames import mpeg_header
from gateway.types import AudioFormat

OPUS_RATE_HZ = 48_000  # in which its positions count, whatever was recorded (RFC 7845 §4)
_PAGE_BYTES = 14  # of an Ogg page's head, up to the end of its position (RFC 3533 §6)
_PCM_SAMPLE_BYTES = 2
_HEAD_BYTES = 4_096  # in which a header, or the first frame of an MP3, is found


class Playtime:
    """Adds up. MP3 is taken to be of the rate of its first frames, as what vendors speak is; others are exact."""

    __slots__ = ("_bytes", "_format", "_head", "_position", "_tail")

    def __init__(self, form: AudioFormat) -> None:
        self._format = form
        self._bytes = 0
        self._head = b""
        self._tail = b""
        self._position = 0

    def add(self, data: bytes) -> None:
        self._bytes += len(data)
        if len(self._head) < _HEAD_BYTES:
            self._head += data[: _HEAD_BYTES - len(self._head)]
        if self._format.name == "opus":
            seen = self._tail + data
            page = seen.rfind(b"OggS", 0, max(0, len(seen) - _PAGE_BYTES + 4))
            if page >= 0:
                self._position = int.from_bytes(seen[page + 6 : page + _PAGE_BYTES], "little", signed=True)
            self._tail = seen[-_PAGE_BYTES + 1 :]

    @property
    def seconds(self) -> float | None:
        """How long what was added plays; None where that cannot be told of the format."""
        match self._format.name:
            case "pcm" if self._format.sample_rate_hz:
                return self._bytes / (self._format.sample_rate_hz * _PCM_SAMPLE_BYTES)
            case "wav":
                return self._wav_s()
            case "opus":
                return max(0, self._position) / OPUS_RATE_HZ
            case "mp3":
                return self._mp3_s()
            case _:
                return None

    def _wav_s(self) -> float | None:
        try:
            info = wav.parse(self._head)
        except wav.NotWav:
            return None
        return (
            None if info is None or not info.bytes_per_s else max(0, self._bytes - info.data_offset) / info.bytes_per_s
        )

    def _mp3_s(self) -> float | None:
        head = self._head
        at = head.find(b"\xff")
        while at >= 0:
            frame = mpeg_header(head, at)
            if frame is not None and at + frame.size_bytes + 4 <= len(head):
                frame = mpeg_header(head, at + frame.size_bytes)  # a tag may hold what looks like a frame, but not two
            if frame is not None:
                return (self._bytes - at) / frame.size_bytes * frame.samples / frame.rate_hz
            at = head.find(b"\xff", at + 1)
        return None
