"""One small real call to each provider, by its own plugin and credentials, outside any running gateway."""

from __future__ import annotations

import asyncio
import io
import math
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.audio import wav
from gateway.audio.probe import probe
from gateway.chain import close, compose
from gateway.config.model import Config
from gateway.config.price import KINDS
from gateway.config.resolve import WILDCARD, make_target
from gateway.dialects import DIALECTS
from gateway.errors import (
    GatewayError,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamRefusedUs,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.middlewares import usable
from gateway.middlewares.cost import Meter
from gateway.plugin import Inline
from gateway.services import Services, open_services
from gateway.types import (
    Attempt,
    AudioChunk,
    Body,
    Call,
    Chat,
    Client,
    Done,
    Embeddings,
    Head,
    Message,
    Model,
    Operation,
    Receipt,
    Recording,
    Reply,
    Speech,
    Target,
    Text,
    TextDelta,
    Transcript,
    Upload,
    Usage,
    Vector,
)
from gateway.upstream.attempt import attempt_with

MAX_AT_ONCE = 8  # calls under way
TONE_S, TONE_HZ, RATE_HZ = 1.0, 440.0, 16_000  # what is sent to be written down: no words, so that none are expected
OPERATIONS = ("chat", "embeddings", "speech", "transcription")
REMEDIES: tuple[tuple[type[GatewayError], str], ...] = (
    (UpstreamRefusedUs, "look at its credentials, and at the account with the vendor"),
    (UpstreamNotFound, "the vendor knows no such model: mend its row in providers.yaml"),
    (UpstreamRateLimited, "try again later; the vendor's own limit is reached"),
    (UpstreamUnreachable, "look at its base_url, at DNS and the way out: gateway doctor"),
    (UpstreamTimeout, "try again, or give it longer: --timeout, and timeouts of the provider"),
)
OTHERWISE_LATE = REMEDIES[-1][1]
OTHERWISE = "the vendor's own pages say what this means; what a model takes stands in its row of providers.yaml"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one call. Times are in seconds from its beginning."""

    target: str
    operation: str
    is_ok: bool
    message: str = ""  # what it answered, or why it did not
    remedy: str = ""
    first_content_s: float | None = None
    total_s: float | None = None
    cost_nano_usd: int | None = None


def chosen(config: Config, names: Sequence[str], *, is_all: bool) -> list[Target]:
    """Return the cheapest model of each operation of each provider that is on, or of those that are named; or all."""
    targets = []
    for provider in config.providers.values():
        if provider.off_reason is not None and not any(name.split("/")[0] == provider.name for name in names):
            continue
        models = [one for one in provider.models.values() if WILDCARD not in one.name and one.operation in OPERATIONS]
        if not names or provider.name in names:
            cheapest: dict[str, Model] = {}
            for one in sorted(models, key=_price):
                cheapest.setdefault(one.operation, one)
            wanted = [one for one in models if is_all or one is cheapest[one.operation]]
        else:
            wanted = []
        named = [one for one in models if f"{provider.name}/{one.name}" in names and one not in wanted]
        targets += [make_target(provider, one, config.voices) for one in (*wanted, *named)]
    return targets


def _price(model: Model) -> tuple[bool, int]:
    """Sort the cheap first, by the sum of whatever is charged, and those without a price last."""
    if model.price is None:
        return True, 0
    amounts = (getattr(model.price, name) for name in set(KINDS.values()))
    return False, sum(amount for amount in amounts if amount is not None)


async def tried(targets: Sequence[Target], timeout_s: float) -> list[Trial]:
    """Return what came of a call to each, in their order."""
    services = open_services()
    turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def one(target: Target) -> Trial:
        async with turns:
            return await _try(target, services, timeout_s)

    try:
        return list(await asyncio.gather(*map(one, targets)))
    finally:
        await services.aclose()


async def _try(target: Target, services: Services, timeout_s: float) -> Trial:
    operation = target.model.operation
    if target.provider.off_reason is not None:
        return Trial(target.name, operation, False, f"off, {target.provider.off_reason}", "set what is missing")
    loop = asyncio.get_running_loop()
    attempt = Attempt(target.name, started_s=loop.time())
    recording = await _own_speech(target, services) if operation == "transcription" else b""
    call = _call(target, attempt, recording)
    if (refusal := usable.refuse(call, target)) is not None:
        return Trial(target.name, operation, False, refusal.reason, "no call fits it: try it by a client")
    handler = compose([Meter(services.calibration)], attempt_with(services.upstream))
    try:
        async with asyncio.timeout(timeout_s):
            message, first_s = await _read(await handler(call))
    except TimeoutError:
        return Trial(target.name, operation, False, f"no answer within {timeout_s:g} s", OTHERWISE_LATE)
    except GatewayError as error:
        remedy = next(
            (text for kind, text in REMEDIES if isinstance(error, kind)), "the vendor's pages say what it means"
        )
        return Trial(target.name, operation, False, error.message, remedy)
    since = attempt.started_s
    return Trial(target.name, operation, True, message, "", first_s - since, loop.time() - since, attempt.cost_nano_usd)


async def _own_speech(target: Target, services: Services) -> bytes:
    """Return what the same provider speaks, where it does so in this process, for nothing: then it knows the words."""
    speakers = [
        model for model in target.provider.models.values() if model.operation == "speech" and "wav" in model.formats
    ]
    if not speakers or not isinstance(target.provider.plugin.backend, Inline):
        return b""
    speaker = make_target(target.provider, speakers[0], {target.provider.name: target.voices})
    call = _call(speaker, Attempt(speaker.name))
    reply = await attempt_with(services.upstream)(call)
    try:
        return b"".join([event.data async for event in reply.events if isinstance(event, AudioChunk)])
    finally:
        await close(reply)


async def _read(reply: Reply) -> tuple[str, float]:
    """Return what the answer was, in a few words, and when its first content came, on the loop's clock."""
    loop = asyncio.get_running_loop()
    text, size_bytes, numbers, first_s = "", 0, 0, None
    try:
        async for event in reply.events:
            if first_s is None and not isinstance(event, Usage | Done):
                first_s = loop.time()
            match event:
                case TextDelta() | Transcript():
                    text += event.text
                case AudioChunk():
                    size_bytes += len(event.data)
                case Vector():
                    numbers += len(event.values)
    finally:
        await close(reply)
    said = (
        f"{size_bytes} bytes of audio" if size_bytes else f"{numbers} numbers" if numbers else repr(text.strip()[:40])
    )
    return said, first_s if first_s is not None else loop.time()


def _call(target: Target, attempt: Attempt, recording: bytes = b"") -> Call:
    operation: Operation = target.model.operation
    request_id = secrets.token_hex(12)
    client = Client("providers test", "*")
    receipt = Receipt(request_id, attempt.started_s, attempts=[attempt], operation=operation)
    return Call(
        id=request_id,
        operation=operation,
        dialect=_dialect(operation),
        model=target.model.name,
        body=_body(target, recording),
        head=Head(request_id, "POST", "/", {}, {}, "", client=client),
        receipt=receipt,
        targets=(target,),
        target=target,
        attempt=attempt,
    )


def _dialect(operation: Operation) -> str:
    """Return a client's format for the operation, our own where there is one, so that all is translated."""
    names = [name for name, dialect in DIALECTS.items() if dialect.operation == operation]
    return next((name for name in names if name.startswith("native.")), names[0])


def _body(target: Target, recording: bytes) -> Body:
    match target.model.operation:
        case "speech":
            formats = target.model.formats
            form = next(
                (one for one in ("mp3", "wav", "pcm") if not formats or one in formats), min(formats, default="mp3")
            )
            return Speech("Testing.", next(iter(sorted(target.voices)), ""), form)
        case "transcription":
            data = recording or tone()
            facts = probe(io.BytesIO(data))
            upload = Upload("tone.wav", "audio/wav", len(data), io.BytesIO(data))
            return Recording(upload, facts.container, facts.duration_s, sound=facts.sound)
        case "embeddings":
            return Embeddings(("Testing.",))
        case _:
            return Chat((Message("user", (Text("Answer with the one word: ok"),)),))


def tone() -> bytes:
    """Return a WAV file of one second of a quiet tone, 16 kHz mono."""
    count = int(TONE_S * RATE_HZ)
    samples = (int(3000 * math.sin(2 * math.pi * TONE_HZ * at / RATE_HZ)) for at in range(count))
    return wav.wrap(struct.pack(f"<{count}h", *samples), RATE_HZ)
