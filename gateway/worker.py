"""The subprocess side of a local provider: `python -m gateway.worker FILE` serves requests until stdin closes.

FILE is a plugin that also defines

    def work(request: Mapping[str, Any], payload: bytes) -> Iterator[dict[str, Any] | bytes]

`request` has `method`, `url`, `headers` and, where a form was sent, `fields` ([[name, value], …]) and `files`
([{"name", "filename", "content_type", "size_bytes"}, …]); `payload` is the body, or the files' bytes one after another.
A request may also come while it is made: then `payload` is an iterator of its pieces, and `request` is the sender's.
The first thing yielded may be the answer's head, {"status": 200, "headers": {}}; the rest is its body. One request runs
at a time. An exception that bears a `status` (every GatewayError does) is an answer; any other one is a 500.

Wire, both ways big-endian. A request: u32 length of the head, u64 length of the payload, the head as JSON, the payload;
or, where that length is all ones, pieces of it, each after its u32 length, up to one of length 0.
An answer: frames of one kind byte, u32 length and content. H is the head, D a piece of the body, E the end, X an error
{"status", "code", "message", "param"}. Only the standard library is imported here: a process has to be up at once.
"""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any

REQUEST = struct.Struct(">IQ")
FRAME = struct.Struct(">cI")
PIECE = struct.Struct(">I")
IN_PIECES = 0xFFFFFFFFFFFFFFFF  # for the length of a payload
HEAD, DATA, END, ERROR = b"H", b"D", b"E", b"X"
MAX_FRAME_BYTES = 65_536  # so that a slow reader holds little; larger pieces are cut

Work = Callable[[Mapping[str, Any], Any], Iterable[Mapping[str, Any] | bytes]]


def main(arguments: list[str]) -> int:
    """Serve FILE on the process's stdin and stdout. Returns the exit status."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m gateway.worker FILE\n")
        return 64
    requests, answers = _take_pipes()
    work = _load(arguments[0])
    try:
        while serve_one(work, requests, answers):
            continue
    except BrokenPipeError:
        # Nobody reads any more. What is buffered can never be written, and closing the pipe would try.
        os._exit(0)
    return 0


def serve_one(work: Work, requests: IO[bytes], answers: IO[bytes]) -> bool:
    """Read one request and write its answer. Returns False where there was no further request."""
    start = requests.read(REQUEST.size)
    if len(start) < REQUEST.size:
        return False
    head_bytes, payload_bytes = REQUEST.unpack(start)
    head = requests.read(head_bytes)
    is_streamed = payload_bytes == IN_PIECES
    payload = _pieces(requests) if is_streamed else requests.read(payload_bytes)
    if len(head) < head_bytes or (isinstance(payload, bytes) and len(payload) < payload_bytes):
        return False
    try:
        for kind, content in _frames(work(json.loads(head), payload)):
            if kind == END and is_streamed:
                deque(payload, maxlen=0)  # what work() did not want would be taken for the next request
            _write(answers, kind, content)
    except BrokenPipeError:
        raise
    except Exception as error:  # the boundary of this process: whatever work() raises is the answer
        if getattr(error, "status", 500) >= 500:
            traceback.print_exc()
        _write(answers, ERROR, _described(error))
        return not is_streamed  # what was not read of its pieces would be taken for the next request
    return True


def _frames(items: Iterable[Mapping[str, Any] | bytes]) -> Iterable[tuple[bytes, bytes]]:
    is_first = True
    for item in items:
        if is_first:
            is_first = False
            head = item if isinstance(item, Mapping) else {}
            yield HEAD, json.dumps({"status": 200, "headers": {}, **head}).encode()
        if isinstance(item, Mapping):
            continue
        for at in range(0, len(item), MAX_FRAME_BYTES):
            yield DATA, item[at : at + MAX_FRAME_BYTES]
    if is_first:
        yield HEAD, b'{"status": 200, "headers": {}}'
    yield END, b""


def _pieces(requests: IO[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a payload. Raises EOFError where the sender left before its end."""
    while True:
        start = requests.read(PIECE.size)
        size = PIECE.unpack(start)[0] if len(start) == PIECE.size else 0
        piece = requests.read(size)
        if len(start) < PIECE.size or len(piece) < size:
            raise EOFError("the sender left in the middle of its payload")
        if not size:
            return
        yield piece


def _write(answers: IO[bytes], kind: bytes, content: bytes) -> None:
    answers.write(FRAME.pack(kind, len(content)))
    answers.write(content)
    answers.flush()


def _described(error: Exception) -> bytes:
    return json.dumps(
        {
            "status": getattr(error, "status", 500),
            "code": getattr(error, "code", "internal_error"),
            "message": getattr(error, "message", f"{type(error).__name__}: {error}"),
            "param": getattr(error, "param", None),
        }
    ).encode()


def _take_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep stdin and stdout for frames; what a C library prints goes to stderr, what it reads is empty."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, answers


def _load(file: str) -> Work:
    spec = importlib.util.spec_from_file_location("gateway_worker_file", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    work: Work = module.work
    return work


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
