"""What a call claims: the units it may use at most, of the limits that are for it, counted for whom they say."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.config.quantities import rate
from gateway.middlewares import claims
from gateway.middlewares.claims import claims_of, rules_of, told, used
from gateway.stores.limits import Claim, State, meters_of
from gateway.types import NANO_USD, Attempt, Budget, Call, Chat, Client, Limit, Message, Price, Text, Unit, Units
from tests.given import call, recording_call, speech_call, target


def limit_of(unit: Unit, text: str, **more: Any) -> Limit:
    return Limit("limit", rates=((unit, rate(text)),), **more)


def amount(limit: Limit, asked: Call) -> list[int]:
    return [claim.amount for claim in claims_of(rules_of([limit]), asked)]


def chat(text: str, **more: Any) -> Call:
    return call(Chat((Message("user", (Text(text),)),), **more))


def test_tokens_are_the_input_and_what_may_come_out() -> None:
    small, large = (
        amount(limit_of("tokens", "1000000/hour"), chat("word " * 400, max_output_tokens=n)) for n in (1, 100)
    )
    assert large[0] - small[0] == 99
    assert small[0] > 300


@pytest.mark.parametrize("limit", [500, 4_000])
def test_of_what_may_come_out_no_more_is_claimed_than_a_window_holds(limit: int) -> None:
    assert amount(limit_of("tokens", f"{limit}/hour"), chat("hello", max_output_tokens=1_000_000)) == [limit]


def test_an_input_beyond_the_whole_window_is_claimed_as_it_is() -> None:
    [claimed] = amount(limit_of("tokens", "100/hour"), chat("word " * 4_000))
    assert claimed > 1_000


def test_characters_are_exact_and_seconds_are_probed() -> None:
    assert amount(limit_of("characters", "9/day"), speech_call("né?!" * 5)) == [20]
    known = recording_call(recording={"duration_s": 1.2345})
    assert amount(limit_of("audio_ms", "5000/day"), known) == [1_234]
    assert amount(limit_of("audio_ms", "5000/day"), recording_call()) == [5_000]  # unknown: at most a whole window


def test_a_unit_that_a_call_has_not_is_not_claimed() -> None:
    assert amount(limit_of("characters", "9/day"), chat("hello")) == []
    assert amount(limit_of("requests", "9/day"), chat("hello")) == [1]


@pytest.mark.parametrize(
    ("per", "subject"),
    [
        ((), "all"),
        (("key",), "key=key-1"),
        (("tenant", "model"), "tenant=tenant-1 model=fast"),
        (("operation", "address"), "operation=chat address=127.0.0.1"),
    ],
)
def test_it_is_counted_for_whom_the_limit_says(per: Any, subject: str) -> None:
    [claim] = claims_of(rules_of([limit_of("requests", "9/day", per=per)]), call())
    assert claim.subject == subject


@pytest.mark.parametrize("kept", [2, 1_000])
def test_every_subject_has_its_counters_however_few_keys_are_kept(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MAX_KNOWN", kept)
    rules = rules_of([limit_of("requests", "9/day", per=("key", "tenant"), concurrent=2)])
    clients = [Client(name, tenant) for name in "abc" for tenant in ("t", "u")]
    for client in clients * 2:
        for claim in claims_of(rules, call(client=client)):
            assert claim.subject == f"key={client.name} tenant={client.tenant}"
            assert claim.key == f"{claim.meter.id}|{claim.subject}"
    assert len(rules[0]._known) <= min(kept, len(clients))


@pytest.mark.parametrize(
    ("only", "is_for"),
    [
        ({"model": ("f*",)}, True),
        ({"model": ("smart", "fast")}, True),
        ({"model": ("smart",)}, False),
        ({"operation": ("chat",), "tenant": ("tenant-2",)}, False),
        ({"key": ("key-1",), "tenant": ("tenant-*",), "address": ("127.*",)}, True),
    ],
)
def test_a_limit_is_for_the_calls_that_fit_all_it_names(only: Any, is_for: bool) -> None:
    assert bool(claims_of(rules_of([limit_of("requests", "9/day", only=only)]), call())) == is_for


def test_the_provider_is_that_of_the_attempt() -> None:
    limit = limit_of("requests", "9/day", per=("provider",), only={"provider": ("acme",)})
    assert [claim.subject for claim in claims_of(rules_of([limit]), call(at=target("acme/a")))] == ["provider=acme"]
    assert claims_of(rules_of([limit]), call(at=target("other/a"))) == []


def test_beyond_a_budget_its_money_alone_is_soft() -> None:
    limit = limit_of("requests", "9/day", budgets=(Budget(5, "day"),))
    other = limit_of("requests", "9/hour", budgets=(Budget(5, "hour"),))
    priced = call(targets=(target(price=Price(per_request=7)),))
    claims = claims_of(rules_of([limit, other]), priced, beyond=limit)
    assert [(claim.meter.kind, claim.is_soft) for claim in claims] == [
        ("window", False), ("money", True), ("window", False), ("money", False),
    ]  # fmt: skip


def test_what_was_used_is_the_sum_of_what_was_tried() -> None:
    attempts = [
        Attempt("a/b", units=Units(input_tokens=5, output_tokens=2, characters=7, audio_seconds=0.5)),
        Attempt("c/d", units=Units(input_tokens=1, audio_seconds=0.25)),
    ]
    counted: list[tuple[Unit, int]] = [("tokens", 8), ("characters", 7), ("audio_ms", 750), ("requests", 3)]
    for unit, expected in counted:
        claim = Claim(meters_of(limit_of(unit, "9/day"))[0], "all", 3)
        assert used(attempts, 40, claim) == expected
    money = Claim(meters_of(Limit("l", budgets=(Budget(5, "day"),)))[0], "all", 3)
    assert [used(attempts, cost, money) for cost in (None, 0, 40)] == [0, 0, 40]


def test_of_each_unit_the_limit_nearest_to_its_end_is_told() -> None:
    limits = [limit_of("tokens", "1000/minute"), limit_of("tokens", "9000/hour"), limit_of("audio_ms", "60000/day")]
    claims = [Claim(meters_of(limit)[0], "all", 1) for limit in limits]
    budgets = [Claim(meters_of(Limit("l", budgets=(Budget(n, "day"),)))[0], "all", 1) for n in (10**9, 2 * 10**9)]
    states = [State(500, 20.2), State(900, 3_000.0), State(30_500, 7.0), State(5, 9.0), State(10**9, None)]
    assert told(list(zip([*claims, *budgets], states, strict=True))) == {
        "x-ratelimit-limit-tokens": "9000",
        "x-ratelimit-remaining-tokens": "900",
        "x-ratelimit-reset-tokens": "3000s",
        "x-ratelimit-limit-audio-seconds": "60",
        "x-ratelimit-remaining-audio-seconds": "30",
        "x-ratelimit-reset-audio-seconds": "7s",
        "x-gateway-budget-left-usd": "0.000000005",
    }


@pytest.mark.parametrize(
    ("left", "usd"),
    [
        (0, "0.000000000"),
        (1, "0.000000001"),
        (5 * NANO_USD, "5.000000000"),
        (2**53 + 1, "9007199.254740993"),
        (1_234_567_890_123_456_789, "1234567890.123456789"),
    ],
)
def test_what_is_left_of_a_budget_is_told_to_the_nano_dollar(left: int, usd: str) -> None:
    claim = Claim(meters_of(Limit("l", budgets=(Budget(10**20, "total"),)))[0], "all", 0)
    assert told([(claim, State(left, None))]) == {"x-gateway-budget-left-usd": usd}
