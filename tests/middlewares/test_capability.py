"""The capability middleware: what a target cannot take is left out and told, or the target is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from gateway.errors import UnsupportedByTarget
from gateway.middlewares import usable
from gateway.middlewares.capability import DROPPED_HEADER, PARAMETERS, Fit, Refusal, adapt, fit, fit_speech, refusal
from gateway.types import (
    Audio,
    Call,
    Chat,
    Done,
    Event,
    Head,
    Image,
    Message,
    Model,
    OutputFormat,
    Provider,
    Receipt,
    Reply,
    Speech,
    Target,
    Text,
    TextDelta,
    Tool,
    ToolChoice,
    ToolResult,
)
from tests.given import attempting, recording_call, speech_call

HELLO = (Message("user", (Text("hello"),)),)
TOOL = Tool("f", None, {"type": "object"})


def target(*, lacks: frozenset[str] = frozenset(), provider_drop: Any = "warn", **row: Any) -> Target:
    plugin: Any = SimpleNamespace(
        wire={"chat": "vendor.chat"}, lacks=lacks, refusal=lambda call, target: None, credentials=()
    )
    given: dict[str, Any] = {key: frozenset(value) if isinstance(value, set) else value for key, value in row.items()}
    model = Model("m", "chat", **given)
    return Target(Provider("p", plugin, "http://vendor", drop=provider_drop), model)


def call(dialect: str = "vendor.chat", **chat: Any) -> Call:
    head = Head("id", "POST", "/", {}, {}, "127.0.0.1")
    body = Chat(**({"messages": HELLO} | chat))
    return Call("id", "chat", dialect, "m", body, head, Receipt("id", 0.0))


def fitted(asked: Call, at: Target, *, is_verbatim: bool = True) -> Fit[Chat]:
    found = fit(asked, at, is_verbatim=is_verbatim)
    assert isinstance(found, Fit), found
    return found


def refused(asked: Call, at: Target, *, is_verbatim: bool = True) -> Refusal:
    found = fit(asked, at, is_verbatim=is_verbatim)
    assert isinstance(found, Refusal), found
    return found


def test_a_model_that_refuses_nothing_gets_the_very_chat() -> None:
    asked = call(temperature=1.0, seed=3, stop=("a",), logprobs=True, extra={"metadata": {}})
    assert fitted(asked, target()).body is asked.body
    assert fitted(asked, target()).dropped == ()


def test_a_refused_parameter_is_left_out_and_named() -> None:
    found = fitted(call(temperature=1.0, seed=3, top_p=0.5), target(refuses={"temperature", "seed", "stop"}))
    assert found.dropped == ("seed", "temperature")
    assert (found.body.temperature, found.body.seed, found.body.top_p) == (None, None, 0.5)


def test_a_parameter_that_says_what_a_vendor_does_anyway_is_not_given() -> None:
    plain: dict[str, Any] = {
        "tool_choice": ToolChoice("auto"),
        "output_format": OutputFormat("text"),
        "n": 1,
        "logprobs": False,
    }
    found = fitted(call(**plain, parallel_tool_calls=True, tools=()), target(refuses=set(PARAMETERS)))
    assert found.dropped == ()


def test_a_parameter_is_named_as_the_client_calls_it() -> None:
    asked = call("openai.chat", max_output_tokens=101, seed=1)
    assert fitted(asked, target(max_output_tokens=100, refuses={"seed"})).dropped == ("max_completion_tokens", "seed")
    wanted = call("openai.responses", output_format=OutputFormat("json_object"))
    assert refused(wanted, target(refuses={"output_format"})).param == "text.format"


def test_drop_reject_refuses_the_target_and_names_the_parameter() -> None:
    found = refused(call(temperature=1.0), target(refuses={"temperature"}, provider_drop="reject"))
    assert found == Refusal("temperature", "takes no temperature (drop: reject); leave that out")


@pytest.mark.parametrize(("provider", "model", "is_dropped"), [("warn", "reject", False), ("reject", "warn", True)])
def test_a_models_own_policy_wins(provider: str, model: str, is_dropped: bool) -> None:
    found = fit(call(seed=1), target(refuses={"seed"}, provider_drop=provider, drop=model), is_verbatim=True)
    assert isinstance(found, Fit) == is_dropped


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tools", (TOOL,)),
        ("tool_choice", ToolChoice("required")),
        ("output_format", OutputFormat("json_object")),
        ("n", 2),
    ],
)
def test_what_changes_the_kind_of_answer_is_never_left_out(name: str, value: Any) -> None:
    assert refused(call(**{name: value}), target(refuses={name})) == Refusal(name, f"takes no {name}")


@pytest.mark.parametrize(
    ("effort", "default", "is_dropped"),
    [(None, "medium", True), ("none", "medium", False), ("low", "none", True), (None, "none", False)],
)
def test_some_parameters_are_refused_only_while_reasoning(effort: str | None, default: str, is_dropped: bool) -> None:
    at = target(refuses_while_reasoning={"temperature"}, default_reasoning_effort=default)
    assert bool(fitted(call(temperature=1.0, reasoning_effort=effort), at).dropped) == is_dropped


def test_a_field_that_the_vendors_format_lacks_is_lost_in_translation_only() -> None:
    at = target(lacks=frozenset({"top_k"}))
    assert fitted(call(top_k=5), at, is_verbatim=True).dropped == ()
    assert fitted(call("other.chat", top_k=5), at, is_verbatim=False).dropped == ("top_k",)


def test_logprobs_reach_a_client_by_the_untouched_answer_only() -> None:
    asked = call(logprobs=True, top_logprobs=2, temperature=1.0)
    assert fitted(asked, target(), is_verbatim=False).dropped == ("logprobs", "top_logprobs")
    assert fitted(asked, target(refuses={"temperature"})).dropped == ("logprobs", "temperature", "top_logprobs")


def test_extra_fields_are_lost_to_another_dialects_vendor_and_told() -> None:
    asked = call("other.chat", extra={"metadata": {"a": "b"}, "store": None})
    assert fitted(asked, target(), is_verbatim=False).dropped == ("metadata",)
    assert fitted(call(extra={"metadata": {}}), target(), is_verbatim=False).dropped == ()


def test_an_extra_field_can_be_refused_by_name() -> None:
    found = fitted(call(extra={"metadata": {"a": "b"}, "store": True}), target(refuses={"metadata"}))
    assert (found.dropped, dict(found.body.extra)) == (("metadata",), {"store": True})


def test_a_plugin_says_which_fields_of_another_dialect_it_carries() -> None:
    at = target()
    at.provider.plugin.carries = lambda call, target: frozenset({"metadata"})  # type: ignore[attr-defined]
    assert fitted(call("other.chat", extra={"metadata": 1, "store": 1}), at, is_verbatim=False).dropped == ("store",)


def test_a_field_without_a_normal_form_needs_the_clients_own_wire() -> None:
    asked = call("vendor.chat", only_verbatim=("tools[0]",))
    assert fitted(asked, target()).dropped == ()
    assert refused(asked, target(), is_verbatim=False).param == "tools[0]"
    assert "own format is vendor.chat" in refused(asked, target(), is_verbatim=False).reason
    assert refused(call(only_verbatim=("tools[0]",), seed=1), target(refuses={"seed"})).param == "tools[0]"


@pytest.mark.parametrize(("asked", "is_over"), [(99, False), (100, False), (101, True)])
def test_more_output_than_a_model_writes_is_cut_down_to_its_limit(asked: int, is_over: bool) -> None:
    found = fitted(call(max_output_tokens=asked), target(max_output_tokens=100))
    assert (found.body.max_output_tokens, found.dropped) == ((100, ("max_output_tokens",)) if is_over else (asked, ()))
    at = target(max_output_tokens=100, drop="reject")
    assert isinstance(fit(call(max_output_tokens=asked), at, is_verbatim=True), Refusal) == is_over


@pytest.mark.parametrize(
    "parts",
    [
        (Text("see"), Image(url="https://x/y.png")),
        (ToolResult("t", (Image(media_type="image/png", data_b64="AAAA"),)),),
    ],
)
def test_an_image_skips_a_model_that_reads_text_only(parts: Any) -> None:
    asked = call(messages=(Message("user", parts),))
    assert refused(asked, target(modalities={"text"})) == Refusal("messages", "takes no image input; it takes text")
    assert fitted(asked, target(modalities={"text", "image"})).dropped == ()
    assert fitted(asked, target()).dropped == ()


def test_audio_and_files_are_told_apart_from_images() -> None:
    asked = call(messages=(Message("user", (Audio("wav", "AAAA"),)),))
    assert refused(asked, target(modalities={"text", "image"})).reason == "takes no audio input; it takes image, text"


@pytest.mark.parametrize(("characters", "fits"), [(79, True), (87, True), (88, False)])
def test_a_text_that_cannot_fit_is_not_sent(characters: int, fits: bool) -> None:
    asked = call(messages=(Message("user", (Text("x" * characters),)),))
    assert isinstance(fit(asked, target(context_tokens=10), is_verbatim=True), Fit) == fits


def test_a_refusal_is_the_targets_reason_to_be_skipped() -> None:
    at = target(refuses={"seed"}, drop="reject")
    found = usable.refuse(replace(call(seed=1), targets=(at,)), at)
    assert found == usable.Refusal("p/m", "seed", "takes no seed (drop: reject); leave that out")
    assert refusal(call(), at) is None


async def test_the_attempt_goes_out_without_what_was_dropped_and_the_answer_says_so() -> None:
    seen: list[Call] = []
    asked = replace(call(seed=1), target=target(refuses={"seed"}), is_verbatim=True)
    await adapt(asked, keeping(seen))
    assert isinstance(seen[0].body, Chat)
    assert (seen[0].body.seed, seen[0].is_verbatim) == (None, False)
    assert asked.receipt.headers == {"x-gateway-dropped": "seed"}


async def test_what_one_target_dropped_is_not_said_of_the_next() -> None:
    asked = replace(call(seed=1), target=target(refuses={"seed"}), is_verbatim=True)
    first, second = attempting(asked), attempting(asked)
    await adapt(first, keeping([]))
    seen: list[Call] = []
    await adapt(replace(second, target=target()), keeping(seen))
    assert (first.told, second.told) == ({"x-gateway-dropped": "seed"}, {})
    assert asked.receipt.headers == {}
    assert seen[0].is_verbatim


async def test_a_target_that_turns_out_unfit_lets_the_next_one_try() -> None:
    asked = replace(call(only_verbatim=("background",)), target=target(), is_verbatim=False)
    with pytest.raises(UnsupportedByTarget, match="p/m is sent a translation") as caught:
        await adapt(asked, keeping([]))
    assert (caught.value.can_fail_over, caught.value.param) == (True, "background")


@pytest.mark.parametrize(
    ("given", "at", "dropped"),
    [
        ("gently", {}, ()),
        ("gently", {"lacks": frozenset({"instructions"})}, ("instructions",)),
        ("gently", {"refuses": {"instructions"}}, ("instructions",)),
        ("", {"refuses": {"instructions"}}, ()),
        (None, {"refuses": {"instructions"}}, ()),
    ],
)
def test_how_to_speak_is_left_out_where_nobody_could_follow(
    given: str | None, at: Any, dropped: tuple[str, ...]
) -> None:
    asked = speech_call()
    asked = replace(asked, body=Speech("a", "nova", instructions=given))
    found = fit_speech(asked, target(**at))
    assert isinstance(found, Fit)
    assert (found.dropped, found.body.instructions) == (dropped, None if dropped else given)


def test_how_to_speak_is_not_left_out_where_nothing_may_be() -> None:
    asked = replace(speech_call(), body=Speech("a", "nova", instructions="gently"))
    at = target(refuses={"instructions"}, provider_drop="reject")
    assert refusal(asked, at) == Refusal("instructions", "takes no instructions (drop: reject); leave that out")
    at = replace(at, voices={"nova": "n"})
    refused = usable.refuse(asked, at)
    assert refused is not None
    assert refused.param == "instructions"


async def test_what_only_the_dialect_knows_is_told_and_what_it_sees_to_is_not() -> None:
    spoken = speech_call(dialect="polly.speech")
    spoken = replace(spoken, body=Speech("a", "nova", extra={"LexiconNames": ("a",), "law": "mulaw"}))
    written = recording_call(dialect="deepgram.listen", recording={"extra": {"numerals": ("true",), "speakers": True}})
    for asked, name in ((spoken, "LexiconNames"), (written, "numerals")):
        assert refusal(asked, target(provider_drop="reject")) == Refusal(
            name, f"takes no {name} (drop: reject); leave that out"
        )
        at = attempting(replace(asked, target=target(), wish="model"))
        await adapt(at, keeping([]))
        assert at.told[DROPPED_HEADER] == f"model,{name}"
    assert refusal(recording_call(recording={"extra": {"numerals": ("true",)}}), target(provider_drop="reject")) is None


def test_the_schema_names_exactly_the_parameters_of_the_normal_form() -> None:
    schema = orjson.loads((Path(__file__).parents[2] / "schemas/providers.schema.json").read_bytes())
    row: Mapping[str, Any] = schema["$defs"]["model"]["properties"]
    for key in ("refuses", "refuses_while_reasoning"):
        names = set(row[key]["items"]["enum"])
        assert names >= PARAMETERS
        assert not names & ({field.name for field in fields(Chat)} - PARAMETERS)


def keeping(seen: list[Call]) -> Any:
    async def handler(call: Call) -> Reply:
        seen.append(call)
        return Reply(events())

    return handler


async def events() -> AsyncIterator[Event]:
    yield TextDelta("hi")
    yield Done()
