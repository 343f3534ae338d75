"""Whether a target is for a call: each condition where it holds, where it does not, and at its edges."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fnmatch import translate
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.middlewares.conditions import unmet
from gateway.middlewares.estimate import input_of
from gateway.stores.limits import Claim, State, meters_of
from gateway.types import (
    Budget,
    BudgetLeft,
    Call,
    Chat,
    Client,
    Hours,
    Limit,
    Message,
    Size,
    SizeUnit,
    Speech,
    Text,
    When,
    Words,
)
from tests.given import call, recording_call, speech_call

NOW_S = datetime(2026, 11, 27, 12, 0, tzinfo=UTC).timestamp()  # a Friday


def words(*patterns: str) -> Words:
    return Words(patterns, re.compile("|".join(map(translate, patterns))))


def holds(asked: Call, now_s: float = NOW_S, **when: Any) -> bool:
    return unmet(asked, When(**when), now_s) is None


def test_nothing_said_always_holds() -> None:
    assert holds(call())


def test_an_operation() -> None:
    chat = frozenset({"chat"})
    assert holds(call(), operations=chat)
    found = unmet(call(operation="tokens"), When(operations=chat), NOW_S)  # type: ignore[arg-type]
    assert found == ("is for chat only", False)


def spoken(language: str | None) -> Call:
    return call(Speech("hallo", "nova", language=language), operation="speech")


@pytest.mark.parametrize(
    ("language", "wanted", "is_met"),
    [
        ("de", ("de",), True),
        ("de-AT", ("de",), True),
        ("DE_at", ("de",), True),
        ("deu", ("de",), True),
        ("German", ("de",), True),
        ("en", ("de", "en"), True),
        ("en-GB", ("en-gb",), True),
        ("en-GB-oxendict", ("en-gb",), True),
        ("en", ("en-gb",), False),
        ("en-US", ("en-gb",), False),
        ("den", ("de",), False),
        ("fr", ("de", "en"), False),
        (None, ("de",), False),
        ("", ("de",), False),
    ],
)
def test_a_language(language: str | None, wanted: tuple[str, ...], is_met: bool) -> None:
    assert holds(spoken(language), languages=wanted) is is_met
    assert holds(recording_call(recording={"language": language}), languages=wanted) is is_met


def test_a_chat_has_no_language() -> None:
    assert not holds(call(), languages=("en",))


@pytest.mark.parametrize(
    ("least", "most", "is_met"), [(0, 12, False), (0, 13, True), (13, 20, True), (14, 20, False), (13, 13, True)]
)
def test_characters(least: float, most: float, is_met: bool) -> None:
    assert len("Good morning.") == 13
    assert holds(speech_call("Good morning."), sizes=(Size("chars", least, most),)) is is_met


def test_tokens_of_input() -> None:
    asked = call(Chat((Message("user", (Text("word " * 1000),)),)))
    given = input_of(asked)
    assert given is not None
    count = given.tokens()
    assert holds(asked, sizes=(Size("input_tokens", count, count),))
    assert not holds(asked, sizes=(Size("input_tokens", count + 1, float("inf")),))
    found = unmet(asked, When(sizes=(Size("input_tokens", 0, count - 1),)), NOW_S)
    assert found == (f"is for at most {count - 1} tokens of input, this has {count}", False)


@pytest.mark.parametrize(
    ("seconds", "is_met"), [(59.9, False), (60.0, True), (90.0, True), (90.1, False), (None, False)]
)
def test_seconds_of_audio(seconds: float | None, is_met: bool) -> None:
    asked = recording_call(recording={"duration_s": seconds})
    assert holds(asked, sizes=(Size("audio_s", 60, 90),)) is is_met


@pytest.mark.parametrize("unit", ["chars", "audio_s"])
def test_a_size_of_other_work_does_not_hold(unit: SizeUnit) -> None:
    assert not holds(call(), sizes=(Size(unit, 0, float("inf")),))


@pytest.mark.parametrize(
    ("tags", "is_met"),
    [
        ('{"team":"voice"}', True),
        ('{"team":"lab-7"}', True),
        ('{"team":"voices"}', False),
        ('{"other":"voice"}', False),
        ("{}", False),
    ],
)
def test_tags_of_the_key(tags: str, is_met: bool) -> None:
    asked = call(client=Client("k", "t", tags=tags))
    assert holds(asked, tags=(("team", words("voice", "lab-*")),)) is is_met


def test_every_tag_has_to_be_there() -> None:
    asked = call(client=Client("k", "t", tags='{"team":"voice","tier":"gold"}'))
    assert holds(asked, tags=(("team", words("voice")), ("tier", words("gold"))))
    assert not holds(asked, tags=(("team", words("voice")), ("tier", words("silver"))))


def test_headers() -> None:
    wanted = (("x-quality", words("high", "premium*")),)
    assert holds(call(headers={"x-quality": "premium-2"}), headers=wanted)
    for headers in ({}, {"x-quality": "low"}, {"x-quality": "HIGH"}, {"quality": "high"}):
        found = unmet(call(headers=headers), When(headers=wanted), NOW_S)
        assert found == ("is for requests whose x-quality is high or premium* only", False)


EVERY_DAY = frozenset(range(7))
WEEKDAYS = frozenset(range(5))


def at(text: str, zone: Any = UTC) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


@pytest.mark.parametrize(
    ("moment", "is_met"),
    [
        ("2026-11-27 08:59:59", False),
        ("2026-11-27 09:00:00", True),
        ("2026-11-27 17:29:59", True),
        ("2026-11-27 17:30:00", False),
        ("2026-11-28 12:00:00", False),  # a Saturday
    ],
)
def test_hours_of_certain_days(moment: str, is_met: bool) -> None:
    hours = Hours(WEEKDAYS, 9 * 60, 17 * 60 + 30, UTC, "mon to fri")
    assert holds(call(), at(moment), hours=hours) is is_met


@pytest.mark.parametrize(
    ("moment", "is_met"),
    [
        ("2026-11-27 21:59:59", False),
        ("2026-11-27 22:00:00", True),  # Friday night
        ("2026-11-28 05:59:59", True),  # which goes on on Saturday
        ("2026-11-28 06:00:00", False),
        ("2026-11-28 23:00:00", False),  # Saturday night
        ("2026-11-30 01:00:00", False),  # which Monday's small hours would be
    ],
)
def test_hours_over_midnight_belong_to_the_day_on_which_they_begin(moment: str, is_met: bool) -> None:
    hours = Hours(frozenset({4}), 22 * 60, 6 * 60, UTC, "fri nights")
    assert holds(call(), at(moment), hours=hours) is is_met


def test_hours_until_midnight() -> None:
    hours = Hours(EVERY_DAY, 23 * 60, 1440, UTC, "late")
    assert holds(call(), at("2026-11-27 23:59:59"), hours=hours)
    assert not holds(call(), at("2026-11-28 00:00:00"), hours=hours)


def test_hours_are_those_of_their_zone_in_summer_and_winter() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    hours = Hours(EVERY_DAY, 9 * 60, 10 * 60, berlin, "09:00-10:00 Europe/Berlin")
    for day in ("2026-07-01", "2026-12-01"):
        assert holds(call(), at(f"{day} 09:30:00", berlin), hours=hours)
    assert holds(call(), at("2026-07-01 07:30:00"), hours=hours)
    assert holds(call(), at("2026-12-01 08:30:00"), hours=hours)
    found = unmet(call(), When(hours=hours), at("2026-12-01 07:30:00"))
    assert found == ("is asked 09:00-10:00 Europe/Berlin only", True)


MONEY = Limit("money", budgets=(Budget(1_000, "day"), Budget(10_000, "month")))


def with_left(*left: int, limit: Limit = MONEY) -> Call:
    asked = call()
    asked.receipt.limits = tuple(
        (Claim(meter, "k", 0), State(amount, None)) for meter, amount in zip(meters_of(limit), left, strict=True)
    )
    return asked


@pytest.mark.parametrize(
    ("left", "is_met"),
    [((200, 10_000), True), ((199, 10_000), False), ((1_000, 1_999), False), ((1_000, 2_000), True), ((0, 0), False)],
)
def test_at_least_so_much_of_a_budget_is_left(left: tuple[int, ...], is_met: bool) -> None:
    assert holds(with_left(*left), budget_left=BudgetLeft("money", 20, 100)) is is_met


@pytest.mark.parametrize(("left", "is_met"), [((201, 10_000), False), ((200, 10_000), True), ((0, 0), True)])
def test_at_most_so_much_of_a_budget_is_left(left: tuple[int, ...], is_met: bool) -> None:
    assert holds(with_left(*left), budget_left=BudgetLeft("money", 0, 20)) is is_met


def test_a_budget_that_does_not_count_the_call_is_whole() -> None:
    assert holds(call(), budget_left=BudgetLeft("money", 100, 100))
    other = with_left(0, 0, limit=Limit("other", budgets=MONEY.budgets))
    assert holds(other, budget_left=BudgetLeft("money", 100, 100))


def test_a_budget_of_nothing_has_nothing_left() -> None:
    none = Limit("money", budgets=(Budget(0, "day"),))
    assert not holds(with_left(0, limit=none), budget_left=BudgetLeft("money", 1, 100))


def test_what_may_pass_by_itself_is_told_apart() -> None:
    found = unmet(with_left(0, 0), When(budget_left=BudgetLeft("money", 20, 100)), NOW_S)
    assert found == ("is asked while at least 20 % of the budget 'money' is left", True)
