"""What a call will use, before it has: upper estimates for reserving, plain ones for what a vendor did not report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

from gateway import json
from gateway.middlewares.tokens import SAMPLED_CHARS, estimated_tokens
from gateway.types import (
    STEP_CHARACTERS,
    STEP_SECONDS,
    STEP_TOKENS,
    Body,
    Call,
    Chat,
    Embeddings,
    Growing,
    Image,
    Live,
    Part,
    Price,
    Recording,
    Speech,
    Target,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Units,
    quick,
    replace,
)

BYTES_PER_TOKEN = 4  # of what is not read as text: an answer that a vendor did not count, files in base64
MESSAGE_TOKENS = 4  # what marks where a message begins and ends, and whose it is
RESERVED_OUTPUT_TOKENS = 4_096  # reserved where neither the client nor the model's row sets a bound
RESERVED_AUDIO_S = 600.0  # reserved where the length of a recording could not be probed
IMAGE_TOKENS = 1_000  # a large image, at most vendors
EXPECTED_OUTPUT_TOKENS = 500  # of an answer to a chat: a page of text, which few exceed
CHARS_PER_S = 15  # that a voice speaks, in most languages
SPOKEN_TOKENS_PER_S = 21  # of speech that is priced by tokens: 0.015 USD a minute at 12 USD a million, as OpenAI says
HEARD_TOKENS_PER_S = 10  # of a recording that is priced by tokens, as OpenAI counts them
WRITTEN_TOKENS_PER_S = 3  # of what is written down of it
MICRO = 1_000_000
_STEPS: Mapping[Growing, Units] = {
    "seconds": Units(audio_seconds=STEP_SECONDS),
    "characters": Units(characters=STEP_CHARACTERS),
    "tokens": Units(input_tokens=STEP_TOKENS, output_tokens=STEP_TOKENS),
}
CONVERSATION_STEP = replace(_STEPS["tokens"], audio_seconds=STEP_SECONDS)  # what a conversation begins with


@quick
@dataclass(frozen=True, slots=True)
class Input:
    """Estimated input tokens: those of text, which differ by tokenizer, and those that do not."""

    text_tokens: int
    other_tokens: int = 0  # of images and files, and token ids, which are exact

    def tokens(self, factor: float = 1.0) -> int:
        """Return all of them for a target whose vendor counts `factor` times what is estimated of a text."""
        return math.ceil(self.text_tokens * factor) + self.other_tokens


def cost_nano_usd(units: Units, price: Price, now_s: float) -> int:
    """Return the charge in nano-dollars at `now_s`, in seconds of the epoch, rounded half up once, over the sum.

    Cached, written and audio tokens are part of the input tokens and take their own price where there is one.
    """
    price = price.at(now_s, units.input_tokens)
    cached, written = units.cached_input_tokens, units.cache_write_tokens
    full = max(0, units.input_tokens - cached - written)
    per_input, per_output = price.input_per_mtok or 0, price.output_per_mtok or 0
    micro_nano = _of_tokens(full, units.output_tokens, price)
    # What most calls have nothing of is looked at only where there is some.
    if cached:
        micro_nano += cached * _own(price.cached_input_per_mtok, per_input)
    if written:
        micro_nano += written * _own(price.cache_write_per_mtok, per_input)
    if heard := min(units.input_audio_tokens, full):  # of what was cached as well, the cache's price stands
        micro_nano += heard * (_own(price.input_audio_per_mtok, per_input) - per_input)
    if spoken := min(units.output_audio_tokens, units.output_tokens):
        micro_nano += spoken * (_own(price.output_audio_per_mtok, per_output) - per_output)
    if units.characters:
        micro_nano += units.characters * (price.per_mchar or 0)
    if units.audio_seconds:
        # milliseconds keep audio in integers: ms * nano/min * 10^6 / 60,000
        micro_nano += round(units.audio_seconds * 1000) * (price.per_audio_minute or 0) * 50 // 3
    return _rounded(micro_nano)


def _of_tokens(full: int, output: int, price: Price) -> int:
    """Return in millionths of a nano-dollar what a request costs with so many input tokens at the full price."""
    return full * (price.input_per_mtok or 0) + output * (price.output_per_mtok or 0) + (price.per_request or 0) * MICRO


def _rounded(micro_nano: int) -> int:
    return (micro_nano + MICRO // 2) // MICRO


def _own(price: int | None, inherited: int) -> int:
    return inherited if price is None else price


def upper_cost(
    call: Call, wall_clock: Callable[[], float] = time.time, factor: Callable[[str], float] = lambda target: 1.0
) -> int:
    """Return what the dearest of the call's targets could charge for it, in nano-dollars; no price counts as 0.

    `factor` is of the targets' names: see Input.tokens.
    """
    if call.steps:
        return sum(upper_cost(step, wall_clock, factor) for step in call.steps)
    dearest = 0
    body, now_s = call.body, wall_clock()
    given = input_of(call) if isinstance(body, Chat) else None
    for target in call.targets if call.operation != "tokens" else ():
        price = target.model.price
        if price is None:
            continue
        if given is not None and isinstance(body, Chat):
            tokens = given.tokens(factor(target.name))
            most = body.max_output_tokens or target.model.max_output_tokens or RESERVED_OUTPUT_TOKENS
            cost = _rounded(_of_tokens(tokens, most * body.n, price.at(now_s, tokens)))
        else:
            cost = cost_nano_usd(_input_units(body, input_of(call), factor(target.name)), price, now_s)
        if cost > dearest:
            dearest = cost
    return dearest


def expected_cost(call: Call, target: Target, now_s: float, factor: float = 1.0) -> int | None:
    """Return about what the target will charge for the call at `now_s`, in nano-dollars; None: it has no price.

    Good for comparing targets: of answers and recordings whose length nobody knows all are taken to be alike.
    """
    price = target.model.price
    return None if price is None else cost_nano_usd(expected_units(call, factor), price, now_s)


def expected_units(call: Call, factor: float = 1.0) -> Units:
    """Return what the call will use, in every unit in which somebody may charge for it."""
    given = input_of(call)
    match call.body:
        case Chat(max_output_tokens=most, n=n):
            output = EXPECTED_OUTPUT_TOKENS if most is None else min(most, EXPECTED_OUTPUT_TOKENS)
            return Units(input_tokens=given.tokens(factor) if given is not None else 0, output_tokens=output * n)
        case Speech(text=text):
            seconds = len(text) / CHARS_PER_S
            spoken = math.ceil(seconds * SPOKEN_TOKENS_PER_S)
            return Units(
                input_tokens=math.ceil(estimated_tokens(text) * factor),
                output_tokens=spoken,
                output_audio_tokens=spoken,
                characters=len(text),
                audio_seconds=seconds,
            )
        case Recording(duration_s=duration_s):
            seconds = RESERVED_AUDIO_S if duration_s is None else duration_s
            heard = math.ceil(seconds * HEARD_TOKENS_PER_S)
            written = math.ceil(seconds * WRITTEN_TOKENS_PER_S)
            return Units(input_tokens=heard, input_audio_tokens=heard, output_tokens=written, audio_seconds=seconds)
        case Live() as live:
            return _input_units(live, None, factor)
        case _:
            return Units(input_tokens=given.tokens(factor)) if given is not None else Units()


def upper_units(call: Call, factor: float = 1.0) -> Units:
    """Return what the call may use at most, as far as its client says: what limits of units hold for it."""
    if call.operation == "tokens":
        return Units()
    if call.steps:
        return summed(upper_units(step, factor) for step in call.steps)
    body, given = call.body, input_of(call)
    if isinstance(body, Chat) and given is not None:
        return Units(
            input_tokens=given.tokens(factor),
            output_tokens=(body.max_output_tokens or RESERVED_OUTPUT_TOKENS) * body.n,
        )
    return _input_units(body, given, factor)


def summed(units: Iterable[Units]) -> Units:
    """Return all of them together."""
    each = tuple(units)
    return Units(**{field.name: sum(getattr(one, field.name) for one in each) for field in fields(Units)})


def estimated_units(call: Call, content_events: int, content_bytes: int, factor: float = 1.0) -> Units:
    """Return what was used where the vendor did not say: the input by its size, the output by what was seen of it.

    A streamed event carries about one token. `factor` is that of the target.
    """
    given = input_of(call)
    if isinstance(call.body, Live):
        session = call.body.session
        return Units(audio_seconds=round(session.seconds, 3), characters=session.characters)
    if isinstance(call.body, Chat) and given is not None:
        if call.stream:
            return streamed_units(given, content_events, factor)
        return Units(input_tokens=given.tokens(factor), output_tokens=content_bytes // BYTES_PER_TOKEN)
    return _input_units(call.body, given, factor)


def streamed_units(given: Input, content_events: int, factor: float = 1.0) -> Units:
    """Return the same of a streamed chat, of which no more is known than what was given."""
    return Units(input_tokens=given.tokens(factor), output_tokens=content_events)


def input_tokens(chat: Chat) -> int:
    """Return about how many tokens a chat's input has, whoever counts."""
    return _chat_input(chat).tokens()


def input_of(call: Call) -> Input | None:
    """Return `text_input` of the call's body, which is estimated once for all that ask."""
    known = call.receipt.estimate
    if known is None or known[0] is not call.body:
        known = call.receipt.estimate = (call.body, text_input(call.body))
    found: Input | None = known[1]
    return found


def text_input(body: Body) -> Input | None:
    """Return about how many tokens the input has, None where it is not counted in tokens."""
    match body:
        case Chat() as chat:
            return _chat_input(chat)
        case Embeddings(inputs=inputs):
            return Input(
                sum(estimated_tokens(item) for item in inputs if isinstance(item, str)),
                sum(len(item) for item in inputs if not isinstance(item, str)),
            )
        case _:
            return None


def _input_units(body: Body, given: Input | None, factor: float) -> Units:
    if given is not None:
        return Units(input_tokens=given.tokens(factor))
    match body:
        case Speech(text=text):
            return Units(characters=len(text))
        case Recording(duration_s=duration_s):
            return Units(audio_seconds=RESERVED_AUDIO_S if duration_s is None else duration_s)
        case Live(step=None) as live:
            first = {"listen": _STEPS["seconds"], "speak": _STEPS["characters"]}
            return first.get(live.kind, CONVERSATION_STEP)
        case Live(step=step) if step is not None:
            return _STEPS[step]
        case _:
            return Units()


def _chat_input(chat: Chat) -> Input:
    texts: list[str] = []
    other_tokens = 0
    for message in chat.messages:
        for part in message.parts:
            if isinstance(part, Text):  # most are
                texts.append(part.text)
            else:
                texts += _texts(part)
                other_tokens += _other_tokens(part)
    tools = sum(
        [
            estimated_tokens(f"{tool.name} {tool.description or ''} {json.dumps(dict(tool.parameters)).decode()}")
            for tool in chat.tools
        ]
    )
    is_short = sum(map(len, texts)) <= SAMPLED_CHARS
    text_tokens = sum(map(estimated_tokens, texts)) if is_short else estimated_tokens("".join(texts))
    return Input(text_tokens + tools + MESSAGE_TOKENS * len(chat.messages), other_tokens)


def _texts(part: Part) -> Iterator[str]:
    match part:
        case Text(text) | Thinking(text):
            yield text
        case ToolUse():
            yield from (part.name, part.arguments)
        case ToolResult():
            for inner in part.parts:
                yield from _texts(inner)


def _other_tokens(part: Part) -> int:
    match part:
        case Text() | Thinking() | ToolUse():
            return 0
        case ToolResult():
            return sum(map(_other_tokens, part.parts))
        case Image():
            return IMAGE_TOKENS
        case _:
            return -(-len(getattr(part, "data_b64", "") or "") // BYTES_PER_TOKEN)
