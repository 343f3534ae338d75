"""Text for voices: what can be spoken of it, and SSML around it (W3C Speech Synthesis Markup Language 1.1).

A client's SSML is passed on as it is; only `with_rate` puts something into it, between the root's own tags.
"""

from __future__ import annotations

import re

# A NUL ends a text for some voices, XML 1.0 forbids these altogether, and nobody can speak them.
_UNSPEAKABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_RESERVED = re.compile("[&<>\"']")
_ROOT = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?(<speak(?:\s[^>]*)?>)(.*)(</speak\s*>)\s*", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")


def speakable(text: str) -> str:
    """Return the text with a space for each character that no voice can speak; its length stays the same."""
    return _UNSPEAKABLE.sub(" ", text)


def escape(text: str) -> str:
    """Return the text as XML takes it, between tags and within an attribute."""
    return _RESERVED.sub(lambda match: _ESCAPES[match[0]], text)


def with_rate(text: str, percent: int, *, is_ssml: bool) -> str:
    """Return an SSML document that speaks the text at `percent` of its speed. Raises ValueError: SSML without root."""
    prosody = f'<prosody rate="{percent}%">'
    if not is_ssml:
        return f"<speak>{prosody}{escape(text)}</prosody></speak>"
    root = _ROOT.fullmatch(text)
    if root is None:
        raise ValueError("is no SSML document: it does not begin with <speak> and end with </speak>")
    return f"{root[1]}{prosody}{root[2]}</prosody>{root[3]}"


def without_tags(ssml: str) -> str:
    """Return what is left to be spoken."""
    return _TAG.sub("", ssml)
