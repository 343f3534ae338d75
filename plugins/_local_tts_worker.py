"""What local_tts runs in its subprocess: espeak-ng speaks, PyAV encodes, and both stream.

The library comes with the wheel espeakng-loader 0.2.4 (espeak-ng 1.52.0, GPL-3, hence a process of its own); functions
are those of its speak_lib.h. It works synchronously and calls back with 60 ms of sound at a time, hence a thread.
"""

from __future__ import annotations

import ctypes
import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from gateway.audio import wav
from gateway.audio.resample import Resampler
from gateway.audio.sniff import content_type
from gateway.errors import InvalidRequest

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: espeak_Synth returns when everything was said
_DONT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT
_UTF8, _SSML = 1, 0x10
_RATE = 1  # espeakRATE, words a minute
_NORMAL_WPM = 160  # as people read aloud; the library's own 175 is hurried
_SLOWEST_WPM = 80  # below it espeak-ng stays there, silently
_QUEUED_PIECES = 64  # 60 ms each: the library waits for whoever reads
_HELD_BYTES = 240_000  # 5 s at 24 kHz, made in milliseconds: a WAV that ends within it gets a header with exact sizes
_FRAME_SAMPLES = 4096  # given to a resampler or an encoder at once: below it their cost a call is felt

# codec, container and their options; bit rates are those at which mono speech at 24 kHz leaves nothing to be heard
_ENCODERS: Mapping[str, tuple[str, str, int | None, Mapping[str, str]]] = {
    "mp3": (
        "libmp3lame",
        "mp3",
        64_000,
        {"write_xing": "0", "id3v2_version": "0"},
    ),  # a stream cannot go back to fill them
    "opus": (
        "libopus",
        "ogg",
        32_000,
        {"page_duration": "100000"},
    ),  # µs; the muxer's own second delays the first sound
    "aac": ("aac", "adts", 64_000, {}),
    "flac": ("flac", "flac", None, {}),
}

_OnAudio = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_OnUri = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p)


def work(request: Mapping[str, Any], payload: bytes) -> Iterator[dict[str, Any] | bytes]:
    """Speak {text, voice, speed, is_ssml, format, sample_rate_hz}. Raises InvalidRequest for an unknown voice."""
    wish = json.loads(payload)
    espeak, name, rate_hz = _espeak(), wish["format"], wish["sample_rate_hz"]
    espeak.choose(wish["voice"], wish["speed"])
    headers = {"content-type": content_type(name, rate_hz), "x-sample-rate": str(rate_hz)}
    yield {"status": 200, "headers": headers}
    sound = _slowed(espeak, espeak.say(wish["text"], is_ssml=wish["is_ssml"]), wish["speed"])
    if name in _ENCODERS:
        yield from _encoded(sound, espeak.rate_hz, name, rate_hz)
    elif name == "wav":
        yield from _with_header(_resampled(sound, espeak.rate_hz, rate_hz), rate_hz)
    else:
        yield from _resampled(sound, espeak.rate_hz, rate_hz)


class _Voice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("languages", ctypes.c_char_p), ("identifier", ctypes.c_char_p))


class Espeak:
    """The library, loaded once a process."""

    def __init__(self, library: str, data: str) -> None:
        self.library = ctypes.CDLL(library)
        self.library.espeak_GetCurrentVoice.restype = ctypes.POINTER(_Voice)
        self.rate_hz = 0
        self._data = data
        # SSML's <audio src> would open any file of this machine: 1 means "speak the alternative text instead".
        self._on_uri = _OnUri(lambda kind, uri, base: 1)

    def choose(self, voice: str, speed: float) -> None:
        """Set voice and rate, and nothing of the call before. Raises InvalidRequest."""
        self._reset()
        status = self.library.espeak_SetVoiceByName(voice.encode())
        _, plus, variant = voice.partition("+")
        identifier = self.library.espeak_GetCurrentVoice().contents.identifier.decode()
        if status != 0 or not identifier.endswith(plus + variant):  # an unknown variant is not an error to the library
            raise InvalidRequest(f"espeak-ng has no voice '{voice}'", param="voice")
        self.library.espeak_SetParameter(_RATE, round(_NORMAL_WPM * max(speed, _SLOWEST_WPM / _NORMAL_WPM)), 0)

    def _reset(self) -> None:
        """Initialise anew, in 0.3 ms: an SSML element that was never closed would hold for whoever comes next."""
        self.rate_hz = self.library.espeak_Initialize(_SYNCHRONOUS, 0, self._data.encode(), _DONT_EXIT)
        if self.rate_hz <= 0:
            raise RuntimeError(f"espeak-ng finds no voices in {self._data}")
        self.library.espeak_SetUriCallback(self._on_uri)

    def say(self, text: str, *, is_ssml: bool) -> Iterator[bytes]:
        """Yield s16le mono at `rate_hz` while it is made."""
        pieces: queue.Queue[bytes | int] = queue.Queue(_QUEUED_PIECES)

        def keep(samples: Any, count: int, events: int | None) -> int:
            if count > 0:
                pieces.put(ctypes.string_at(samples, count * 2))
            return 0

        on_audio, content = _OnAudio(keep), text.encode()

        def speak() -> None:
            self.library.espeak_SetSynthCallback(on_audio)
            flags = _UTF8 | (_SSML if is_ssml else 0)
            pieces.put(self.library.espeak_Synth(content, len(content) + 1, 0, 1, 0, flags, None, None))

        threading.Thread(target=speak, daemon=True).start()
        while isinstance(piece := pieces.get(), bytes):
            yield piece
        if piece != 0:
            raise RuntimeError(f"espeak-ng could not speak: error {piece}")


@lru_cache(maxsize=1)
def _espeak() -> Espeak:
    import espeakng_loader

    return Espeak(espeakng_loader.get_library_path(), espeakng_loader.get_data_path())


def _slowed(espeak: Espeak, sound: Iterator[bytes], speed: float) -> Iterator[bytes]:
    """Stretch what is to be slower than espeak-ng can speak, with the sonic library that it carries."""
    factor = speed * _NORMAL_WPM / _SLOWEST_WPM
    if factor >= 1:
        yield from sound
        return
    library = espeak.library
    library.sonicCreateStream.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(library.sonicCreateStream(espeak.rate_hz, 1))
    library.sonicSetSpeed(stream, ctypes.c_float(factor))
    buffer = ctypes.create_string_buffer(2 * _FRAME_SAMPLES)
    for piece in sound:
        library.sonicWriteShortToStream(stream, piece, len(piece) // 2)
        while count := library.sonicReadShortFromStream(stream, buffer, _FRAME_SAMPLES):
            yield buffer.raw[: count * 2]
    library.sonicFlushStream(stream)
    while count := library.sonicReadShortFromStream(stream, buffer, _FRAME_SAMPLES):
        yield buffer.raw[: count * 2]
    library.sonicDestroyStream(stream)


def _with_header(samples: Iterator[bytes], rate_hz: int) -> Iterator[bytes]:
    held = b""
    for piece in samples:
        held += piece
        if len(held) >= _HELD_BYTES:
            yield wav.header(rate_hz) + held
            yield from samples
            return
    yield wav.wrap(held, rate_hz)


def _resampled(sound: Iterator[bytes], source_hz: int, target_hz: int) -> Iterator[bytes]:
    change, flush = _av_resampler(source_hz, target_hz) or _plain_resampler(source_hz, target_hz)
    for piece in _grouped(sound):
        if samples := change(piece):
            yield samples
    yield flush()


def _plain_resampler(source_hz: int, target_hz: int) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    resampler = Resampler(source_hz, target_hz)
    return resampler.feed, resampler.flush


def _av_resampler(source_hz: int, target_hz: int) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]] | None:
    """PyAV's resampler filters properly; None where it is not installed."""
    try:
        import av
    except ImportError:
        return None
    resampler = av.AudioResampler(format="s16", layout="mono", rate=target_hz)

    def change(pcm: bytes | None) -> bytes:
        frames = resampler.resample(None if pcm is None else _av_frame(pcm, source_hz))
        return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)

    return change, lambda: change(None)


def _av_frame(pcm: bytes, rate_hz: int) -> Any:
    import av

    frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
    frame.sample_rate = rate_hz
    frame.planes[0].update(pcm)
    return frame


class _Sink:
    """A file that can only be written, in pieces to be taken: to an encoder, a stream."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken


def _encoded(sound: Iterator[bytes], source_hz: int, name: str, rate_hz: int) -> Iterator[bytes]:
    import av

    codec, container, bit_rate, options = _ENCODERS[name]
    sink = _Sink()
    with av.open(sink, "w", format=container, options={**options, "flush_packets": "1"}) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout="mono")
        assert isinstance(stream, av.AudioStream)
        if bit_rate:
            stream.bit_rate = bit_rate
        for pcm in _grouped(sound):
            for packet in stream.encode(_av_frame(pcm, source_hz)):
                output.mux(packet)
            if encoded := sink.take():
                yield encoded
        for packet in stream.encode(None):
            output.mux(packet)
    yield sink.take()


def _grouped(sound: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for piece in sound:
        held += piece
        if len(held) >= 2 * _FRAME_SAMPLES:
            yield held
            held = b""
    if held:
        yield held
