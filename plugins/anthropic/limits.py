"""What Anthropic cannot be told, decided before anything is sent (vendors.md 2.1, 2026-11-23)."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.types import Audio, Call, Chat, File, Image, Message, Part, Target, Text, ToolResult, ToolUse

from .options import can_force_tools, continues_assistant, takes_sampling
from .thinking import is_forced, is_written, plan

LACKS = frozenset({"n", "logprobs", "top_logprobs", "logit_bias", "seed", "frequency_penalty", "presence_penalty"})
MIN_TOP_P_WHILE_THINKING = 0.95  # below it, and with any temperature but 1, a model with a thinking budget refuses

_IMAGE_TYPES = frozenset({"image/jpeg", "image/jpg", "image/png", "image/gif", "image/webp"})
_FILE_TYPES = frozenset({"application/pdf", "text/plain"})


def lacks_at(call: Call, target: Target) -> frozenset[str]:
    """Return the fields of `Chat` that have no place in a request to this target."""
    chat = call.body
    if not isinstance(chat, Chat):
        return LACKS
    planned = plan(call, chat, target)
    lacks = LACKS | planned.lost
    if not takes_sampling(target):
        lacks |= {"temperature", "top_p", "top_k"}
    elif planned.is_budgeted:
        lacks |= {"temperature", "top_k"}
        if chat.top_p is not None and chat.top_p < MIN_TOP_P_WHILE_THINKING:
            lacks |= {"top_p"}
    elif chat.temperature is not None:
        lacks |= {"top_p"}  # one of the two, never both
    if is_forced(chat) and not can_force_tools(target):
        lacks |= {"tool_choice"}
    if any(not stop.strip() for stop in chat.stop):
        lacks |= {"stop"}
    return lacks


def refusal(call: Call, target: Target) -> str | None:
    """Return why a chat cannot be translated for this target, or None where it can."""
    chat = call.body
    if not isinstance(chat, Chat):
        return None
    if chat.output_format is not None and chat.output_format.kind == "json_object":
        return "has no JSON mode without a schema; ask for json_schema"
    if _ends_with_assistant(chat) and not continues_assistant(target):
        return "does not continue the assistant's message; end with the user's"
    for message in chat.messages:
        for part in _flat(message.parts):
            fault = _fault(part, message, call)
            if fault is not None:
                return fault
    return None


def _ends_with_assistant(chat: Chat) -> bool:
    """Say whether the last turn is the assistant's. Blanks make no turn, and a system message none after the assistant.

    A call without its result is another fault, which the vendor names.
    """
    for message in reversed(chat.messages):
        if message.role not in ("system", "developer") and any(is_written(part) for part in message.parts):
            return message.role == "assistant" and not any(isinstance(part, ToolUse) for part in message.parts)
    return False


def _flat(parts: tuple[Part, ...]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, ToolResult):
            yield from part.parts
        else:
            yield part


def _fault(part: Part, message: Message, call: Call) -> str | None:
    if isinstance(part, Text):
        return None
    if isinstance(part, Audio):
        return "takes no audio"
    if isinstance(part, Image | File) and message.role in ("system", "developer"):
        return f"takes only text in {message.role} messages"
    if isinstance(part, File) and message.role == "assistant":
        return "takes files in the user's messages only"
    if isinstance(part, Image) and part.data_b64 is not None and part.media_type not in _IMAGE_TYPES:
        return f"takes images of jpeg, png, gif and webp, not {str(part.media_type)[:60]!r}"
    if isinstance(part, File):
        return _file_fault(part, call)
    return None


def _file_fault(file: File, call: Call) -> str | None:
    if file.file_id is not None:
        return (
            None if call.dialect.startswith("anthropic.") else "does not know another vendor's file_id; send the file"
        )
    if file.data_b64 is not None and file.media_type not in _FILE_TYPES:
        return f"takes files of pdf and plain text, not {str(file.media_type)[:60]!r}"
    return None
