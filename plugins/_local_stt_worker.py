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
_GUESS_S = 1.0  # between two results that may change; each is all of the utterance anew
_MAX_UTTERANCE_S = 20.0  # so that something is sent now and then, and the search stays small

# Words of the model that are no words: silence, noises, ends of sentences.
_FILLERS = ("<", "[", "+")


def work(request: Mapping[str, Any], payload: Any) -> Iterator[dict[str, Any] | bytes]:
    """Answer a form with `file` and `max_duration_s` by a line of JSON an utterance, and a last one with `duration_s`.

    A live session comes in pieces, A and samples or F; its lines say as well what is final. Raises InvalidRequest for
    what is not audio, is cut, or is too long.
    """
    if request["url"] == "local:/listen":
        yield {"status": 200, "headers": {"content-type": "application/x-ndjson"}}
        yield from live(json.loads(request["headers"]["x-session"]), payload)
        return
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


# ---------------------------------------------------------------- live


def live(asked: Mapping[str, Any], pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a line for each utterance once it ends, and where that is asked for what it seems to be until then."""
    _decoder().reinit_feat()
    resampler = Resampler(asked["sample_rate_hz"], RATE_HZ)
    ear = _Ear(is_interim=asked["interim"])
    for piece in pieces:
        if piece[:1] == b"F":
            yield from ear.flush(is_asked=True)
        else:
            yield from ear.hear(resampler.feed(piece[1:]))
    yield from ear.hear(resampler.flush())
    yield from ear.flush(is_asked=False)
    yield _line({"duration_s": round(ear.seconds, 3)})


class _Ear:
    """Cuts what comes in into utterances, by where somebody speaks."""

    def __init__(self, *, is_interim: bool) -> None:
        from pocketsphinx import Vad

        self._vad = Vad(mode=Vad.LOOSE, sample_rate=RATE_HZ, frame_length=_VAD_FRAME_S)
        self._is_interim = is_interim
        self._held = bytearray()  # of an utterance, or of the silence before one
        self._begins_s = 0.0  # of what is held
        self._seen = 0  # bytes of it in which speech was looked for
        self._speech_s: tuple[float, float] | None = None  # where somebody spoke in it
        self._told_s = 0.0
        self._guessed_s = 0.0

    @property
    def seconds(self) -> float:
        return self._begins_s + len(self._held) / _BYTES_PER_S

    def hear(self, pcm: bytes) -> Iterator[bytes]:
        self._held += pcm
        frame_bytes = self._vad.frame_bytes
        while self._seen + frame_bytes <= len(self._held):
            frame = bytes(self._held[self._seen : self._seen + frame_bytes])
            at_s = self._begins_s + self._seen / _BYTES_PER_S
            self._seen += frame_bytes
            if self._vad.is_speech(frame):
                began_s = at_s if self._speech_s is None else self._speech_s[0]
                self._speech_s = began_s, at_s + frame_bytes / _BYTES_PER_S
            elif self._speech_s is None:
                self._forget(at_s - _PAD_S)
            if self._speech_s is not None and self._is_over(at_s):
                yield from self._told(is_end=True, is_flushed=False)
        if self._is_interim and self._speech_s is not None and self.seconds - self._guessed_s >= _GUESS_S:
            self._guessed_s = self.seconds
            words = _recognise(bytes(self._held), self._begins_s)
            yield self._said(words, is_final=False, is_end=False, is_flushed=False)

    def flush(self, *, is_asked: bool) -> Iterator[bytes]:
        if self._speech_s is not None or is_asked or self.seconds > self._told_s:
            yield from self._told(is_end=not is_asked, is_flushed=is_asked)

    def _is_over(self, at_s: float) -> bool:
        assert self._speech_s is not None
        return at_s - self._speech_s[1] > _GAP_S or at_s - self._speech_s[0] > _MAX_UTTERANCE_S

    def _told(self, *, is_end: bool, is_flushed: bool) -> Iterator[bytes]:
        words = _recognise(bytes(self._held), self._begins_s) if self._speech_s is not None else []
        yield self._said(words, is_final=True, is_end=is_end and bool(words), is_flushed=is_flushed)
        self._speech_s = None
        self._told_s = self.seconds
        self._forget(self.seconds)

    def _said(self, words: list[tuple[str, float, float]], *, is_final: bool, is_end: bool, is_flushed: bool) -> bytes:
        return _line(
            {
                "words": words,
                "start_s": round(self._told_s, 3),
                "length_s": round(self.seconds - self._told_s, 3),
                "final": is_final,
                "end": is_end,
                "flushed": is_flushed,
            }
        )

    def _forget(self, until_s: float) -> None:
        count = int((until_s - self._begins_s) * RATE_HZ) * 2
        if count > 0:
            count = min(count, len(self._held))
            del self._held[:count]
            self._seen = max(0, self._seen - count)
            self._begins_s += count / _BYTES_PER_S


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
