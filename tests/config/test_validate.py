from __future__ import annotations

import pytest

from tests.config.folder import Setup

BUDGET = ", quota: {budget: 5 USD/day}"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("fats", "routes.yaml:10:63: model 'fats' is not in models (did you mean 'fast'?)"),
        ("speak", "model 'speak' is for speech, but dialect 'openai.chat' is for chat"),
        ("acme/bgi", "model 'acme/bgi' is not in models"),
    ],
)
def test_a_routes_model_has_to_be_one_of_its_operation(setup: Setup, model: str, message: str) -> None:
    setup.routes("model: fast", f"model: {model}")
    [problem] = setup.problems()
    assert message in problem


@pytest.mark.parametrize("model", ["fast", "big-1", "acme/big", "small", "spare/chat"])
def test_a_routes_model_may_be_anything_that_resolves(setup: Setup, model: str) -> None:
    setup.routes("model: fast", f"model: {model}")
    assert setup.problems() == []


def test_a_route_that_lists_models_takes_none(setup: Setup) -> None:
    setup.routes("routes:", "routes:\n  - {path: /v1/models, dialect: openai.models, model: fast}")
    assert "lists models and takes no model" in setup.problems()[0]


def test_a_pattern_that_takes_any_model_cannot_be_budgeted(setup: Setup) -> None:
    setup.routes("model: fast", f"model: fast{BUDGET}")
    [problem] = setup.problems()
    assert problem.startswith(
        "routes.yaml:10:85: POST /v1/chat/completions has a budget but can reach chat models without"
    )
    assert ": acme/*; price them, 0 if free, and let no pattern take any model of a provider" in problem


def without_pattern(setup: Setup) -> None:
    setup.routes("  big-*: {operation: chat, targets: [acme/*, spare/chat]}\n", "")
    setup.routes("model: fast", f"model: fast{BUDGET}")


def test_priced_models_can_be_budgeted(setup: Setup) -> None:
    without_pattern(setup)
    assert setup.problems() == []


@pytest.mark.parametrize(
    ("price", "is_fine"),
    [
        ("{input_usd_per_mtok: 1, output_usd_per_mtok: 2}", True),
        ("{usd_per_request: 0}", True),
        ("{input_usd_per_mtok: 1}", False),
        ("{usd_per_mchar: 1}", False),
    ],
)
def test_a_price_has_to_cover_what_the_operation_uses(setup: Setup, price: str, is_fine: bool) -> None:
    without_pattern(setup)
    setup.providers("{input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2}", price)
    assert (setup.problems() == []) is is_fine


def test_a_model_without_a_price_that_only_its_own_name_reaches_counts_too(setup: Setup) -> None:
    without_pattern(setup)
    setup.providers("      big:", "      free: {operation: chat}\n      big:")
    assert ": acme/free; price them, 0 if free" in setup.problems()[0]


def test_a_disabled_provider_and_other_operations_need_no_price(setup: Setup) -> None:
    without_pattern(setup)
    setup.providers("price: {usd_per_mchar: 15}", "description: x")
    assert setup.problems() == []
    setup.providers("      big:", "      free: {operation: chat}\n      big:")
    setup.providers("    plugin: fake\n", "    plugin: fake\n    enabled: false\n")
    assert setup.problems() == []


@pytest.mark.parametrize(
    ("listen", "url", "is_loop"),
    [
        ("127.0.0.1:8001", "http://127.0.0.1:8001/v1", True),
        ("127.0.0.1:8001", "http://localhost:8001/v1", True),
        ("127.0.0.1:8001", "http://LOCALHOST.:8001/v1", True),
        ("127.0.0.1:8001", "http://127.0.0.2:8001", True),
        ("127.0.0.1:8001", "http://[::1]:8001", True),
        ("0.0.0.0:80", "http://localhost/v1", True),
        ("0.0.0.0:443", "https://127.0.0.1", True),
        ("gw.example:8001", "http://gw.example:8001/v1", True),
        ("127.0.0.1:8001", "http://127.0.0.1:8002/v1", False),
        ("127.0.0.1:8001", "http://vendor.example:8001/v1", False),
        ("10.0.0.1:8001", "http://127.0.0.1:8001/v1", False),
    ],
)
def test_a_gateway_that_would_call_itself_is_refused(setup: Setup, listen: str, url: str, is_loop: bool) -> None:
    setup.routes("keys:", f"server: {{listen: '{listen}'}}\nkeys:")
    setup.providers("plugin: fake\n", f"plugin: fake\n    base_url: '{url}'\n")
    assert any("base_url is the gateway's own address" in problem for problem in setup.problems()) is is_loop


def test_a_port_that_is_none_is_refused(setup: Setup) -> None:
    setup.providers("plugin: fake\n", "plugin: fake\n    base_url: http://a.example:99999\n")
    assert "its port is not a number up to 65535" in setup.problems()[0]


def test_a_faulty_model_is_not_said_to_be_unknown_as_well(setup: Setup) -> None:
    setup.routes("fast: {operation: chat,", "fast: {operation: chta,")
    [problem] = setup.problems()
    assert "operation is 'chta'" in problem
