"""Can this target take what the client asked for? Each attempt goes out with what its target can take, or not at all.

What a model refuses stands in its row of providers.yaml, what a vendor's format cannot say is known by its plugin. With
`drop: warn` such a parameter is left out and the answer's header `x-gateway-dropped` names it; with `drop: reject` the
target is refused. Whatever would change what the answer is (tools, its shape, the number of choices) is never left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Generic, TypeVar

from gateway.config.model import Config, Route
from gateway.dialects import DIALECTS
from gateway.errors import UnsupportedByTarget
from gateway.plugin import carried, is_native, lacking
from gateway.services import Services
from gateway.types import (
    EMPTY,
    Audio,
    Call,
    Chat,
    File,
    Handler,
    Image,
    Middleware,
    Model,
    OutputFormat,
    Part,
    Recording,
    Reply,
    Speech,
    Target,
    Text,
    ToolChoice,
    ToolResult,
    ToolUse,
    quick,
    replace,
)

Asked = TypeVar("Asked", Chat, Speech, Recording)

DROPPED_HEADER = "x-gateway-dropped"
MAX_BYTES_PER_TOKEN = 8  # no ordinary text has longer tokens, so that nothing is refused that would have fitted

_ADAPTED = (Chat, Speech, Recording)
_NOT_PARAMETERS = frozenset({"messages", "max_output_tokens", "wants_usage", "extra", "only_verbatim"})
PARAMETERS = frozenset(field.name for field in fields(Chat)) - _NOT_PARAMETERS
# Without these the answer is another than was asked for.
ESSENTIAL = frozenset({"tools", "tool_choice", "output_format", "n"})
# No event carries these, so only an answer that is passed on untouched has them.
_VERBATIM_ONLY = frozenset({"logprobs", "top_logprobs"})


def _unsaid(name: str) -> tuple[Any, ...]:
    """The values of a parameter that ask for nothing but what a vendor does anyway."""
    default = next(field.default for field in fields(Chat) if field.name == name)
    implied = {
        "tool_choice": (ToolChoice("auto"),),
        "output_format": (OutputFormat("text"),),
        "parallel_tool_calls": (True,),
        "logprobs": (False,),
        "top_logprobs": (0,),
        "logit_bias": ({},),
        "frequency_penalty": (0, 0.0),
        "presence_penalty": (0, 0.0),
    }
    return (None if default is MISSING else default, *implied.get(name, ()))


_UNSAID = {name: _unsaid(name) for name in PARAMETERS}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a target cannot take a chat; `param` is the first field that asks too much."""

    param: str
    reason: str
    is_too_long: bool = False  # of a text that the model cannot hold


@quick
@dataclass(frozen=True, slots=True)
class Fit(Generic[Asked]):
    """A chat, speech or recording as a target can take it, and the names of what was left out for that."""

    body: Asked
    dropped: tuple[str, ...] = ()


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return adapt


async def adapt(call: Call, handler: Handler) -> Reply:
    """Send the attempt out with what its target takes. Raises UnsupportedByTarget where that will not do."""
    target = call.target
    if target is None or not isinstance(call.body, _ADAPTED):
        return await handler(call)
    if isinstance(call.body, Speech):
        fitted: Fit[Chat] | Fit[Speech] | Fit[Recording] | Refusal = fit_speech(call, target)
    elif isinstance(call.body, Recording):
        fitted = fit_recording(call, target)
    else:
        fitted = fit(call, target, is_verbatim=call.is_verbatim)
    if isinstance(fitted, Refusal):
        raise UnsupportedByTarget(f"{target.name} {fitted.reason}", param=fitted.param)
    dropped = (call.wish, *fitted.dropped) if call.wish else fitted.dropped
    if dropped:
        call.told[DROPPED_HEADER] = ",".join(dropped)
    if fitted.dropped:
        call = replace(call, body=fitted.body, is_verbatim=False)
    return await handler(call)


def refusal(call: Call, target: Target) -> Refusal | None:
    """Return why the target cannot take what `call` asks for in whatever form, or None where it can."""
    if isinstance(call.body, Speech):
        unspeakable = fit_speech(call, target)
        return unspeakable if isinstance(unspeakable, Refusal) else None
    if isinstance(call.body, Recording):
        unwritable = fit_recording(call, target)
        return unwritable if isinstance(unwritable, Refusal) else None
    fitted = fit(call, target, is_verbatim=is_native(call, target))
    return fitted if isinstance(fitted, Refusal) else None


def fit(call: Call, target: Target, *, is_verbatim: bool) -> Fit[Chat] | Refusal:
    """Return the chat as the target takes it, or why it cannot. `is_verbatim`: the client's own bytes would be sent."""
    chat = call.body
    assert isinstance(chat, Chat)
    too_much = _wrong_part(chat, target.model) or _too_long(chat, target.model)
    if too_much is not None:
        return too_much
    unwanted = _unwanted(chat, target.model)
    if not is_verbatim or unwanted:
        if chat.only_verbatim:
            return _needs_its_own_wire(chat.only_verbatim, call.dialect)
        unwanted |= _untranslatable(call, chat, target)
    limit = target.model.max_output_tokens
    is_over = limit is not None and chat.max_output_tokens is not None and chat.max_output_tokens > limit
    if not unwanted and not is_over:
        return Fit(chat)
    essential = _named(call, unwanted & ESSENTIAL)
    if essential:
        return Refusal(essential[0], f"takes no {', '.join(essential)}")
    named = _named(call, unwanted | ({"max_output_tokens"} if is_over else set()))
    if _policy(target) == "reject":
        return Refusal(named[0], _rejection(_named(call, unwanted), limit if is_over else None))
    return Fit(_without(chat, unwanted, limit if is_over else None), tuple(named))


def fit_speech(call: Call, target: Target) -> Fit[Speech] | Refusal:
    """Return the text as the target speaks it, or why it cannot: how it is to be spoken is all that may be left out."""
    speech = call.body
    assert isinstance(speech, Speech)
    dropped = _unsent(call, speech.extra)
    if speech.instructions and "instructions" in target.model.refuses | lacking(call, target):
        dropped = (*dropped, "instructions")
        speech = replace(speech, instructions=None)
    if dropped and _policy(target) == "reject":
        return Refusal(dropped[0], _rejection(dropped, None))
    return Fit(speech, dropped)


def fit_recording(call: Call, target: Target) -> Fit[Recording] | Refusal:
    """Return the recording, with the names of what its dialect knows and nobody is sent, or why that will not do."""
    assert isinstance(call.body, Recording)
    dropped = _unsent(call, call.body.extra)
    if dropped and _policy(target) == "reject":
        return Refusal(dropped[0], _rejection(dropped, None))
    return Fit(call.body, dropped)


def _unsent(call: Call, extra: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that no provider is sent, where the dialect says which are its own affair."""
    own: frozenset[str] | None = getattr(DIALECTS.get(call.dialect), "own_fields", None)
    return () if own is None else tuple(sorted(name for name in extra if name not in own))


def _named(call: Call, names: Collection[str]) -> list[str]:
    """Return the parameters as the client calls them: its dialect says where that is another name than ours."""
    known: Mapping[str, str] = getattr(DIALECTS.get(call.dialect), "field_names", EMPTY)
    return sorted(known.get(name, name) for name in names)


def _policy(target: Target) -> str:
    return target.model.drop or target.provider.drop


def _unwanted(chat: Chat, model: Model) -> set[str]:
    """The parameters that were given and that the model's row refuses."""
    found = set(_given(chat, model.refuses)) if model.refuses else set()
    if model.refuses_while_reasoning and (chat.reasoning_effort or model.default_reasoning_effort) != "none":
        found.update(_given(chat, model.refuses_while_reasoning))
    return found


def _untranslatable(call: Call, chat: Chat, target: Target) -> set[str]:
    """What a translation to the target's wire format would lose."""
    found = set(_given(chat, lacking(call, target) | _VERBATIM_ONLY))
    if chat.extra:
        carries = carried(call, target)
        found.update(name for name, value in chat.extra.items() if value is not None and name not in carries)
    return found


def _given(chat: Chat, names: Collection[str]) -> Iterator[str]:
    for name in names:
        if name in _UNSAID:
            if getattr(chat, name) not in _UNSAID[name]:
                yield name
        elif chat.extra.get(name) is not None:
            yield name


def _without(chat: Chat, names: set[str], max_output_tokens: int | None) -> Chat:
    changes: dict[str, Any] = {name: _UNSAID[name][0] for name in names if name in _UNSAID}
    if any(name in chat.extra for name in names):
        changes["extra"] = {name: value for name, value in chat.extra.items() if name not in names}
    if max_output_tokens is not None:
        changes["max_output_tokens"] = max_output_tokens
    return replace(chat, **changes)


def _rejection(unwanted: Sequence[str], limit: int | None) -> str:
    reasons = [f"takes no {', '.join(unwanted)}"] if unwanted else []
    reasons += [f"writes at most {limit} tokens"] if limit is not None else []
    return f"{' and '.join(reasons)} (drop: reject); leave that out"


def _needs_its_own_wire(names: Sequence[str], dialect: str) -> Refusal:
    return Refusal(
        names[0],
        f"is sent a translation, which cannot carry {_listed(names)}: only a provider whose own format is {dialect} "
        "can take that, so name one of its models or leave it out",
    )


# ---------------------------------------------------------------- what a model reads


def _wrong_part(chat: Chat, model: Model) -> Refusal | None:
    if not model.modalities:
        return None
    for kind in _modalities(part for message in chat.messages for part in message.parts):
        if kind not in model.modalities:
            return Refusal("messages", f"takes no {kind} input; it takes {_listed(model.modalities)}")
    return None


def _modalities(parts: Iterator[Part]) -> Iterator[str]:
    for part in parts:
        match part:
            case Image():
                yield "image"
            case Audio():
                yield "audio"
            case File():
                yield "file"
            case ToolResult(parts=inner):
                yield from _modalities(iter(inner))
            case _:
                pass


def _too_long(chat: Chat, model: Model) -> Refusal | None:
    """A text that cannot fit by any count of tokens is not sent: the vendor would refuse it after reading it."""
    if model.context_tokens is None:
        return None
    least = sum(_text_bytes(part) for message in chat.messages for part in message.parts) // MAX_BYTES_PER_TOKEN
    if least <= model.context_tokens:
        return None
    return Refusal("messages", f"holds {model.context_tokens} tokens; this text has at least {least}", True)


def _text_bytes(part: Part) -> int:
    match part:
        case Text(text):
            return len(text)  # characters, which are never more than bytes
        case ToolUse():
            return len(part.arguments)
        case ToolResult():
            return sum(_text_bytes(inner) for inner in part.parts)
        case _:
            return 0


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
