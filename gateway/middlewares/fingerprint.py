"""What decides an answer, as one digest: whose it is, the request, and what may produce it.

Two requests are the same where their JSON is, in whatever order and spacing. A schema's members keep their order, since
models write what they are asked for in it. Left out are the fields that a dialect says decide nothing, and those that
only say how an answer is sent, where it can be given in either way without a loss.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any
from urllib.parse import parse_qsl

from gateway import json
from gateway.config.model import Route
from gateway.dialects import DIALECTS
from gateway.dialects.prompt import PromptDialect
from gateway.middlewares.conditions import unmet
from gateway.stores.cache import Key
from gateway.types import Call, Chat, Recording, Speech, Target

THREAD_BYTES = 262_144  # reading more takes over a millisecond: not on the loop
MAX_TARGETS = 10_000  # whose identities are remembered: models may be named by clients, through patterns
CHOOSING = ("-beta", "-version")  # how headers end by which a client chooses what a vendor's API does
# Fields that hold JSON Schemas, or settings with one.
ORDERED = frozenset(
    {"tools", "functions", "response_format", "output_config", "output_format", "text", "generationConfig"}
)
_BEFORE = frozenset({"auth", "quota"})  # links behind which a middleware of the operator's changes what is looked up
# What a client may mean by two numbers that become one here, and by an escaped colon: see `canonical`.
_UNSURE = re.compile(rb"[0-9]{17}|\\u003")
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Lookup:
    """How a call's answer is known, and for how long it is kept; 0: not at all. `mode` is how the client reads it."""

    key: Key
    mode: str
    ttl_s: float


class Fingerprints:
    """Makes keys for the calls of one route of one configuration."""

    def __init__(self, route: Route) -> None:
        dialect = DIALECTS[route.dialect]
        self._route = route.name
        self._indifferent: frozenset[str] = getattr(dialect, "indifferent", _NONE)
        self._mode_fields: frozenset[str] = getattr(dialect, "mode_fields", _NONE)
        self._is_body_changed = any(link.after in _BEFORE for link in route.middlewares)
        self._identities: dict[str, str] = {}

    async def key(self, call: Call) -> tuple[Key, str]:
        """Return the key of a call's answer, and the mode."""
        mode = _mode(call)
        is_free = bool(self._mode_fields) and _is_plain(call, self._indifferent)
        # As ASCII: names may hold what is no UTF-8.
        digest = hashlib.sha256(ascii((*self.parts(call), "" if is_free else mode)).encode())
        ignored = self._indifferent | self._mode_fields if is_free else self._indifferent
        if call.raw is not None:
            big = len(call.raw) > THREAD_BYTES
            digest.update(
                await asyncio.to_thread(canonical, call.raw, ignored) if big else canonical(call.raw, ignored)
            )
        elif isinstance(call.body, Recording):
            given = sorted(field for field in call.body.fields if field[0] not in ignored)
            digest.update(ascii((given, call.body.url)).encode())
            await asyncio.to_thread(_add_file, digest, call.body)
        if self._is_body_changed:
            digest.update(ascii(call.body).encode())
        return Key(digest.hexdigest(), call.client.tenant, self._route), mode

    def is_plain(self, call: Call) -> bool:
        """Whether normal events carry all of its answer, so that it can be given as a stream and as a whole."""
        return _is_plain(call, self._indifferent)

    def parts(self, call: Call) -> tuple[Any, ...]:
        """Return what the key is made of beside the body: whose it is, how it is asked, and what would answer."""
        client = call.client
        whose = (client.tenant, client.name if client.is_anonymous else "", client.is_anonymous)
        head = call.head
        given = parse_qsl(head.raw_query, keep_blank_values=True) or head.query.items()  # a field may stand there twice
        query = sorted((name, value) for name, value in given if name != "key")  # a key decides nothing
        chosen = sorted(item for item in head.headers.items() if item[0].endswith(CHOOSING))
        targets = [self._identity(call, target) for target in call.targets]
        # A prompt may be another after a reload, and then what it answered is of no use.
        files = call.receipt.generation.partition("-")[2] if call.dialect == PromptDialect.name else ""
        return whose, call.dialect, head.path, query, chosen, targets, files

    def _identity(self, call: Call, target: Target) -> tuple[str, str | None, bool]:
        """What a target's name stands for: a reload may give the same name another address, setting or voice.

        Whether it is for this call counts too: another key or header may be served by others.
        """
        name = target.name
        identity = self._identities.get(name)
        if identity is None:
            if len(self._identities) >= MAX_TARGETS:
                self._identities.clear()
            identity = self._identities[name] = _identity(target)
        voice = target.voice_for(call.body.voice) if isinstance(call.body, Speech) else None
        when = target.place.when if target.place is not None else None
        return identity, voice, when is None or unmet(call, when, time.time()) is None


def canonical(raw: bytes, ignored: frozenset[str]) -> bytes:
    """Return bytes that are equal for two bodies exactly where they are the same JSON, but for what is `ignored`.

    A body whose sameness is in doubt stands for itself: one in which a key may stand twice, since vendors differ on
    which of the two counts, and one with numbers of more digits than a float tells apart.
    """
    if _UNSURE.search(raw):
        return b"raw:" + raw
    try:
        value = json.loads(raw)
    except ValueError:
        return b"raw:" + raw
    # Every colon of a text is in both; a member that is gone took one with it.
    if not isinstance(value, dict) or json.dumps(value).count(b":") != raw.count(b":"):
        return b"raw:" + raw
    parts = [
        b"%b:%b" % (json.dumps(name), json.dumps(value[name]) if name in ORDERED else json.dumps_sorted(value[name]))
        for name in sorted(value)
        if name not in ignored or not _says_nothing(name, value[name])
    ]
    return b"json:" + b",".join(parts)


def _says_nothing(name: str, value: Any) -> bool:
    """Of how a stream is sent, only whether it tells the usage is something that each replay can do anew."""
    return name != "stream_options" or not isinstance(value, dict) or value.keys() <= {"include_usage"}


def _mode(call: Call) -> str:
    if isinstance(call.body, Chat):
        return f"{'stream' if call.stream else 'whole'}{'' if call.body.wants_usage else ' without usage'}"
    return "stream" if call.stream else "whole"


def _is_plain(call: Call, indifferent: frozenset[str]) -> bool:
    match call.body:
        case Chat() as chat:
            return (
                not chat.only_verbatim
                and not chat.logprobs
                and not chat.top_logprobs
                and chat.extra.keys() <= indifferent
            )
        case Recording() as recording:
            return recording.format in ("json", "text") and not recording.granularities and not recording.extra
        case _:
            return False


def _identity(target: Target) -> str:
    """All that an operator may change about how a target answers; what it costs does not decide it."""
    provider, model = target.provider, target.model
    row = {field.name: getattr(model, field.name) for field in fields(model) if not field.name.startswith("price")}
    headers = {name: value for name, value in provider.headers.items() if name.lower() not in provider.secret_headers}
    known = (target.name, provider.base_url, provider.options, headers, provider.drop, provider.convert, row)
    return hashlib.sha256(ascii(_settled(known)).encode()).hexdigest()


def _settled(value: Any) -> Any:
    """Return what has the same text in every process: sets and mappings in order."""
    if isinstance(value, Mapping):
        return sorted((str(name), _settled(item)) for name, item in value.items())
    if isinstance(value, frozenset | set):
        return sorted(map(repr, value))
    if isinstance(value, tuple | list):
        return [_settled(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return [(field.name, _settled(getattr(value, field.name))) for field in fields(value)]
    return value


def _add_file(digest: hashlib._Hash, recording: Recording) -> None:
    file = recording.audio.file
    file.seek(0)
    while block := file.read(1_048_576):
        digest.update(block)
