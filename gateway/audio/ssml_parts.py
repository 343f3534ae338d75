"""A long SSML document in several, each with the root's own tags: cut between the root's children, never within one.

What stands in an element is its author's to keep together: a voice, an emphasis, a pause and its place.
"""

from __future__ import annotations

from xml.parsers import expat

from gateway.audio.sentences import GROWTH, Fits, Unspeakable, packed, sentences, shortened, together
from gateway.audio.ssml import without_tags


class NotXml(ValueError):
    """The document cannot be read; the text says where and why."""


def ssml_parts(document: str, fits: Fits, language: str | None = None, growth: int = GROWTH) -> list[str]:
    """Return the documents. `fits` is of a whole document. Raises NotXml, and Unspeakable for an element too long."""
    head, children, foot = _taken_apart(document)

    def is_taken(inner: str) -> bool:
        return fits(f"{head}{inner}{foot}")

    def shorten(unit: str) -> list[str]:
        if "<" in unit:
            raise Unspeakable(
                f"SSML is not cut inside an element, and {unit[:40].strip()!r} with what goes with it is too long: "
                f"{len(unit)} characters; end it earlier"
            )
        return shortened(unit, is_taken)

    units: list[str] = []
    for child in children:
        units += [child] if "<" in child else _whole_entities(sentences(child, language))
    return [f"{head}{inner}{foot}" for inner in packed(together(units, _is_speakable), is_taken, shorten, growth)]


def _is_speakable(piece: str) -> bool:
    return any(char.isalnum() for char in without_tags(piece))


def _whole_entities(pieces: list[str]) -> list[str]:
    """`&amp;` is one character, though it ends with a mark."""
    return together(pieces, lambda piece: "&" not in piece[-8:] or ";" in piece[piece.rfind("&") :])


def _taken_apart(document: str) -> tuple[str, list[str], str]:
    """Return the root's tag, its children and the texts between them in order, and its end tag."""
    data = document.encode(errors="replace")
    spans, inside = _children(data)
    head, foot = data[inside[0] : inside[1]], data[inside[2] :].rstrip()
    pieces, at = [], inside[1]
    for start, end in spans:
        pieces += [data[at:start], data[start:end]]
        at = end
    pieces.append(data[at : inside[2]])
    return head.decode(), [piece.decode() for piece in pieces if piece], foot.decode()


def _children(data: bytes) -> tuple[list[tuple[int, int]], tuple[int, int, int]]:
    """Return where each child of the root stands, and where the root begins, its content begins, and that ends."""
    parser = expat.ParserCreate("utf-8")
    open_at: list[int] = []
    spans: list[tuple[int, int]] = []
    root = [0, 0, 0]

    def start(name: str, attributes: dict[str, str]) -> None:
        at = parser.CurrentByteIndex
        if not open_at:
            root[0], root[1] = at, _end_of_tag(data, at)
        open_at.append(at)

    def end(name: str) -> None:
        started, at = open_at.pop(), parser.CurrentByteIndex
        if not open_at:
            root[2] = at
        elif len(open_at) == 1:
            first_end = _end_of_tag(data, started)
            spans.append((started, first_end if data[first_end - 2 : first_end] == b"/>" else _end_of_tag(data, at)))

    def comment(text: str) -> None:
        if len(open_at) == 1:
            at = parser.CurrentByteIndex
            spans.append((at, data.index(b"-->", at) + 3))

    def refuse(*declared: object) -> None:
        raise NotXml("declares a document type, which SSML for voices does not need; leave it out")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CommentHandler, parser.StartDoctypeDeclHandler = comment, refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        fault = expat.ErrorString(error.code)
        raise NotXml(f"is no XML: {fault} in line {error.lineno}, column {error.offset + 1}") from error
    return spans, (root[0], root[1], max(root[1], root[2]))


def _end_of_tag(data: bytes, at: int) -> int:
    """Return where the tag ends that begins at `at`; a `>` within an attribute's quotes is none."""
    quote = 0
    for index in range(at, len(data)):
        byte = data[index]
        if quote:
            quote = 0 if byte == quote else quote
        elif byte in b"\"'":
            quote = byte
        elif byte == 0x3E:
            return index + 1
    return len(data)
