"""Real speech for simulators of speech vendors: espeak-ng out of the wheel espeakng-loader, encoded by PyAV.

A voice is told by its pitch, so that a wrong one is heard, and the sound has the sample rate and format that the vendor
would send. Within a process the same text by the same voice gives the same samples.
"""

from __future__ import annotations

import ctypes
import io
import struct
import zlib
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, cast

import av
import espeakng_loader

WORDS_PER_MIN = 175  # at speed 1
# espeak-ng's pitches, far enough apart to be told by ear and by `pitch_hz`.
PITCHES = tuple(range(0, 100, 9))
LIBRARY_HZ = 22_050

_SYNCHRONOUS, _DONT_EXIT = 2, 0x8000
_UTF8, _SSML = 1, 0x10
_RATE, _PITCH = 1, 3
_OnAudio = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_OnUri = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p)
_ON_URI = _OnUri(lambda kind, uri, base: 1)  # SSML's <audio src> would open any file of this machine

# format -> container, codec, bit rate, options of the container; PyAV's wheel has no Vorbis
ENCODERS: dict[str, tuple[str, str, int | None, dict[str, str]]] = {
    "mp3": ("mp3", "libmp3lame", 48_000, {"write_xing": "0", "id3v2_version": "0"}),
    "opus": ("ogg", "libopus", 32_000, {}),
    "aac": ("adts", "aac", 48_000, {}),
    "m4a": ("ipod", "aac", 48_000, {"movflags": "frag_keyframe+empty_moov"}),
    "flac": ("flac", "flac", None, {}),
    "mulaw": ("mulaw", "pcm_mulaw", None, {}),
    "alaw": ("alaw", "pcm_alaw", None, {}),
    "mulaw_wav": ("wav", "pcm_mulaw", None, {}),
    "alaw_wav": ("wav", "pcm_alaw", None, {}),
}


@dataclass(frozen=True, slots=True)
class Said:
    """What is to be heard. `voice` is the vendor's name for it; `language` espeak-ng's."""

    text: str
    voice: str
    format: str  # a key of ENCODERS, or pcm, or wav
    rate_hz: int
    speed: float = 1.0
    is_ssml: bool = False
    language: str = "en-us"


@lru_cache(maxsize=64)
def speech(said: Said) -> bytes:
    """Return the whole audio; text that has no sound gives a tenth of a second of silence."""
    spoken = _spoken(said.text, said.voice, said.speed, said.is_ssml, said.language)
    samples = _resampled(spoken, said.rate_hz) or b"\0\0" * (said.rate_hz // 10)
    if said.format == "pcm":
        return samples
    if said.format == "wav":
        return _wav(samples, said.rate_hz)
    return _encoded(samples, said.format, said.rate_hz)


def pitch_of(voice: str) -> int:
    """Return espeak-ng's pitch for a vendor's voice: always the same, and for a few voices hardly ever another's."""
    return PITCHES[zlib.crc32(voice.encode()) % len(PITCHES)]


def chunked(audio: bytes, size: int) -> tuple[bytes, ...]:
    """Return the audio in the pieces in which it is streamed."""
    return tuple(audio[at : at + size] for at in range(0, len(audio), size))


@cache
def _library() -> Any:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), _DONT_EXIT)
    if rate_hz != LIBRARY_HZ:
        raise RuntimeError(f"espeak-ng speaks at {rate_hz} Hz, not {LIBRARY_HZ}")
    library.espeak_ng_SetRandSeed.argtypes = (ctypes.c_long,)
    library.espeak_SetUriCallback(_ON_URI)
    return library


@lru_cache(maxsize=64)
def _spoken(text: str, voice: str, speed: float, is_ssml: bool, language: str) -> bytes:
    library, pieces = _library(), bytearray()

    def keep(samples: Any, count: int, events: int | None) -> int:
        if count > 0:
            pieces.extend(ctypes.string_at(samples, count * 2))
        return 0

    on_audio, content = _OnAudio(keep), text.encode()
    library.espeak_ng_SetRandSeed(1)
    if library.espeak_SetVoiceByName(language.encode()) != 0:
        raise RuntimeError(f"espeak-ng has no voice {language!r}")
    library.espeak_SetParameter(_RATE, round(WORDS_PER_MIN * speed), 0)
    library.espeak_SetParameter(_PITCH, pitch_of(voice), 0)
    library.espeak_SetSynthCallback(on_audio)
    flags = _UTF8 | (_SSML if is_ssml else 0)
    status = library.espeak_Synth(content, len(content) + 1, 0, 1, 0, flags, None, None)
    if status != 0:
        raise RuntimeError(f"espeak-ng could not speak: error {status}")
    return bytes(pieces)


def _resampled(samples: bytes, rate_hz: int) -> bytes:
    if not samples:
        return b""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)
    frames = [*resampler.resample(_frame(samples, LIBRARY_HZ)), *resampler.resample(None)]
    return b"".join(bytes(frame.planes[0])[: frame.samples * 2] for frame in frames)


def _encoded(samples: bytes, name: str, rate_hz: int) -> bytes:
    container_name, codec, bit_rate, options = ENCODERS[name]
    target = io.BytesIO()
    with av.open(target, "w", format=container_name, options={"fflags": "+bitexact", **options}) as container:
        stream = cast("av.AudioStream", container.add_stream(codec, rate=rate_hz))
        stream.layout = "mono"
        if bit_rate is not None:
            stream.bit_rate = bit_rate
        container.mux(stream.encode(_frame(samples, rate_hz)))
        container.mux(stream.encode(None))
    return target.getvalue()


def _frame(samples: bytes, rate_hz: int) -> av.AudioFrame:
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
    frame.sample_rate = rate_hz
    frame.planes[0].update(samples)
    return frame


def _wav(samples: bytes, rate_hz: int) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16)
    size = struct.pack("<4sI4s", b"RIFF", 36 + len(samples), b"WAVE")
    return size + form + struct.pack("<4sI", b"data", len(samples)) + samples
