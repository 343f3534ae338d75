"""`strategy`, mappings in `targets`, `when` and `shadow` of routes.yaml: what they become, what is refused where."""

from __future__ import annotations

import math
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from gateway.config.resolve import resolve
from gateway.types import SESSION_HEADER, BudgetLeft, Choice, Place, Size, When
from tests.config.folder import Setup

KEY = "a-key-of-some-length"
FAST = "fast: {operation: chat, targets: [acme/small, spare/chat]}"
SPEAK = "speak: {operation: speech, targets: [acme/voice, spare/tones]}"
LIMITS = """
limits:
  money: {per: [tenant], budget: 5 USD/day}
  calls: {per: [tenant], requests: 60/minute}
  vendor: {per: [provider], budget: 5 USD/day, only: {provider: [acme]}}
"""


def places(setup: Setup, name: str = "fast") -> dict[str, Place | None]:
    _, targets = resolve(setup.config(ACME_KEY=KEY), name, "chat")
    return {target.name: target.place for target in targets}


def when(setup: Setup, text: str, model: str = FAST, target: str = "acme/small") -> When:
    """Return what a `when` of the model's first target becomes."""
    setup.routes(model, model.replace(target, f"{{target: {target}, when: {text}}}"))
    name, operation = model.partition(":")[0], "speech" if "speech" in model else "chat"
    _, targets = resolve(setup.config(ACME_KEY=KEY), name, operation)  # type: ignore[arg-type]
    found = targets[0].place
    assert found is not None
    assert found.when is not None
    return found.when


@pytest.mark.parametrize(
    "model",
    [FAST, FAST.replace("acme/small", "{target: acme/small}"), FAST.replace("chat, t", "chat, strategy: priority, t")],
)
def test_a_plain_list_has_no_places(setup: Setup, model: str) -> None:
    setup.routes(FAST, model)
    assert places(setup) == {"acme/small": None}
    assert setup.config().models[0].choice is None


def test_strings_and_mappings_stand_side_by_side(setup: Setup) -> None:
    setup.providers("standby: true", "standby: false")
    setup.routes(
        FAST,
        "fast:\n    operation: chat\n    strategy: weighted\n    targets:\n"
        "      - {target: acme/small, weight: 3}\n      - spare/chat\n"
        "      - {target: acme/big, group: 2, weight: 0.5}",
    )
    choice = Choice("fast", "weighted", SESSION_HEADER)
    assert places(setup) == {
        "acme/small": Place(choice, "acme/small", 3.0),
        "spare/chat": Place(choice, "spare/chat"),
        "acme/big": Place(choice, "acme/big", 0.5, 2),
    }
    assert setup.config(ACME_KEY=KEY).models[0].choice == choice


def test_a_pattern_keeps_the_place_of_what_it_fills_in(setup: Setup) -> None:
    setup.routes("big-*: {operation: chat,", "big-*: {operation: chat, strategy: round-robin,")
    for name in ("big-1", "big-2"):
        assert places(setup, name) == {f"acme/{name}": Place(Choice("big-*", "round-robin"), "acme/*")}


def test_a_plain_name_has_a_place_for_each_row_that_a_wildcard_takes(setup: Setup) -> None:
    setup.routes(FAST, "fast: {operation: chat, strategy: sticky, targets: [{target: acme/*, weight: 2}]}")
    assert {name: (place.name, place.weight) for name, place in places(setup).items() if place is not None} == {
        "acme/big": ("acme/big", 2.0),
        "acme/small": ("acme/small", 2.0),
    }


def test_sticky_may_have_a_header_of_its_own(setup: Setup) -> None:
    setup.routes("fast: {operation: chat,", "fast: {operation: chat, strategy: sticky, session_header: X-Chat,")
    choice = setup.config().models[0].choice
    assert choice is not None
    assert choice.session_header == "x-chat"


# ---------------------------------------------------------------- conditions


def test_conditions_of_a_chat(setup: Setup) -> None:
    with_limits(setup)
    found = when(
        setup,
        "{operation: [chat], min_input_tokens: 10, max_input_tokens: 8000, tags: {team: voice}, "
        "headers: {X-Quality: [high, 'pre*']}, budget_left: {limit: money, min_percent: 20}}",
    )
    assert (found.operations, found.sizes) == (frozenset({"chat"}), (Size("input_tokens", 10, 8000),))
    assert found.budget_left == BudgetLeft("money", 20, 100)
    [(tag, team)], [(header, quality)] = found.tags, found.headers
    assert (tag, team.patterns, header, quality.patterns) == ("team", ("voice",), "x-quality", ("high", "pre*"))
    assert team.compiled.match("voice")
    assert not team.compiled.match("voices")
    assert quality.compiled.match("premium")


def test_conditions_of_speech(setup: Setup) -> None:
    found = when(setup, "{language: [de, en_GB], max_chars: 100}", SPEAK, "acme/voice")
    assert (found.languages, found.sizes) == (("de", "en-gb"), (Size("chars", 0, 100),))
    found_open = Size("chars", 5, math.inf)
    setup.routes("{language: [de, en_GB], max_chars: 100}", "{min_chars: 5}")
    _, targets = resolve(setup.config(ACME_KEY=KEY), "speak", "speech")
    assert targets[0].place is not None
    assert targets[0].place.when == When(sizes=(found_open,))


def test_hours_and_their_zone(setup: Setup) -> None:
    hours = when(setup, "{time: {days: [fri, mon], from: 09:00, to: '17:30', zone: Europe/Berlin}}").hours
    assert hours is not None
    assert (hours.days, hours.from_min, hours.to_min) == (frozenset({0, 4}), 540, 1050)
    assert hours.zone == ZoneInfo("Europe/Berlin")
    assert hours.text == "mon, fri 09:00-17:30 Europe/Berlin"


def test_hours_are_of_every_day_in_utc_unless_said(setup: Setup) -> None:
    hours = when(setup, "{time: {to: '06:00'}}").hours
    assert hours is not None
    assert (hours.days, hours.from_min, hours.to_min, hours.zone) == (frozenset(range(7)), 0, 360, UTC)
    assert hours.text == "00:00-06:00 UTC"


# ---------------------------------------------------------------- shadows


def test_a_shadow_is_a_target_that_serves_nobody(setup: Setup) -> None:
    setup.routes(FAST, FAST.replace("chat, t", "chat, shadow: {target: spare/chat, percent: 5}, t"))
    [alias] = [alias for alias in setup.config(ACME_KEY=KEY).models if alias.pattern == "fast"]
    assert [target.name for target in alias.targets] == ["acme/small"]
    assert alias.choice is not None
    assert alias.choice.shadow is not None
    assert (alias.choice.shadow.target.name, alias.choice.shadow.percent, alias.choice.shadow.in_flight) == (
        "spare/chat", 5.0, 10,
    )  # fmt: skip


def test_a_shadow_whose_provider_is_off_is_none(setup: Setup) -> None:
    setup.routes(FAST, FAST.replace("chat, t", "chat, shadow: {target: acme/small, percent: 5}, t"))
    assert setup.config().models[0].choice is None
    [warning] = [text for text in setup.warnings() if "shadow" in text]
    assert warning.startswith("model 'fast' has no shadow: 'acme/small' is off, ")
    assert not [text for text in setup.warnings(ACME_KEY=KEY) if "shadow" in text]


# ---------------------------------------------------------------- what is refused


# `^` stands before the place that is blamed.
MISTAKES = {
    "strategy: ^fatsest, targets: [acme/small]": "strategy is 'fatsest', it can be: priority, weighted,",
    "targets: [{target: acme/small, ^weihgt: 1}]": "'weihgt' is not known in models.fast.targets[0] (did you mean",
    "targets: [^{weight: 1}]": "lacks 'target'",
    "targets: [^5]": "has to be text or a mapping, not 5",
    "targets: [^small]": "is 'small', which is not provider/model, or provider/* for all of its models",
    "targets: [{target: ^small}]": "is 'small', which is not provider/model, or provider/* for all of its models",
    "targets: [{target: ^acme/smal}]": "'smal', which provider 'acme' does not have (did you mean 'small'?)",
    "targets: [acme/small, {target: ^acme/small}]": "model 'fast' names 'acme/small' twice; keep one",
    "targets: [{target: acme/small, ^weight: 2}]": "weight goes with strategy 'weighted' or 'sticky', and this is",
    "strategy: weighted, targets: [{target: acme/small, weight: ^-1}]": "has to be at least 0, this is -1",
    "targets: [{target: acme/small, group: ^0}]": "has to be at least 1, this is 0",
    "^session_header: x-a, targets: [acme/small]": "session_header goes with strategy 'sticky' only",
    "targets: [acme/small], shadow: {target: ^acme/*, percent: 1}": "is 'acme/*', which is not provider/model",
    "targets: [acme/small], shadow: {target: ^acme/none, percent: 1}": "'none', which provider 'acme' does not have",
    "targets: [acme/small], shadow: {target: ^acme/voice, percent: 1}": "'acme/voice' is for speech",
    "targets: [acme/small], shadow: {target: acme/big, percent: ^0}": "has to be more than 0, this is 0",
    "targets: [acme/small], shadow: {target: acme/big, percent: ^101}": "has to be at most 100, this is 101",
    "targets: [acme/small], ^shadow: {target: acme/big}": "lacks 'percent'",
}

NEVER = {
    "when: ^{}": "needs at least 1 entries",
    "when: {operation: [^speech]}": "this never holds: the model is for chat, not for speech",
    "when: {^language: [de]}": "language is known of speech and transcription, and this model is for chat",
    "when: {language: [^german language]}": "which is not a language tag as de or en-GB",
    "when: {^max_chars: 5}": "max_chars is a size of speech, and this model is for chat",
    "when: {^min_audio_s: 5}": "min_audio_s is a size of transcription, and this model is for chat",
    "when: {min_input_tokens: ^5, max_input_tokens: 4}": "min_input_tokens is 5 and max_input_tokens is 4",
    "when: {tags: {team: ^[]}}": "needs at least 1 items",
    "when: {time: {zone: ^Europe/Berln}}": "is not known on this machine (did you mean 'Europe/Berlin'?)",
    "when: {time: {zone: ^../../etc/passwd}}": "is not known on this machine",
    "when: {time: {from: ^'25:00'}}": 'which is not a time of day as "09:30", up to "24:00"',
    "when: {time: {from: ^'09:00', to: '09:00'}}": "this never holds: it is from 09:00 to 09:00",
    "when: {time: {days: [^monday]}}": "is 'monday', it can be: mon,",
    "when: {budget_left: {limit: money, min_percent: ^30, max_percent: 20}}": "min_percent is 30 and max_percent is 20",
    "when: {budget_left: {limit: ^mony}}": "'mony', which is no limit with a budget (did you mean 'money'?)",
    "when: {budget_left: {limit: ^calls}}": "which is no limit with a budget",
    "when: {budget_left: {limit: ^vendor}}": "no limit with a budget by key, tenant, route, operation or model",
}


@pytest.mark.parametrize(("row", "said"), MISTAKES.items())
def test_a_mistake_is_told_at_its_place(setup: Setup, row: str, said: str) -> None:
    told_at_the_mark(setup, row, said)


@pytest.mark.parametrize(("condition", "said"), NEVER.items())
def test_a_condition_that_can_never_hold_is_told_at_its_place(setup: Setup, condition: str, said: str) -> None:
    with_limits(setup)
    told_at_the_mark(setup, f"targets: [{{target: acme/small, {condition}}}]", said)


def told_at_the_mark(setup: Setup, row: str, said: str) -> None:
    line = f"fast: {{operation: chat, {row}}}"
    setup.routes(FAST, line.replace("^", ""))
    [problem] = setup.problems(ACME_KEY=KEY)
    assert problem.startswith(f"routes.yaml:6:{line.index('^') + 3}: ")
    assert said in problem


def with_limits(setup: Setup) -> None:
    setup.routes("  big-*: {operation: chat, targets: [acme/*, spare/chat]}\n", "")  # nobody has priced all of them
    setup.routes("routes:", f"{LIMITS.strip()}\nroutes:")
