"""A recording as samples, and where it is quiet: decoded by PyAV in a subprocess (gateway/worker.py).

What comes out is told by gateway/audio/records.py. No more than a second of it is in memory.
"""

from __future__ import annotations

import sys
import tempfile
from array import array
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.audio.records import PLACE, RATE_HZ, RECORD
from gateway.errors import UpstreamError

try:
    import av
except ImportError:  # who asks has looked before
    av = None  # type: ignore[assignment]

WINDOW = RATE_HZ // 50  # 20 ms: shorter than any sound of a language
RUN = 10  # windows: a pause of 200 ms is one between words, not within one
MAX_BAD_PACKETS = 10  # and one of a hundred: more is no recording with a tag, but something else
_SPOOL_BYTES = 1_048_576
_PIECE_BYTES = 65_536


class Undecodable(UpstreamError):
    """The recording cannot be decoded here."""

    status = 400
    code = "invalid_request"
    blame = "client"
    can_fail_over = False


def work(request: Mapping[str, Any], payload: Iterator[bytes]) -> Iterator[dict[str, Any] | bytes]:
    """Yield the records of a recording. Raises Undecodable."""
    yield {"status": 200, "headers": {}}
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as file:  # some containers have their index at the end
        for piece in payload:
            file.write(piece)
        file.seek(0)
        quiet = _Quiet()
        for samples in _decoded(file):
            for at in range(0, len(samples), _PIECE_BYTES):
                piece = samples[at : at + _PIECE_BYTES]
                yield RECORD.pack(b"S", len(piece)) + piece
            if places := b"".join(PLACE.pack(*place) for place in quiet.feed(samples)):
                yield RECORD.pack(b"Q", len(places)) + places


def _decoded(file: Any) -> Iterator[bytes]:
    try:
        with av.open(file, "r", metadata_errors="ignore") as container:
            mono = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
            for frame in _frames(container):
                for part in mono.resample(frame):
                    yield bytes(part.planes[0])[: part.samples * 2]
    except (av.error.FFmpegError, IndexError) as error:
        raise Undecodable(f"the recording cannot be decoded: {error}") from error


def _frames(container: Any) -> Iterator[Any]:
    """Yield the frames, and None as the end. What stands between them, as tags of players do, is passed over."""
    good = bad = 0
    for packet in container.demux(container.streams.audio[0]):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            bad += 1
            if bad > MAX_BAD_PACKETS + good // 100:
                raise
            continue
        good += 1
        yield from frames
    if not good:
        raise Undecodable("the recording holds no sound")
    yield None


class _Quiet:
    """Finds in each second of sound the middle of its quietest run of windows."""

    def __init__(self) -> None:
        self._half = array("h")
        self._levels: list[int] = []  # of the windows from `_from` on
        self._from = 0

    def feed(self, pcm: bytes) -> Iterator[tuple[float, int]]:
        """Yield (seconds, level) of each second that is complete. A level is the span between the extremes, halved."""
        samples = array("h", pcm)
        if sys.byteorder == "big":
            samples.byteswap()
        self._half += samples
        whole = len(self._half) // WINDOW * WINDOW
        for at in range(0, whole, WINDOW):
            window = self._half[at : at + WINDOW]
            self._levels.append((max(window) - min(window)) // 2)
        del self._half[:whole]
        while len(self._levels) >= 50 + RUN:
            runs = [max(self._levels[at : at + RUN]) for at in range(50)]
            at = min(range(50), key=runs.__getitem__)
            yield (self._from + at + RUN / 2) * WINDOW / RATE_HZ, runs[at]
            del self._levels[:50]
            self._from += 50
