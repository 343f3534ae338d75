"""What a call will use, before it has: upper estimates for reserving, plain ones for what a vendor did not report."""

from __future__ import annotations

from gateway import json
from gateway.types import (
    Call,
    Chat,
    Embeddings,
    Image,
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
)

BYTES_PER_TOKEN = 4  # English text; the usual rule of thumb of OpenAI's and Anthropic's documentation
RESERVED_OUTPUT_TOKENS = 4_096  # reserved where neither the client nor the model's row sets a bound
RESERVED_AUDIO_S = 600.0  # reserved where the length of a recording could not be probed
IMAGE_TOKENS = 1_000  # a large image, at most vendors
MICRO = 1_000_000


def cost_nano_usd(units: Units, price: Price) -> int:
    """Return the charge in nano-dollars, rounded half up once, over the sum.

    Cached and written input tokens are part of the input tokens and take their own price where there is one.
    """
    cached, written = units.cached_input_tokens, units.cache_write_tokens
    full = max(0, units.input_tokens - cached - written)
    per_input = price.input_per_mtok or 0
    micro_nano = (
        full * per_input
        + cached * (price.cached_input_per_mtok if price.cached_input_per_mtok is not None else per_input)
        + written * (price.cache_write_per_mtok if price.cache_write_per_mtok is not None else per_input)
        + units.output_tokens * (price.output_per_mtok or 0)
        + units.characters * (price.per_mchar or 0)
        + (price.per_request or 0) * MICRO
        # milliseconds keep audio in integers: ms * nano/min * 10^6 / 60,000
        + round(units.audio_seconds * 1000) * (price.per_audio_minute or 0) * 50 // 3
    )
    return (micro_nano + MICRO // 2) // MICRO


def upper_cost(call: Call) -> int:
    """Return what the dearest of the call's targets could charge for it, in nano-dollars; no price counts as 0."""
    return max((_upper(call, target) for target in call.targets), default=0)


def estimated_units(call: Call, content_events: int, content_bytes: int) -> Units:
    """Return what was used where the vendor did not say: the input by its size, the output by what was seen of it.

    A streamed event carries about one token.
    """
    body = call.body
    if isinstance(body, Chat):
        output = content_events if call.stream else content_bytes // BYTES_PER_TOKEN
        return Units(input_tokens=input_tokens(body), output_tokens=output)
    return _input_units(call)


def input_tokens(chat: Chat) -> int:
    """Return about how many tokens a chat's input has."""
    size = sum(_part_bytes(part) for message in chat.messages for part in message.parts)
    size += sum(
        len(tool.name) + len(tool.description or "") + len(json.dumps(dict(tool.parameters))) for tool in chat.tools
    )
    return -(-size // BYTES_PER_TOKEN) + 4 * len(chat.messages)


def _upper(call: Call, target: Target) -> int:
    if target.model.price is None or call.operation == "tokens":
        return 0
    units = _input_units(call)
    if isinstance(call.body, Chat):
        output = call.body.max_output_tokens or target.model.max_output_tokens or RESERVED_OUTPUT_TOKENS
        units = Units(input_tokens=units.input_tokens, output_tokens=output * call.body.n)
    return cost_nano_usd(units, target.model.price)


def _input_units(call: Call) -> Units:
    match call.body:
        case Chat() as chat:
            return Units(input_tokens=input_tokens(chat))
        case Embeddings(inputs=inputs):
            return Units(input_tokens=sum(_tokens(item) for item in inputs))
        case Speech(text=text):
            return Units(characters=len(text))
        case Recording(duration_s=duration_s):
            return Units(audio_seconds=RESERVED_AUDIO_S if duration_s is None else duration_s)
        case _:
            return Units()


def _tokens(item: str | tuple[int, ...]) -> int:
    return -(-len(item.encode()) // BYTES_PER_TOKEN) if isinstance(item, str) else len(item)


def _part_bytes(part: Part) -> int:
    match part:
        case Text(text) | Thinking(text):
            return len(text.encode(errors="replace"))
        case ToolUse():
            return len(part.name) + len(part.arguments)
        case ToolResult():
            return sum(_part_bytes(inner) for inner in part.parts)
        case Image():
            return IMAGE_TOKENS * BYTES_PER_TOKEN
        case _:
            return len(getattr(part, "data_b64", "") or "")
