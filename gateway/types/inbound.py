"""What comes in at the door: who calls, and a request before and after its body is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Literal

from gateway.types.limits import Limit
from gateway.types.values import quick
from gateway.types.words import EMPTY

KeyRole = Literal["user", "operator", "admin"]  # calls models; also sees what goes on; also changes it


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a key may be used for, as patterns with `*` or as names; an empty part means everything."""

    routes: tuple[str, ...] = ()  # patterns over a route's path
    operations: tuple[str, ...] = ()
    models: tuple[str, ...] = ()  # patterns over the model as the client names it
    providers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Client:
    """Who is calling: the name of the key, whose it is, and whether it is the anonymous caller."""

    name: str
    tenant: str
    is_anonymous: bool = False
    scopes: Scopes = Scopes()
    expires_at: float | None = None  # seconds of the epoch; from then on the key is refused
    role: KeyRole = "user"
    limits: tuple[Limit, ...] = ()  # of this key alone
    tags: str = "{}"  # JSON, as the ledger keeps it: text by name


@quick
@dataclass(frozen=True, slots=True)
class Head:
    """A request before its body is read. Header names are lower-case; a repeated header is joined by ", "."""

    id: str
    method: str
    path: str  # exactly the bytes that were matched, without the query
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    remote: str  # the peer's IP address
    params: Mapping[str, str] = EMPTY  # the path's {placeholders}
    client: Client | None = None
    raw_query: str = field(default="", repr=False)  # as it was sent, without the "?"
    # Of a signed request: raises InvalidSignature for a body that is not the one that was signed.
    check_body: Callable[[bytes], None] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent, spooled: in memory while small, on disk beyond that. `file` can be read again from 0."""

    filename: str
    content_type: str
    size_bytes: int
    file: IO[bytes] = field(repr=False)

    def read(self, limit: int = -1) -> bytes:
        """Return the content from its start, at most `limit` bytes."""
        self.file.seek(0)
        return self.file.read(limit)


@dataclass(frozen=True, slots=True)
class Base64File:
    """A file to be sent as base64 between two pieces of text, which is how JSON carries a recording."""

    before: bytes = field(repr=False)
    upload: Upload
    after: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart/form-data body, in the order sent; used for what comes in and for what goes out."""

    fields: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, Upload], ...]


@quick
@dataclass(frozen=True, slots=True)
class Inbound:
    """A whole request, as a dialect decodes it. `body` is b"" where `form` is set."""

    head: Head
    body: bytes = field(repr=False)
    form: Form | None = None
    upload: Upload | None = None  # a body of whatever type, where it is passed through, or is the recording itself
