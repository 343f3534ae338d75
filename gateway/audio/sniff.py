"""Say what audio bytes are, from the bytes alone: a file's name and declared type are only claims."""

from __future__ import annotations

from gateway.audio.frames import adts_header, mpeg_header

SNIFF_BYTES = 4096  # two MPEG frames of the largest kind (1441 bytes each) fit, and an EBML head

CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",  # Opus as OpenAI's `opus`: in an Ogg container
    "ogg": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "webm": "audio/webm",
    "mp4": "audio/mp4",
}

# Brands of `ftyp` files that hold pictures (ISO/IEC 23008-12, AV1 image format).
_PICTURE_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"mif1", b"msf1", b"crx "})


def sniff(first_bytes: bytes) -> str | None:
    """Return wav, mp3, flac, ogg, webm, mp4 or aac, or None for anything else. `SNIFF_BYTES` are enough."""
    if first_bytes[:4] in (b"RIFF", b"RF64", b"BW64"):
        return "wav" if first_bytes[8:12] == b"WAVE" else None
    if first_bytes.startswith(b"fLaC"):
        return "flac"
    if first_bytes.startswith(b"OggS"):
        return "ogg"
    if first_bytes.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm" if b"\x42\x82\x84webm" in first_bytes[:128] else None  # DocType, four letters long
    if first_bytes[4:8] == b"ftyp":
        return None if first_bytes[8:12] in _PICTURE_BRANDS else "mp4"
    if first_bytes.startswith(b"ID3"):
        return "mp3"
    return _sniff_frames(first_bytes)


def content_type(name: str, sample_rate_hz: int | None = None) -> str:
    """Return the Content-Type of the format or container `name`; for pcm it states the rate, which the bytes do not.

    pcm is s16le mono here, as OpenAI's is. An unknown name gives application/octet-stream.
    """
    if name == "pcm":
        return f"audio/pcm;rate={sample_rate_hz}" if sample_rate_hz else "audio/pcm"
    return CONTENT_TYPES.get(name, "application/octet-stream")


def _sniff_frames(first_bytes: bytes) -> str | None:
    """A frame header alone is eleven or twelve bits: the next one has to be where the first says, if it is in sight."""
    for name, header in (("mp3", mpeg_header), ("aac", adts_header)):
        frame = header(first_bytes, 0)
        if frame is None:
            continue
        following = first_bytes[frame.size_bytes : frame.size_bytes + 8]
        if len(following) < 8 or header(following, 0) is not None:
            return name
    return None
