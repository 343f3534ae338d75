"""The bytes of one HTTP/1.1 message, as little of it as a load and a mock need."""

from __future__ import annotations

KEY = "bench-0123456789abcdef"
SAID = "word " * 200
CHAT = f'{{"model":"chat","messages":[{{"role":"user","content":"{SAID}"}}]}}'
STREAMED = CHAT[:-1] + ',"stream":true}'
SPEECH = f'{{"model":"speak","voice":"nova","input":"{SAID[:600]}"}}'
ANSWER = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"chat","choices":[{"index":0,'
    f'"message":{{"role":"assistant","content":"{SAID}"}},"finish_reason":"stop"}}],'
    '"usage":{"prompt_tokens":210,"completion_tokens":200,"total_tokens":410}}'
)
_EVENT = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000000,"model":"chat",'
    b'"choices":[{"index":0,"delta":{"content":"%06d "},"finish_reason":null}]}\n\n'
)
FINISH = _EVENT.replace(b'{"content":"%06d "},"finish_reason":null', b'{},"finish_reason":"stop"')
DONE = b"data: [DONE]\n\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def event(number: int) -> bytes:
    """Return the event of that number of a streamed chat."""
    return _EVENT % number


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def request(path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """Return a POST with this body."""
    lines = {
        "host": "127.0.0.1",
        "content-type": "application/json",
        "content-length": str(len(body)),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def answer(body: bytes, content_type: str = "application/json", status: str = "200 OK", more: str = "") -> bytes:
    """Return a whole answer of known length."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def length_of(head: bytes) -> int | None:
    """Return what a message's head says of the length of its body; None where it is in chunks or says nothing."""
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    return None if at < 0 else int(lowered[at + 17 :].split(b"\r\n", 1)[0])


class Inbox:
    """Cuts what comes over a connection into messages, and keeps no more of a body than it must.

    `feed` returns how many messages are complete after these bytes; `head` is that of the message that is being read or
    was read last, `body_bytes` the length of its body so far.
    """

    def __init__(self) -> None:
        self.head = b""
        self.body_bytes = 0
        self._rest = b""
        self._missing: int | None = 0  # bytes of the body still to come; None: in chunks
        self._in_body = False

    def feed(self, data: bytes) -> int:
        complete = 0
        while data:
            if not self._in_body:
                data = self._rest + data
                end = data.find(b"\r\n\r\n")
                if end < 0:
                    self._rest = data
                    return complete
                self.head, data, self._rest = data[:end], data[end + 4 :], b""
                self.body_bytes = 0
                self._missing = length_of(self.head)
                if self._missing is None and b"chunked" not in self.head.lower():
                    self._missing = 0
                self._in_body = self._missing != 0
                if not self._in_body:
                    complete += 1
                continue
            used, is_complete = self._of_body(data)
            self.body_bytes += used
            data = data[used:]
            complete += is_complete
        return complete

    def _of_body(self, data: bytes) -> tuple[int, bool]:
        """Return how many of these bytes are the body's, and whether it ends with them."""
        if self._missing is not None:
            used = min(self._missing, len(data))
            self._missing -= used
            self._in_body = self._missing > 0
            return used, not self._in_body
        seen = self._rest + data  # the end may lie across two reads
        end = seen.find(b"0\r\n\r\n") if seen.startswith(b"0\r\n\r\n") else seen.find(b"\r\n0\r\n\r\n")
        if end < 0:
            self._rest = seen[-6:]
            return len(data), False
        used = end + (5 if seen.startswith(b"0\r\n\r\n") else 7) - len(self._rest)
        self._rest, self._in_body = b"", False
        return used, True
