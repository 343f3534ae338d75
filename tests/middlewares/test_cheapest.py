"""The strategy `cheapest`: what this call will cost, by whatever its targets charge."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.middlewares.choice import Chooser
from gateway.middlewares.estimate import cost_nano_usd, expected_units
from gateway.stores.standing import Standing
from gateway.types import Change, Chat, Message, Price, Text
from tests.given import Clock, call, recording_call, speech_call
from tests.middlewares.placing import chooser, names, placed

PRICES = st.builds(
    Price,
    input_per_mtok=st.integers(0, 10**11),
    output_per_mtok=st.integers(0, 10**11),
    per_request=st.none() | st.integers(0, 10**8),
)


@given(st.lists(PRICES, min_size=1, max_size=5), st.text(max_size=2000), st.none() | st.integers(1, 5000))
def test_the_cheapest_is_what_the_cost_of_expected_units_says(prices: list[Price], text: str, most: int | None) -> None:
    asked = call(Chat((Message("user", (Text(text),)),), max_output_tokens=most))
    targets = placed("cheapest", *({"name": f"p{at}/m", "price": price} for at, price in enumerate(prices)))
    ordered = chooser(wall_clock=Clock()).rank(asked, targets)
    costs = [cost_nano_usd(expected_units(asked), each.model.price or Price(), 0) for each in ordered]
    assert costs == sorted(costs)


def test_the_cheapest_depends_on_the_request() -> None:
    per_call, per_token = Price(per_request=1_000_000), Price(input_per_mtok=10**9, output_per_mtok=0)
    targets = placed("cheapest", {"name": "call/m", "price": per_call}, {"name": "token/m", "price": per_token})
    short, long = (call(Chat((Message("user", (Text("word " * count),)),))) for count in (100, 5000))
    assert names(chooser().rank(short, targets)) == ["token/m", "call/m"]
    assert names(chooser().rank(long, targets)) == ["call/m", "token/m"]


def test_who_has_no_price_is_last_and_who_is_free_is_first() -> None:
    targets = placed(
        "cheapest",
        {"name": "unknown/m"},
        {"name": "paid/m", "price": Price(input_per_mtok=1, output_per_mtok=10**9)},
        {"name": "free/m", "price": Price(per_request=0)},
    )
    assert names(chooser().rank(call(), targets)) == ["free/m", "paid/m", "unknown/m"]


def test_a_price_that_changes_is_that_of_the_moment() -> None:
    changing = Price(per_request=1, changes=(Change(2_000.0, Price(per_request=100)),))
    targets = placed("cheapest", {"name": "a/m", "price": changing}, {"name": "b/m", "price": Price(per_request=50)})
    assert names(chooser(wall_clock=Clock(1_999)).rank(call(), targets)) == ["a/m", "b/m"]
    assert names(chooser(wall_clock=Clock(2_000)).rank(call(), targets)) == ["b/m", "a/m"]


def test_estimates_follow_what_a_target_was_seen_to_count() -> None:
    text = call(Chat((Message("user", (Text("word " * 2000),)),), max_output_tokens=1))
    price = Price(input_per_mtok=10**9, output_per_mtok=0)
    targets = placed("cheapest", {"name": "a/m", "price": price}, {"name": "b/m", "price": price})
    factor = {"a/m": 1.5, "b/m": 1.0}.__getitem__
    assert names(Chooser(Standing(Clock()), factor).rank(text, targets)) == ["b/m", "a/m"]


@pytest.mark.parametrize(
    ("price", "is_dearer"),
    [
        (Price(per_audio_minute=10_000_000), False),  # 0.01 USD a minute: about 0.011 a thousand characters
        (Price(per_audio_minute=20_000_000), True),
        (Price(input_per_mtok=600_000_000, output_per_mtok=12 * 10**9), True),  # about 0.015 USD a minute
        (Price(input_per_mtok=600_000_000, output_per_mtok=8 * 10**9), False),
    ],
)
def test_speech_by_the_minute_and_by_the_token_compares_to_speech_by_the_character(
    price: Price, is_dearer: bool
) -> None:
    by_char = {"name": "char/m", "price": Price(per_mchar=15 * 10**9), "operation": "speech"}
    targets = placed("cheapest", {"name": "other/m", "price": price, "operation": "speech"}, by_char)
    ordered = names(chooser().rank(speech_call("word " * 200), targets))
    assert (ordered == ["char/m", "other/m"]) is is_dearer


def test_transcription_by_the_token_compares_to_that_by_the_minute() -> None:
    by_token = {"name": "token/m", "price": Price(input_per_mtok=6 * 10**9, output_per_mtok=10 * 10**9)}
    for usd_per_minute, first in ((0.004, "minute/m"), (0.008, "token/m")):
        by_minute = {"name": "minute/m", "price": Price(per_audio_minute=round(usd_per_minute * 10**9))}
        targets = placed("cheapest", by_token, by_minute)
        asked = recording_call(recording={"duration_s": 90.0})
        assert chooser().rank(asked, targets)[0].name == first
