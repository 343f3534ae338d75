from __future__ import annotations

import time

import pytest

from gateway.config.resolve import nearest, resolve
from gateway.types import Operation
from tests.config.folder import Setup

KEY = "a-key-of-some-length"


def names(setup: Setup, name: str, operation: Operation = "chat", **environ: str) -> tuple[str | None, list[str]]:
    alias, targets = resolve(setup.config(**environ), name, operation)
    return alias.pattern if alias else None, [target.name for target in targets]


def test_an_alias_names_its_targets(setup: Setup) -> None:
    assert names(setup, "fast", ACME_KEY=KEY) == ("fast", ["acme/small"])


def test_a_standby_serves_only_where_nobody_else_is_on(setup: Setup) -> None:
    alias, targets = resolve(setup.config(), "fast", "chat")
    assert [target.name for target in targets] == ["spare/chat"]
    assert alias is not None
    assert alias.off == (("acme/small", "ACME_KEY is not set"),)
    alias, _ = resolve(setup.config(ACME_KEY=KEY), "fast", "chat")
    assert alias is not None
    assert alias.off == (("spare/chat", "standing by"),)


def test_an_exact_name_wins_over_a_pattern_and_a_longer_pattern_over_a_shorter(setup: Setup) -> None:
    setup.routes(
        "routes:",
        "  '*': {operation: chat, targets: [spare/chat]}\n  big-x: {operation: chat, targets: [acme/big]}\n"
        "  big-y*: {operation: chat, targets: [acme/small]}\nroutes:",
    )
    assert names(setup, "big-x", ACME_KEY=KEY) == ("big-x", ["acme/big"])
    assert names(setup, "big-yes", ACME_KEY=KEY) == ("big-y*", ["acme/small"])
    assert names(setup, "big-no", ACME_KEY=KEY) == ("big-*", ["acme/big-no"])
    assert names(setup, "other", ACME_KEY=KEY) == ("*", ["spare/chat"])


def test_a_wildcard_takes_the_row_of_the_name_or_a_bare_model(setup: Setup) -> None:
    setup.providers("      big: {", "      big-1: {operation: chat, price: {usd_per_request: 1}}\n      big: {")
    config = setup.config(ACME_KEY=KEY)
    assert resolve(config, "big-1", "chat")[1][0].model is config.providers["acme"].models["big-1"]
    bare = resolve(config, "big-2", "chat")[1][0].model
    assert (bare.name, bare.operation, bare.price) == ("big-2", "chat", None)


def test_a_wildcard_does_not_take_a_model_of_other_work(setup: Setup) -> None:
    setup.routes("big-*:", "v*:")
    assert names(setup, "voice", ACME_KEY=KEY) == ("v*", [])


def test_a_plain_name_with_a_wildcard_target_takes_every_row_of_its_operation(setup: Setup) -> None:
    setup.routes("targets: [acme/small, spare/chat]", "targets: [acme/*, spare/chat]")
    assert names(setup, "fast", ACME_KEY=KEY) == ("fast", ["acme/big", "acme/small"])


def test_a_provider_and_its_model_can_be_named_directly(setup: Setup) -> None:
    assert names(setup, "acme/big", ACME_KEY=KEY) == (None, ["acme/big"])
    assert names(setup, "spare/chat", ACME_KEY=KEY) == (None, ["spare/chat"])
    assert names(setup, "acme/voice", ACME_KEY=KEY) == (None, [])


def test_a_vendors_own_name_is_served_by_all_who_have_it(setup: Setup) -> None:
    setup.providers("      chat: {", "      big: {operation: chat}\n      chat: {")
    assert names(setup, "big", ACME_KEY=KEY) == (None, ["acme/big"])
    assert names(setup, "big") == (None, ["spare/big"])


def test_a_model_of_a_provider_that_is_off_says_why(setup: Setup) -> None:
    alias, targets = resolve(setup.config(), "acme/big", "chat")
    assert targets == ()
    assert alias is not None
    assert alias.off == (("acme/big", "ACME_KEY is not set"),)


def test_an_alias_is_for_one_operation_only(setup: Setup) -> None:
    assert names(setup, "speak", "chat", ACME_KEY=KEY) == (None, [])
    assert names(setup, "speak", "speech", ACME_KEY=KEY) == ("speak", ["acme/voice"])


@pytest.mark.parametrize("name", ["", "nope", "big-../../admin", "big-a?x=1", "big-a\nb", "big-ä", "big-" + "x" * 300])
def test_a_name_that_is_unknown_or_fit_for_no_url_is_served_by_nobody(setup: Setup, name: str) -> None:
    assert names(setup, name, ACME_KEY=KEY) == (None, [])


def test_a_long_name_costs_no_time(setup: Setup) -> None:
    setup.routes("big-*:", "'*a*a*a*a*b':")
    config = setup.config()
    started = time.monotonic()
    assert resolve(config, "a" * 256, "chat") == (None, ())
    assert resolve(config, "a" * 10_000_000, "chat") == (None, ())
    assert time.monotonic() - started < 1


def test_voices_of_the_routes_overlay_those_of_the_plugin(setup: Setup) -> None:
    setup.routes("narrator: {acme: nova-2}", "nova: {acme: nova-2}")
    config = setup.config(ACME_KEY=KEY)
    for name in ("speak", "acme/voice", "voice"):
        [target] = resolve(config, name, "speech")[1]
        assert target.voices == {"alloy": "A", "nova": "nova-2"}
        assert target.voice_for("narrator") is None


def test_the_nearest_names_come_first_and_are_of_the_operation(setup: Setup) -> None:
    config = setup.config(ACME_KEY=KEY)
    assert nearest(config, "fsat", "chat") == ("fast",)
    assert nearest(config, "smal", "chat") == ("small",)
    assert nearest(config, "voic", "chat") == ()
    assert nearest(config, "voic", "speech") == ("voice",)
    assert nearest(config, "x" * 1_000_000, "chat") == ()


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ("[amce/small]", "routes.yaml:6:37: model 'fast' names the unknown provider 'amce' (did you mean 'acme'?)"),
        ("[acme/smal]", "model 'fast' names 'smal', which provider 'acme' does not have (did you mean 'small'?)"),
        ("[acme/voice]", "model 'fast' is for chat, but 'acme/voice' is for speech"),
        ("[acme]", "targets[0] is 'acme', which is not provider/model"),
        ("[]", "targets needs at least 1 items"),
        ("[acme/small, acme/small]", "targets must not hold the same item twice"),
    ],
)
def test_a_faulty_target_is_told_at_its_place(setup: Setup, targets: str, message: str) -> None:
    setup.routes("[acme/small, spare/chat]", targets)
    assert any(message in problem for problem in setup.problems()), setup.problems()


def test_a_wildcard_for_an_operation_that_nobody_there_can_do_is_a_fault(setup: Setup) -> None:
    setup.routes("routes:", "  hear: {operation: transcription, targets: [acme/*]}\nroutes:")
    assert any("asks for every transcription model of provider 'acme', which has none" in x for x in setup.problems())


def test_a_voice_of_an_unknown_provider_is_a_fault(setup: Setup) -> None:
    setup.routes("{acme: nova-2}", "{amce: nova-2}")
    [problem] = setup.problems()
    assert problem.startswith(
        "routes.yaml:4:14: voice 'narrator' names the unknown provider 'amce' (did you mean 'acme'?)"
    )


def test_one_fault_is_not_told_as_two(setup: Setup) -> None:
    setup.providers("plugin: fake\n", "plugin: faek\n")
    assert len(setup.problems()) == 1
    setup.providers("plugin: faek\n", "plugin: fake\n")
    setup.providers("small: {operation: chat", "small: {operation: chatt")
    assert len(setup.problems()) == 1
