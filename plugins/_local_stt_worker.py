"""What local_stt runs in its subprocess: PyAV decodes, pocketsphinx recognises, each utterance is sent when known.

Without PyAV integer PCM in WAV is read by the standard library. The recording is decoded whole before anything is
answered (19 MB for ten minutes), because a broken or too long file has to be refused, not cut short.
"""

from __future__ import annotations

import io
import json
import sys
from array import array
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

from gateway.audio import wav
from gateway.audio.resample import Resampler
from gateway.audio.sniff import SNIFF_BYTES, sniff
from gateway.errors import InvalidRequest

RATE_HZ = 16_000  # what the model was trained on
_BYTES_PER_S = 2 * RATE_HZ
_BLOCK_BYTES = 65_536
_FRAMES_PER_S = 100  # the decoder's
_CUT_S = 0.25  # a file this much shorter than its header says was cut; encoders' padding stays below

_VAD_FRAME_S = 0.03
_PAD_S = 0.3  # of silence around an utterance: without it the first word suffers most
_GAP_S = 0.6  # of silence that ends an utterance
_MAX_UTTERANCE_S = 20.0  # so that something is sent now and then, and the search stays small

# Words of the model that are no words: silence, noises, ends of sentences.
_FILLERS = ("<", "[", "+")


def work(request: Mapping[str, Any], payload: bytes) -> Iterator[dict[str, Any] | bytes]:
    """Answer a form with `file` and `max_duration_s` by a line of JSON an utterance, and a last one with `duration_s`.

    Raises InvalidRequest for what is not audio, is cut, or is too long.
    """
    fields = dict(request["fields"])
    pcm = decode(payload, float(fields["max_duration_s"]))
    yield {"status": 200, "headers": {"content-type": "application/x-ndjson"}}
    _decoder().reinit_feat()  # forget the last caller's microphone, to which it has adapted
    for start_s, end_s in utterances(pcm):
        words = _recognise(pcm[_byte(start_s) : _byte(end_s)], start_s)
        if words:
            yield _line({"words": words})
    yield _line({"duration_s": round(len(pcm) / _BYTES_PER_S, 3)})


# ---------------------------------------------------------------- decoding


def decode(content: bytes, max_duration_s: float) -> bytes:
    """Return the recording as s16le mono at RATE_HZ. Raises InvalidRequest."""
    container = sniff(content[:SNIFF_BYTES])
    if container is None:
        raise _refused("is not audio of a known kind; send wav, mp3, flac, ogg, webm, mp4 or aac")
    try:
        import av
    except ImportError:
        pieces = _wav_pieces(content, container)
    else:
        pieces = _av_pieces(content, av)
    pcm = bytearray()
    for piece in pieces:
        pcm += piece
        if len(pcm) > max_duration_s * _BYTES_PER_S:
            raise _refused(f"lasts longer than {max_duration_s:g} s; send less, or raise the option max_duration_s")
    return bytes(pcm)


def _av_pieces(content: bytes, av: Any) -> Iterator[bytes]:
    _refuse_cut_wav(content)
    seconds = 0.0
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    try:
        with av.open(io.BytesIO(content), metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise _refused("holds no audio")
            stated_s = (container.duration or 0) / av.time_base
            for frame in container.decode(audio=0):
                seconds += frame.samples / frame.sample_rate
                yield from _samples(resampler.resample(frame))
        yield from _samples(resampler.resample(None))
    except av.error.FFmpegError as error:
        raise _refused(f"cannot be decoded after {seconds:.1f} s: {error.strerror}") from error
    if seconds == 0:
        raise _refused("holds no sound")
    if seconds < stated_s - _CUT_S:
        raise _refused(f"breaks off after {seconds:.1f} s of {stated_s:.1f} s")


def _samples(frames: list[Any]) -> Iterator[bytes]:
    for frame in frames:
        yield bytes(frame.planes[0])[: frame.samples * 2]


def _refuse_cut_wav(content: bytes) -> None:
    """FFmpeg takes a WAV's length from the file where the header says more; nobody else would say that it was cut."""
    if sniff(content[:SNIFF_BYTES]) != "wav":
        return
    try:
        info = wav.parse(content)
    except wav.NotWav as error:
        raise _refused(str(error)) from error
    if info is None:
        raise _refused("ends within its header")
    stated = info.data_bytes or 0
    if len(content) - info.data_offset < stated - _CUT_S * info.bytes_per_s:
        raise _refused(f"breaks off: its header promises {stated} bytes, {len(content) - info.data_offset} are there")


def _wav_pieces(content: bytes, container: str) -> Iterator[bytes]:
    """Integer PCM in WAV, any width, rate and number of channels, without PyAV."""
    if container != "wav":
        raise _refused(f"is {container}, for which PyAV has to be installed; send wav")
    _refuse_cut_wav(content)
    info, data = wav.strip(content)
    width = info.bits_per_sample // 8
    if info.encoding != "pcm":
        raise _refused(f"is wav with {info.encoding} samples, for which PyAV has to be installed; send 16-bit PCM")
    resampler = Resampler(info.sample_rate_hz, RATE_HZ)
    block = _BLOCK_BYTES // (width * info.channels) * width * info.channels
    for at in range(0, len(data), block):
        yield resampler.feed(_mono(_to_s16(data[at : at + block], width), info.channels))
    yield resampler.flush()


def _to_s16(data: bytes, width: int) -> array[int]:
    """The two most significant bytes of each sample; 8-bit samples are unsigned."""
    data = data[: len(data) // width * width]
    if width == 1:
        return array("h", ((value - 128) << 8 for value in data))
    top = bytearray(len(data) // width * 2)
    top[0::2], top[1::2] = data[width - 2 :: width], data[width - 1 :: width]
    samples = array("h", bytes(top))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _mono(samples: array[int], channels: int) -> bytes:
    if channels > 1:
        whole = len(samples) // channels * channels
        samples = array("h", (sum(samples[at : at + channels]) // channels for at in range(0, whole, channels)))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def _refused(reason: str) -> InvalidRequest:
    return InvalidRequest(f"the recording {reason}", param="file")


# ---------------------------------------------------------------- recognition


def utterances(pcm: bytes) -> list[tuple[float, float]]:
    """Return where speech starts and ends, in seconds, some silence around it included; nothing where there is none."""
    from pocketsphinx import Vad

    vad = Vad(mode=Vad.LOOSE, sample_rate=RATE_HZ, frame_length=_VAD_FRAME_S)
    frame_bytes, frame_s = vad.frame_bytes, vad.frame_bytes / _BYTES_PER_S
    found: list[tuple[float, float]] = []
    for number in range(len(pcm) // frame_bytes):
        if not vad.is_speech(pcm[number * frame_bytes : (number + 1) * frame_bytes]):
            continue
        start_s = number * frame_s
        if found and start_s - found[-1][1] <= _GAP_S and start_s - found[-1][0] < _MAX_UTTERANCE_S:
            found[-1] = (found[-1][0], start_s + frame_s)
        else:
            found.append((start_s, start_s + frame_s))
    return _padded(found, len(pcm) / _BYTES_PER_S)


def _padded(found: list[tuple[float, float]], duration_s: float) -> list[tuple[float, float]]:
    """Neighbours share the silence between them: nothing is heard twice."""
    edges = [0.0, *((one[1] + other[0]) / 2 for one, other in pairwise(found)), duration_s]
    return [
        (max(start_s - _PAD_S, edges[number]), min(end_s + _PAD_S, edges[number + 1]))
        for number, (start_s, end_s) in enumerate(found)
    ]


@lru_cache(maxsize=1)
def _decoder() -> Any:
    """The en-us model that the wheel carries; it takes 0.3 s to load, once a process."""
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL")


def _recognise(pcm: bytes, start_s: float) -> list[tuple[str, float, float]]:
    """Return (word, start, end) in seconds of the recording. How sure it is, it cannot say: it is always sure."""
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)  # whole: levels are normalised over all of it
    decoder.end_utt()
    if decoder.hyp() is None:
        return []
    return [
        (
            segment.word.partition("(")[0],  # "the(2)" is the second pronunciation of "the"
            round(start_s + segment.start_frame / _FRAMES_PER_S, 2),
            round(start_s + (segment.end_frame + 1) / _FRAMES_PER_S, 2),
        )
        for segment in decoder.seg()
        if not segment.word.startswith(_FILLERS)
    ]


def _byte(seconds: float) -> int:
    return int(seconds * RATE_HZ) * 2


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
