"""Make audio of one format and rate out of another while it comes in; runs in a subprocess (gateway/worker.py).

PyAV (FFmpeg) decodes, resamples and encodes. Without it PCM and WAV are still resampled, by the standard library. Mono,
16 bit, in and out: that is what voices make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from gateway.audio import wav
from gateway.audio.resample import Resampler
from gateway.errors import UpstreamMalformed

try:
    import av
except ImportError:
    HAS_CODECS = False
else:
    HAS_CODECS = True

FRAME_SAMPLES = 1_024  # encoded at once: 43 ms at 24 kHz, which is what a listener waits for
# format -> codec, container, bit rate at which mono speech leaves nothing to be heard, options of the container, which
# cannot go back to fill anything in
_ENCODERS: Mapping[str, tuple[str, str, int | None, Mapping[str, str]]] = {
    "mp3": ("libmp3lame", "mp3", 64_000, {"write_xing": "0", "id3v2_version": "0"}),
    "opus": (
        "libopus",
        "ogg",
        32_000,
        {"page_duration": "100000"},
    ),  # µs; its own second delays the first sound
    "aac": ("aac", "adts", 64_000, {}),
    "flac": ("flac", "flac", None, {}),
}
_DEMUXERS = {"mp3": "mp3", "opus": "ogg", "aac": "aac", "flac": "flac", "wav": "wav"}
# Little is looked at before decoding starts: the format is known, and who waits for more hears silence.
_QUICKLY = {"probesize": "4096", "analyzeduration": "0"}


def work(request: Mapping[str, Any], payload: Iterator[bytes]) -> Iterator[dict[str, Any] | bytes]:
    """Yield {source, source_hz} as {wanted, wanted_hz}. Raises UpstreamMalformed for what cannot be decoded."""
    yield {"status": 200, "headers": {}}
    samples = _resampled(_decoded(payload, request["source"], request["source_hz"]), request["wanted_hz"])
    if request["wanted"] in _ENCODERS:
        yield from _encoded(samples, request["wanted"], request["wanted_hz"])
    elif request["wanted"] == "wav":
        yield from _with_header(samples, request["wanted_hz"])
    else:
        yield from samples


_Sound = Iterator[tuple[int, bytes]]  # pieces of s16le mono with their rate


def _decoded(pieces: Iterator[bytes], name: str, rate_hz: int) -> _Sound:
    if name == "pcm":
        return ((rate_hz, piece) for piece in _whole_samples(pieces))
    if name == "wav":
        return _unwrapped(pieces)
    return _demuxed(pieces, name)


def _whole_samples(pieces: Iterator[bytes]) -> Iterator[bytes]:
    half = b""
    for piece in pieces:
        data = half + piece
        whole = len(data) // 2 * 2
        half = data[whole:]
        if whole:
            yield data[:whole]
    if half:
        raise UpstreamMalformed("the vendor's audio ends within a sample")


def _unwrapped(pieces: Iterator[bytes]) -> _Sound:
    """The usual WAV needs its header off and no more; FFmpeg would wait for more of it before it begins."""
    start = b""
    try:
        while (head := wav.parse(start)) is None:
            start += next(pieces, None) or _ended(start)
    except wav.NotWav as error:
        raise UpstreamMalformed(f"the vendor's WAV {error}") from error
    whole = chain((start,), pieces)
    if _is_plain(head):
        stripper = wav.Stripper()
        for samples in _whole_samples(stripper.feed(piece) for piece in whole):
            yield head.sample_rate_hz, samples
    elif HAS_CODECS:
        yield from _demuxed(whole, "wav")
    else:
        raise UpstreamMalformed("the vendor's WAV is not 16 bit PCM in one channel, for which PyAV is needed")


def _ended(start: bytes) -> bytes:
    raise UpstreamMalformed(f"the vendor's WAV ends within its header, after {len(start)} bytes")


def _is_plain(head: wav.Wav) -> bool:
    return (head.encoding, head.channels, head.bits_per_sample) == ("pcm", 1, 16)


class _Pipe:
    """A file that can only be read, and whose bytes come in pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def read(self, size: int) -> bytes:
        if not self._held:
            self._held = next(self._pieces, b"")
        taken, self._held = self._held[:size], self._held[size:]
        return taken


def _demuxed(pieces: Iterator[bytes], name: str) -> _Sound:
    try:
        with av.open(_Pipe(pieces), "r", format=_DEMUXERS[name], options=_QUICKLY, buffer_size=4096) as container:
            mono: Any = None
            for frame in container.decode(audio=0):
                if mono is None:
                    mono = av.AudioResampler(format="s16", layout="mono", rate=frame.sample_rate)
                for part in mono.resample(frame):
                    yield part.sample_rate, bytes(part.planes[0])[: part.samples * 2]
    except (av.error.FFmpegError, IndexError) as error:
        raise UpstreamMalformed(f"the vendor's {name} cannot be decoded: {error}") from error


def _with_header(samples: Iterator[bytes], rate_hz: int) -> Iterator[bytes]:
    """The header goes with the first sound: alone it would pass for content."""
    header = wav.header(rate_hz)
    for piece in samples:
        yield header + piece
        header = b""


def _resampled(sound: _Sound, wanted_hz: int) -> Iterator[bytes]:
    change: Callable[[bytes | None], bytes] | None = None
    source_hz = 0
    for rate_hz, samples in sound:
        if change is None:
            source_hz, change = rate_hz, _resampler(rate_hz, wanted_hz)
        elif rate_hz != source_hz:
            raise UpstreamMalformed(f"the vendor's audio goes over from {source_hz} to {rate_hz} Hz")
        if made := change(samples):
            yield made
    if change is None:
        raise UpstreamMalformed("the vendor's audio holds no sound")
    if made := change(None):
        yield made


def _resampler(source_hz: int, wanted_hz: int) -> Callable[[bytes | None], bytes]:
    """Return what changes pieces, and gives the rest for None."""
    if source_hz == wanted_hz:
        return lambda samples: samples or b""
    if not HAS_CODECS:
        plain = Resampler(source_hz, wanted_hz)
        return lambda samples: plain.flush() if samples is None else plain.feed(samples)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=wanted_hz)

    def change(samples: bytes | None) -> bytes:
        frames = resampler.resample(None if samples is None else _frame(samples, source_hz))
        return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)

    return change


def _frame(samples: bytes, rate_hz: int) -> Any:
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
    frame.sample_rate = rate_hz
    frame.planes[0].update(samples)
    return frame


class _Sink:
    """A file that can only be written, in pieces to be taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken


def _encoded(samples: Iterator[bytes], name: str, rate_hz: int) -> Iterator[bytes]:
    codec, container, bit_rate, options = _ENCODERS[name]
    sink = _Sink()
    with av.open(sink, "w", format=container, options={**options, "flush_packets": "1"}) as output:
        stream: Any = output.add_stream(codec, rate=rate_hz, layout="mono")
        if bit_rate:
            stream.bit_rate = bit_rate
        for piece in _grouped(samples):
            for packet in stream.encode(_frame(piece, rate_hz)):
                output.mux(packet)
            if made := sink.take():
                yield made
        for packet in stream.encode(None):
            output.mux(packet)
    yield sink.take()


def _grouped(samples: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces of a size for which an encoder's call is worth its cost."""
    held = b""
    for piece in samples:
        held += piece
        while len(held) >= 2 * FRAME_SAMPLES:
            yield held[: 2 * FRAME_SAMPLES]
            held = held[2 * FRAME_SAMPLES :]
    if held:
        yield held
