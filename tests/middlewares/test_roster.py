"""Another model for what this one cannot take: by name or pattern, once, and only where one is named."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from gateway.config.model import Failover as Policy
from gateway.errors import (
    ContentRefused,
    ContextExceeded,
    GatewayError,
    UnsupportedByTarget,
    UpstreamCut,
    UpstreamRejected,
    UpstreamUnavailable,
)
from gateway.middlewares.failover import Failover
from gateway.middlewares.roster import Roster
from gateway.types import SHADOW, Chat, Done, Message, Target, Text, TextDelta, Usage
from tests.given import call, drained, target
from tests.middlewares.answering import GOOD, USAGE, Vendors, fresh_shares

LONG = {"long": (target("big/m"),)}
LONG_CHAT = Chat((Message("user", (Text("x" * 9_000),)),))


def policy(**fallbacks: dict[str, str]) -> Policy:
    return Policy(max_wait_s=0, fallbacks=MappingProxyType(fallbacks))


async def asked_of(vendors: Vendors, given: Policy, **more: Any) -> tuple[list[Any], dict[str, str]]:
    targets = tuple(each for each in vendors.targets if each.provider.name != "big")
    asked, answer = await vendors.ask(policy=given, substitutes=LONG, **({"targets": targets} | more))
    return await drained(answer.events), asked.receipt.headers


async def test_a_chat_too_long_for_its_model_goes_to_the_model_named_for_that() -> None:
    vendors = Vendors(a=ContextExceeded("9 tokens"), big=GOOD)
    events, headers = await asked_of(vendors, policy(context_window={"*": "long"}))
    assert events == list(GOOD)  # type: ignore[arg-type]
    assert vendors.whys() == [("a/m", "first"), ("big/m", "fallback")]
    assert headers == {"x-gateway-fallback": "fast -> long (context_window)"}
    assert vendors.calls[1].model == "long"


async def test_a_chat_that_no_target_can_hold_is_sent_to_none_of_them() -> None:
    small = target("a/m", context_tokens=8)
    vendors = Vendors(a=GOOD, big=GOOD)
    _, headers = await asked_of(vendors, policy(context_window={"fast": "long"}), targets=(small,), body=LONG_CHAT)
    assert vendors.asked == ["big"]
    assert headers == {"x-gateway-fallback": "fast -> long (context_window)"}
    assert vendors.last.receipt.skipped[0][0] == "a/m"


async def test_without_a_model_named_another_target_may_hold_it() -> None:
    vendors = Vendors(a=ContextExceeded("9 tokens"), b=GOOD)
    await asked_of(vendors, policy())
    assert vendors.asked == ["a", "b"]


async def test_without_a_model_named_too_long_is_the_clients_to_mend() -> None:
    with pytest.raises(UnsupportedByTarget):
        await asked_of(Vendors(a=GOOD), policy(), targets=(target("a/m", context_tokens=8),), body=LONG_CHAT)
    vendors = Vendors(a=ContextExceeded("9 tokens"))
    with pytest.raises(ContextExceeded) as caught:
        await asked_of(vendors, policy())
    assert caught.value.blame == "client"
    assert vendors.asked == ["a"]


@pytest.mark.parametrize("is_named", [True, False])
async def test_what_a_vendor_refuses_to_answer_is_asked_elsewhere_only_where_that_is_named(is_named: bool) -> None:
    vendors = Vendors(a=ContentRefused("no"), b=GOOD, big=GOOD)
    given = policy(content_policy={"fa*": "long"}) if is_named else policy()
    if is_named:
        await asked_of(vendors, given)
    else:
        with pytest.raises(ContentRefused):
            await asked_of(vendors, given)
    assert vendors.asked == (["a", "big"] if is_named else ["a"])


FILTERED = (TextDelta("I can"), USAGE, Done("content_filter"))


@pytest.mark.parametrize(("stream", "is_seen"), [(False, True), (True, False)])
async def test_a_filter_that_cuts_an_answer_is_a_refusal_where_nothing_was_sent_yet(
    stream: bool, is_seen: bool
) -> None:
    vendors = Vendors(a=FILTERED, big=GOOD)
    events, headers = await asked_of(vendors, policy(content_policy={"*": "long"}), stream=stream)
    assert events == list(GOOD if is_seen else FILTERED)  # type: ignore[arg-type]
    assert ("x-gateway-fallback" in headers) == is_seen
    assert vendors.outcomes()[0] == ("a/m", "content_policy_violation" if is_seen else "ok")
    assert (vendors.closed["a"].count == 1) == is_seen


async def test_a_filter_is_the_vendors_answer_where_no_model_is_named_for_this_one() -> None:
    vendors = Vendors(a=FILTERED, big=GOOD)
    events, _ = await asked_of(vendors, policy(content_policy={"slow": "long"}))
    assert events == list(FILTERED)


async def test_each_fault_diverts_once() -> None:
    vendors = Vendors(a=ContextExceeded("long"), big=ContextExceeded("longer"))
    with pytest.raises(ContextExceeded, match="longer"):
        await asked_of(vendors, policy(context_window={"*": "long"}))
    assert vendors.asked == ["a", "big"]


async def test_one_fault_may_follow_another() -> None:
    vendors = Vendors(a=ContextExceeded("long"), big=ContentRefused("no"), other=GOOD)
    given = policy(context_window={"fast": "long"}, content_policy={"long": "other"})
    others = LONG | {"other": (target("other/m"),)}
    asked, _ = await vendors.ask(policy=given, substitutes=others, targets=(target("a/m"),), attempts=1)
    assert vendors.asked == ["a", "big", "other"]
    assert asked.receipt.headers["x-gateway-fallback"] == "long -> other (content_policy)"


async def test_the_other_model_has_its_own_failover() -> None:
    vendors = Vendors(a=ContextExceeded("long"), b=GOOD, big=UpstreamUnavailable("no"), big2=GOOD)
    others = {"long": (target("big/m"), target("big2/m"))}
    await vendors.ask(policy=policy(context_window={"*": "long"}), substitutes=others, targets=vendors.targets[:2])
    assert vendors.asked == ["a", "big", "big2"]


async def test_another_fault_of_the_request_stays_the_clients() -> None:
    vendors = Vendors(a=UpstreamRejected("no such field"), big=GOOD)
    with pytest.raises(UpstreamRejected):
        await asked_of(vendors, policy(context_window={"*": "long"}, content_policy={"*": "long"}))
    assert vendors.asked == ["a"]


# ---------------------------------------------------------------- which model


@pytest.mark.parametrize(
    ("named", "model", "expected"),
    [
        ({"*": "long"}, "fast", "long"),
        ({"fast": "long", "*": "other"}, "fast", "long"),
        ({"*": "other", "fast": "long"}, "fast", "long"),
        ({"gpt-*": "long"}, "fast", None),
        ({"gpt-*": "long"}, "gpt-5", "long"),
        ({"*": "long"}, "long", None),
        ({"*": "nobody"}, "fast", None),
        ({"*": "mute"}, "fast", None),
    ],
)
def test_the_name_comes_before_patterns_and_what_serves_nothing_is_none(
    named: dict[str, str], model: str, expected: str | None
) -> None:
    others: dict[str, tuple[Target, ...]] = {
        "long": (target("big/m"),),
        "other": (target("other/m"),),
        "mute": (target("tts/m", operation="speech"),),
    }
    roster = Roster((), {"context_window": named}, others)
    found = roster.fallback(call(model=model), "context_window")
    assert (found.model if found is not None else None) == expected
    assert roster.fallback(call(model=model), "content_policy") is None


def test_counting_tokens_finds_the_chats_model() -> None:
    roster = Roster((), {"context_window": {"*": "long"}}, LONG)
    found = roster.fallback(replace(call(), operation="tokens"), "context_window")
    assert found is not None
    assert found.targets == LONG["long"]


async def test_a_stream_that_broke_off_is_no_refusal() -> None:
    vendors = Vendors(a=(TextDelta("x"), Usage(USAGE.units), UpstreamCut("cut")), b=GOOD, big=GOOD)
    events, _ = await asked_of(vendors, policy(content_policy={"*": "long"}), stream=False)
    assert events == list(GOOD)  # type: ignore[arg-type]
    assert vendors.asked == ["a", "b"]


@pytest.mark.parametrize("error", [UpstreamUnavailable("no"), ContextExceeded("9 tokens")])
async def test_a_copy_for_a_shadow_is_sent_once_and_to_nobody_else(error: GatewayError) -> None:
    vendors = Vendors(a=error, b=GOOD, big=GOOD)
    shares = fresh_shares()
    asked = call(targets=vendors.targets[:2])
    asked.receipt.route = SHADOW
    given = replace(policy(context_window={"*": "long"}), max_wait_s=10)
    with pytest.raises(type(error)):
        await Failover(given, True, substitutes=LONG, shares=shares)(asked, vendors.handler)
    assert vendors.asked == ["a"]
    assert vendors.closed == {}
    small = call(LONG_CHAT, targets=(target("a/m", context_tokens=8),))
    small.receipt.route = SHADOW
    with pytest.raises(UnsupportedByTarget):
        await Failover(given, True, substitutes=LONG, shares=shares)(small, vendors.handler)
    assert vendors.asked == ["a"]
