"""Read a vendor's answer that has to be audio: its end must be certain, and its bytes what they were asked to be.

What is promised to a client is decided before a request goes out, so an answer that is something else is the vendor's
fault and raises here, while another target can still be tried.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.audio import wav
from gateway.audio.sniff import content_type, sniff
from gateway.errors import UpstreamCut, UpstreamMalformed
from gateway.types import AudioChunk, AudioFormat, Done, Event, UpstreamResponse, Usage

SNIFFED_BYTES = 16  # enough to tell every container; an MP3 or AAC frame is known by its own header alone then

_CONTAINERS = {"opus": "ogg"}  # of a format, where it has another name
_UNMISTAKABLE = frozenset({"wav", "flac", "ogg", "webm", "mp4"})  # four bytes and more: samples do not begin so


def audio_format(name: str, sample_rate_hz: int) -> AudioFormat:
    """Return what is promised to the client: for pcm the Content-Type states the rate, which the bytes do not."""
    return AudioFormat(name, content_type(name, sample_rate_hz), sample_rate_hz)


async def read_audio(response: UpstreamResponse, promised: AudioFormat) -> AsyncIterator[bytes]:
    """Yield the body of an answer as it comes, checked to be `promised`.

    Raises UpstreamMalformed for text, for an end that cannot be told from a cut, and as `checked` does.
    """
    kind = response.headers.get("content-type", "")
    if kind.startswith(("application/json", "text/")):
        raise UpstreamMalformed(f"the vendor answered {kind[:60]!r} where audio was asked for")
    if "content-length" not in response.headers and "chunked" not in response.headers.get("transfer-encoding", ""):
        raise UpstreamMalformed("the vendor's audio has neither length nor chunks: its end cannot be told from a cut")
    async for chunk in checked(response.chunks, promised):
        yield chunk


async def checked(chunks: AsyncIterator[bytes], promised: AudioFormat) -> AsyncIterator[bytes]:
    """Pass audio on; where pcm was promised and a WAV header comes, take it off.

    Raises UpstreamMalformed where the bytes are another format or rate, UpstreamCut where half a sample is left over.
    """
    start = b""
    async for chunk in chunks:
        start += chunk
        if len(start) >= SNIFFED_BYTES:
            break
    if not start:
        return
    found = sniff(start[:SNIFFED_BYTES])
    _check_start(start, found, promised.name)
    rest = _joined(start, chunks)
    if promised.name == "pcm":
        rest = _samples(_without_header(rest, promised) if found == "wav" else rest)
    async for chunk in rest:
        yield chunk


async def audio_events(chunks: AsyncIterator[bytes], promised: AudioFormat, usage: Usage) -> AsyncIterator[Event]:
    """Yield the audio, what it took, and the end. Raises UpstreamCut where there is none."""
    is_first = True
    async for chunk in chunks:
        if chunk:
            yield AudioChunk(chunk, promised if is_first else None)
            is_first = False
    if is_first:
        raise UpstreamCut("the vendor's answer holds no audio")
    yield usage
    yield Done()


def _check_start(start: bytes, found: str | None, name: str) -> None:
    if name == "pcm":
        is_wrong = found in _UNMISTAKABLE - {"wav"} or start.startswith((b'{"', b"{\n", b"<!", b"<h", b"<?"))
    else:
        is_wrong = found != _CONTAINERS.get(name, name)
    if is_wrong:
        raise UpstreamMalformed(f"the vendor sent {found or 'something that is no audio'} where {name} was asked for")


async def _joined(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for chunk in rest:
        yield chunk


async def _without_header(chunks: AsyncIterator[bytes], promised: AudioFormat) -> AsyncIterator[bytes]:
    stripper = wav.Stripper()
    is_checked = False
    try:
        async for chunk in chunks:
            samples = stripper.feed(chunk)
            if stripper.wav is not None and not is_checked:
                _check_layout(stripper.wav, promised)
                is_checked = True
            if samples:
                yield samples
    except wav.NotWav as error:
        raise UpstreamMalformed(f"the vendor's WAV header {error}") from error


def _check_layout(header: wav.Wav, promised: AudioFormat) -> None:
    wanted = ("pcm", promised.sample_rate_hz, 1, 16)
    if (header.encoding, header.sample_rate_hz, header.channels, header.bits_per_sample) != wanted:
        raise UpstreamMalformed(
            f"the vendor sent {header.bits_per_sample} bit {header.encoding} at {header.sample_rate_hz} Hz where 16 bit"
            f" pcm at {promised.sample_rate_hz} Hz was asked for"
        )


async def _samples(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        yield chunk
    if size % 2:
        raise UpstreamCut("the vendor's audio ends within a sample")
