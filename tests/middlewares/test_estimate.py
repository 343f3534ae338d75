"""Money is exact, in integers; estimates are upper where they are reserved and plain where a vendor did not report."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.middlewares.estimate import (
    IMAGE_TOKENS,
    RESERVED_AUDIO_S,
    RESERVED_OUTPUT_TOKENS,
    cost_nano_usd,
    estimated_units,
    input_tokens,
    text_input,
    upper_cost,
)
from gateway.middlewares.tokens import SAMPLED_CHARS, estimated_tokens
from gateway.stores.calibration import LEAST, MOST, Calibration
from gateway.types import (
    NANO_USD,
    Audio,
    Change,
    Chat,
    Embeddings,
    File,
    Image,
    Message,
    Part,
    Price,
    Text,
    Thinking,
    Tier,
    Tool,
    ToolResult,
    ToolUse,
    Units,
)
from tests.given import HELLO, call, recording_call, speech_call, target

NOW_S = 1_798_761_600.0  # 2027-01-01, 00:00 UTC
TOKENS = st.integers(0, 10**9)
RATE = st.none() | st.integers(0, 10**14)  # up to 100,000 USD a million


def exact(units: Units, price: Price) -> Fraction:
    """The same by fractions, from what the words mean."""
    plain = units.input_tokens - units.cached_input_tokens - units.cache_write_tokens
    million = 10**6
    base = price.input_per_mtok or 0
    cached = base if price.cached_input_per_mtok is None else price.cached_input_per_mtok
    written = base if price.cache_write_per_mtok is None else price.cache_write_per_mtok
    return (
        Fraction(max(0, plain) * base, million)
        + Fraction(units.cached_input_tokens * cached, million)
        + Fraction(units.cache_write_tokens * written, million)
        + Fraction(units.output_tokens * (price.output_per_mtok or 0), million)
        + Fraction(units.characters * (price.per_mchar or 0), million)
        + Fraction(round(units.audio_seconds * 1000), 60_000) * (price.per_audio_minute or 0)
        + (price.per_request or 0)
    )


@given(
    st.builds(
        Units, TOKENS, TOKENS, TOKENS, TOKENS, characters=TOKENS, audio_seconds=st.floats(0, 1e6, allow_nan=False)
    ),
    st.builds(Price, RATE, RATE, RATE, RATE, RATE, RATE, RATE),
)
def test_a_charge_is_exact_to_the_nano_dollar(units: Units, price: Price) -> None:
    charge = cost_nano_usd(units, price, NOW_S)
    assert type(charge) is int
    assert charge == int(exact(units, price) + Fraction(1, 2))


@pytest.mark.parametrize(
    ("tokens", "charge"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2), (1_000_000, 250_000)]
)
def test_half_a_nano_dollar_is_rounded_up_once(tokens: int, charge: int) -> None:
    assert cost_nano_usd(Units(tokens), Price(input_per_mtok=250_000), NOW_S) == charge


def test_list_prices_come_out_as_the_lists_say() -> None:
    gpt = Price(750_000_000, 75_000_000, None, 4_500_000_000)
    assert cost_nano_usd(Units(1_000_000, output_tokens=1_000_000), gpt, NOW_S) == 5_250_000_000  # 0.75 + 4.50 USD
    assert cost_nano_usd(Units(1_000_000, cached_input_tokens=1_000_000), gpt, NOW_S) == 75_000_000
    assert cost_nano_usd(Units(characters=1_000_000), Price(per_mchar=15 * NANO_USD), NOW_S) == 15 * NANO_USD
    assert cost_nano_usd(Units(audio_seconds=90), Price(per_audio_minute=6_000_000), NOW_S) == 9_000_000


def test_reasoning_is_part_of_the_output_and_not_paid_twice() -> None:
    price = Price(output_per_mtok=1_000_000)
    assert cost_nano_usd(Units(output_tokens=10, reasoning_tokens=9), price, NOW_S) == 10


@pytest.mark.parametrize(
    ("units", "charge"),
    [
        (Units(100), 100),
        (Units(100, input_audio_tokens=1), 109),
        (Units(100, input_audio_tokens=100), 1_000),
        (Units(100, input_audio_tokens=101), 1_000),  # never more than there is
        (Units(100, cached_input_tokens=60, input_audio_tokens=50), 460),  # what was cached has the cache's price
        (Units(output_tokens=10, output_audio_tokens=4), 206),
        (Units(output_tokens=10, output_audio_tokens=11), 500),
    ],
)
def test_audio_tokens_are_part_of_the_others_at_their_own_price(units: Units, charge: int) -> None:
    price = Price(10**6, output_per_mtok=10**6, input_audio_per_mtok=10**7, output_audio_per_mtok=50 * 10**6)
    assert cost_nano_usd(units, price, NOW_S) == charge


def test_audio_tokens_without_a_price_of_their_own_are_as_the_others() -> None:
    units = Units(100, output_tokens=10, input_audio_tokens=50, output_audio_tokens=5)
    assert cost_nano_usd(units, Price(10**6, output_per_mtok=2 * 10**6), NOW_S) == 120


def test_no_price_costs_nothing() -> None:
    assert cost_nano_usd(Units(10, 5, 5, 10, 5, 10, 5.5), Price(), NOW_S) == 0


# ---------------------------------------------------------------- tiers and changes

LONG = Price(3 * 10**6, output_per_mtok=10**6)
LONGER = Price(5 * 10**6, output_per_mtok=7 * 10**6)
TIERED = Price(10**6, output_per_mtok=10**6, tiers=(Tier(100, LONG), Tier(200, LONGER)))
DATED = Price(
    per_request=1, changes=(Change(NOW_S, Price(per_request=2)), Change(NOW_S + 86_400, Price(per_request=3)))
)


@pytest.mark.parametrize(
    ("tokens", "charge"),
    [(0, 10), (99, 109), (100, 110), (101, 313), (199, 607), (200, 610), (201, 1_075), (10_000, 50_070)],
)
def test_the_whole_call_is_priced_by_the_last_tier_that_its_input_exceeds(tokens: int, charge: int) -> None:
    assert cost_nano_usd(Units(tokens, output_tokens=10), TIERED, NOW_S) == charge


def test_cached_and_written_input_counts_towards_a_tier() -> None:
    assert cost_nano_usd(Units(101, cached_input_tokens=60, cache_write_tokens=41), TIERED, NOW_S) == 303


def test_output_does_not_count_towards_a_tier() -> None:
    assert cost_nano_usd(Units(100, output_tokens=1_000), TIERED, NOW_S) == 1_100


@pytest.mark.parametrize(
    ("after_s", "charge"), [(-1e9, 1), (-1, 1), (-0.001, 1), (0, 2), (86_399, 2), (86_400, 3), (1e9, 3)]
)
def test_a_change_holds_from_its_moment_on(after_s: float, charge: int) -> None:
    assert cost_nano_usd(Units(), DATED, NOW_S + after_s) == charge
    assert upper_cost(call(targets=(target(price=DATED),)), lambda: NOW_S + after_s) == charge


@pytest.mark.parametrize(
    ("after_s", "tokens", "charge"), [(-1, 100, 100), (-1, 101, 303), (0, 100, 400), (0, 101, 505)]
)
def test_a_change_brings_its_own_tiers(after_s: float, tokens: int, charge: int) -> None:
    changed = Price(4 * 10**6, tiers=(Tier(100, Price(5 * 10**6)),))
    price = Price(10**6, tiers=(Tier(100, Price(3 * 10**6)),), changes=(Change(NOW_S, changed),))
    assert cost_nano_usd(Units(tokens), price, NOW_S + after_s) == charge


def test_a_price_that_never_differs_is_itself() -> None:
    assert LONG.at(NOW_S, 10**9) is LONG


@pytest.mark.parametrize(("tokens", "reserved"), [(99, 99), (100, 100), (101, 3 * 101)])
def test_what_is_reserved_is_of_the_tier_of_the_estimated_input(tokens: int, reserved: int) -> None:
    body = Embeddings((tuple(range(tokens)),))
    assert upper_cost(call(body, operation="embeddings", targets=(target(price=TIERED),))) == reserved


# ---------------------------------------------------------------- what is reserved

DOLLAR = Price(input_per_mtok=10**6, output_per_mtok=10**6, per_mchar=10**6, per_audio_minute=60)  # a nano a unit


def test_the_dearest_target_counts() -> None:
    cheap, dear = target("a/m", price=Price(per_request=1)), target("b/m", price=Price(per_request=9))
    assert upper_cost(call(targets=(cheap, dear, target("c/m")))) == 9
    assert upper_cost(call(targets=(target("c/m"),))) == 0
    assert upper_cost(call()) == 0


@pytest.mark.parametrize(
    ("asked", "row", "n", "reserved"),
    [
        (50, None, 1, 50),
        (50, 99, 1, 50),
        (None, 99, 1, 99),
        (None, None, 1, RESERVED_OUTPUT_TOKENS),
        (50, None, 4, 200),
    ],
)
def test_a_chats_output_is_reserved_by_what_bounds_it(
    asked: int | None, row: int | None, n: int, reserved: int
) -> None:
    chat = Chat(HELLO.messages, max_output_tokens=asked, n=n)
    at = target(price=DOLLAR, max_output_tokens=row)
    assert upper_cost(call(chat, targets=(at,))) == reserved + input_tokens(chat)


def test_speech_is_reserved_by_its_characters() -> None:
    assert upper_cost(speech_call("äöü語", targets=(target(price=DOLLAR),))) == 4


@pytest.mark.parametrize(("duration_s", "reserved"), [(12.0, 12), (None, int(RESERVED_AUDIO_S))])
def test_a_recording_is_reserved_by_its_length(duration_s: float | None, reserved: int) -> None:
    asked = recording_call(recording={"duration_s": duration_s}, targets=(target(price=DOLLAR),))
    assert upper_cost(asked) == reserved


def test_embeddings_are_reserved_by_their_texts_and_tokens() -> None:
    body = Embeddings(("Good morning.", (1, 2, 3), "y"))
    reserved = estimated_tokens("Good morning.") + 3 + 1
    assert upper_cost(call(body, operation="embeddings", targets=(target(price=DOLLAR),))) == reserved


def test_counting_tokens_reserves_nothing() -> None:
    assert upper_cost(call(HELLO, operation="tokens", targets=(target(price=DOLLAR),))) == 0


LONG_TEXT = Chat((Message("user", (Text("Good morning, and how are you? " * 40),)),), max_output_tokens=7)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25, 2.5])
def test_what_is_reserved_for_a_text_follows_what_the_target_was_seen_to_count(factor: float) -> None:
    asked = call(LONG_TEXT, targets=(target("a/m", price=DOLLAR),))
    factors = {"a/m": factor}
    assert upper_cost(asked, factor=lambda name: factors[name]) == math.ceil(input_tokens(LONG_TEXT) * factor) + 7


def test_the_dearest_target_is_found_with_each_ones_own_factor() -> None:
    asked = call(LONG_TEXT, targets=(target("a/m", price=DOLLAR), target("b/m", price=DOLLAR)))
    reserved = upper_cost(asked, factor=lambda name: {"a/m": 0.5, "b/m": 2.0}[name])
    assert reserved == 2 * input_tokens(LONG_TEXT) + 7


def test_images_files_and_token_ids_are_not_scaled() -> None:
    chat = Chat((Message("user", (Image(url="http://x"), File(data_b64="A" * 400))),))
    given = text_input(chat)
    assert given is not None
    assert (given.text_tokens, given.other_tokens, given.tokens(2.0)) == (4, IMAGE_TOKENS + 100, IMAGE_TOKENS + 108)
    ids = text_input(Embeddings(((1, 2, 3),)))
    assert ids is not None
    assert ids.tokens(2.5) == 3


@given(st.lists(st.tuples(st.integers(-1, 10**9), st.integers(-1, 10**9)), max_size=40), st.text(max_size=300))
def test_no_report_of_a_vendor_takes_a_reservation_below_half_or_far_above(
    reports: list[tuple[int, int]], text: str
) -> None:
    calibration = Calibration()
    for estimated, actual in reports:
        calibration.learn("a/m", estimated, actual)
    asked = call(Chat((Message("user", (Text(text),)),), max_output_tokens=1), targets=(target("a/m", price=DOLLAR),))
    plain = upper_cost(asked)
    assert LEAST * plain <= upper_cost(asked, factor=calibration.factor) <= MOST * plain


# ---------------------------------------------------------------- what is estimated


def test_a_message_has_the_tokens_of_its_texts_and_four_of_its_own() -> None:
    assert input_tokens(Chat((Message("user", (Text(""),)),))) == 4
    twice = Chat((Message("user", (Text("Good morning."), Text("Bonjour."))), Message("assistant", (Text("Hi."),))))
    texts = ("Good morning.", "Bonjour.", "Hi.")
    assert input_tokens(twice) == sum(estimated_tokens(text) for text in texts) + 8


@pytest.mark.parametrize(
    "part",
    [
        Text("語" * 40),
        ToolUse("id", "name", '{"a": "' + "x" * 40 + '"}'),
        ToolResult("id", (Text("x" * 40), Image(url="http://x"))),
        Image(url="http://x"),
        Audio("wav", "A" * 4000),
        Thinking("x" * 40, signature="s"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_every_kind_of_part_counts(part: Part) -> None:
    assert input_tokens(Chat((Message("user", (part,)),))) > 10


def test_an_image_counts_as_one_however_it_is_sent() -> None:
    for image in (Image(url="http://x"), Image("image/png", "A" * 100_000)):
        assert input_tokens(Chat((Message("user", (image,)),))) == IMAGE_TOKENS + 4


def test_tools_are_part_of_the_input() -> None:
    tool = Tool("weather", "What is it like?", {"type": "object", "properties": {"city": {"type": "string"}}})
    assert input_tokens(Chat(HELLO.messages, tools=(tool,))) > input_tokens(HELLO) + 15


@pytest.mark.parametrize(("is_streamed", "output"), [(True, 7), (False, 25)])
def test_a_chats_output_is_estimated_by_what_was_seen(is_streamed: bool, output: int) -> None:
    units = estimated_units(call(stream=is_streamed), content_events=7, content_bytes=100)
    assert units == Units(input_tokens=input_tokens(HELLO), output_tokens=output)


def test_other_operations_are_estimated_by_their_input() -> None:
    assert estimated_units(speech_call("abc"), 9, 900) == Units(characters=3)
    assert estimated_units(recording_call(recording={"duration_s": 2.5}), 1, 10) == Units(audio_seconds=2.5)
    embedding = call(Embeddings(("abcd",)), operation="embeddings")
    assert estimated_units(embedding, 0, 0) == Units(input_tokens=estimated_tokens("abcd"))


def test_what_a_vendor_did_not_report_is_estimated_with_the_targets_factor() -> None:
    units = estimated_units(call(LONG_TEXT, stream=True), 3, 0, factor=1.5)
    assert units == Units(input_tokens=math.ceil(input_tokens(LONG_TEXT) * 1.5), output_tokens=3)


def test_a_chat_of_many_long_messages_is_judged_by_pieces_of_all_of_them() -> None:
    texts = [f"Message {number} of a long conversation, {'with its words ' * (number % 40)}." for number in range(1000)]
    assert sum(map(len, texts)) > 4 * SAMPLED_CHARS
    chat = Chat(tuple(Message("user", (Text(text),)) for text in texts))
    assert input_tokens(chat) == pytest.approx(sum(map(estimated_tokens, texts)) + 4 * len(texts), rel=0.05)
