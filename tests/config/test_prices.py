"""prices.yaml: what models cost whose rows do not say so, where it is from, and what nobody knows."""

from __future__ import annotations

import pytest

from gateway.config.files import bundled
from gateway.config.load import load
from gateway.config.resolve import resolve
from gateway.types import Price
from tests.config.folder import Setup

PRICES = """\
version: 1
sections:
  acme:
    source: a page
    date: 2026-11-23
    models:
      big: {input_usd_per_mtok: 7, output_usd_per_mtok: 7}
      unheard: {input_usd_per_mtok: 5, output_usd_per_mtok: 6}
      dated: {usd_per_request: 1, changes: [{from: 2027-01-01, usd_per_request: 2}]}
  shared:
    source: another page
    date: 2026-11-24
    models:
      chat: {usd_per_request: 0.5}
      big: {usd_per_request: 0.25}
"""


@pytest.fixture
def priced(setup: Setup) -> Setup:
    setup.write("prices.yaml", PRICES)
    return setup


def test_a_model_without_a_price_takes_it_from_the_section_of_its_providers_name(priced: Setup) -> None:
    priced.providers("small: {operation: chat, price: {input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2}}",
                     "unheard: {operation: chat}\n      dated: {operation: chat}")  # fmt: skip
    priced.routes("acme/small", "acme/unheard")
    models = priced.config().providers["acme"].models
    assert models["unheard"].price == Price(5 * 10**9, output_per_mtok=6 * 10**9)
    assert models["unheard"].price_from.endswith("prices.yaml:3 (a page, 2026-11-23)")
    assert models["dated"].price is not None
    assert len(models["dated"].price.changes) == 1


def test_a_price_in_providers_yaml_comes_first(priced: Setup) -> None:
    big = priced.config().providers["acme"].models["big"]
    assert big.price == Price(10**9, output_per_mtok=2 * 10**9)
    assert big.price_from.endswith("providers.yaml:7")


def test_a_row_may_name_another_section(priced: Setup) -> None:
    priced.providers("plugin: fake\n", "plugin: fake\n    prices: shared\n")
    priced.providers("big: {operation: chat, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}",
                     "big: {operation: chat}")  # fmt: skip
    priced.providers("standby: true\n", "standby: true\n    prices: shared\n")
    providers = priced.config().providers
    assert providers["acme"].models["big"].price == Price(per_request=250_000_000)
    assert providers["spare"].models["chat"].price == Price(per_request=0)


def test_an_unknown_section_is_refused_with_its_line(priced: Setup) -> None:
    priced.providers("plugin: fake\n", "plugin: fake\n    prices: shred\n")
    assert priced.problems() == [
        "providers.yaml:5:13: section 'shred' is not in prices.yaml (did you mean 'shared'?)",
    ]


def test_a_name_without_a_row_is_priced_through_a_pattern(priced: Setup) -> None:
    priced.routes("big-*:", "'*heard':")
    config = priced.config(ACME_KEY="k")
    _, (first, *_) = resolve(config, "unheard", "chat")
    assert (first.name, first.model.price) == ("acme/unheard", Price(5 * 10**9, output_per_mtok=6 * 10**9))
    _, (other, *_) = resolve(config, "misheard", "chat")
    assert (other.name, other.model.price) == ("acme/misheard", None)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("usd_per_request: 0.5", "usd_per_rquest: 0.5", "prices.yaml:14:14: 'usd_per_rquest' is not known in"),
        ("usd_per_request: 0.5", "usd_per_request: -1", "prices.yaml:14:31: "),
        ("usd_per_request: 0.5", "usd_per_request: 0.0000000001", "prices.yaml:14:31: usd_per_request is"),
        ("date: 2026-11-23", "date: 2026-02-30", "prices.yaml:5:11: date is '2026-02-30', which is no day"),
        ("date: 2026-11-23", "date: yesterday", "prices.yaml:5:11: "),
        ("    source: a page\n", "", "prices.yaml:3:3: "),
        ("version: 1", "version: 2", "prices.yaml:1:10: "),
        ("      big: {usd", "      big: {usd: [", "prices.yaml:"),
        (
            "usd_per_request: 0.5",
            "usd_per_audio_minute: 1, usd_per_audio_second: 1",
            "prices.yaml:14:61: usd_per_audio_minute and usd_per_audio_second say the same; keep one",
        ),
    ],
)
def test_a_fault_is_told_with_its_place(priced: Setup, old: str, new: str, problem: str) -> None:
    assert old in PRICES
    priced.write("prices.yaml", PRICES.replace(old, new, 1))
    found = priced.problems()
    assert len(found) == 1, found
    assert found[0].startswith(problem)


def test_the_digest_knows_the_prices(priced: Setup) -> None:
    before = priced.config().digest
    priced.write("prices.yaml", PRICES.replace("usd_per_request: 0.5", "usd_per_request: 0.6"))
    assert priced.config().digest != before


@pytest.mark.parametrize(
    ("price", "per_minute"),
    [
        ("usd_per_audio_second: 0.0001", 6_000_000),
        ("usd_per_audio_second: 0.000000001", 60),
        ("usd_per_audio_minute: 0.006", 6_000_000),
    ],
)
def test_seconds_of_audio_are_kept_by_the_minute_exactly(setup: Setup, price: str, per_minute: int) -> None:
    setup.providers("usd_per_mchar: 15", price)
    assert setup.config().providers["acme"].models["voice"].price == Price(per_audio_minute=per_minute)


def test_a_change_from_minutes_to_seconds_replaces_the_price(setup: Setup) -> None:
    changes = "[{from: 2027-01-01, usd_per_audio_second: 0.001}]"
    setup.providers("usd_per_mchar: 15", f"usd_per_audio_minute: 0.006, changes: {changes}")
    price = setup.config().providers["acme"].models["voice"].price
    assert price is not None
    assert price.at(2e9, 0) == Price(per_audio_minute=60_000_000)


def test_audio_tokens_have_prices_of_their_own(setup: Setup) -> None:
    setup.providers(
        "output_usd_per_mtok: 2}", "output_usd_per_mtok: 2, input_audio_usd_per_mtok: 3, output_audio_usd_per_mtok: 4}"
    )
    price = setup.config().providers["acme"].models["big"].price
    assert price is not None
    assert (price.input_audio_per_mtok, price.output_audio_per_mtok) == (3 * 10**9, 4 * 10**9)


def test_what_nobody_has_priced_is_warned_of_once_a_provider_that_is_on(setup: Setup) -> None:
    setup.providers(", price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}", "")
    setup.providers(", price: {input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2}", ", price: {input_usd_per_mtok: 1}")
    assert setup.warnings() == []
    assert setup.warnings(ACME_KEY="key-of-acme-1") == [
        "nobody knows what these models of 'acme' cost: big, small; give a price, 0 if free"
    ]
    setup.providers(", price: {input_usd_per_mtok: 1}", ", price: {usd_per_request: 0}")
    assert setup.warnings(ACME_KEY="key-of-acme-1") == [
        "nobody knows what these models of 'acme' cost: big; give a price, 0 if free"
    ]


def test_a_budget_holds_over_models_that_prices_yaml_prices(priced: Setup) -> None:
    priced.providers("big: {operation: chat, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}",
                     "unheard: {operation: chat}")  # fmt: skip
    priced.routes(
        "big-*: {operation: chat, targets: [acme/*, spare/chat]}", "big: {operation: chat, targets: [spare/chat]}"
    )
    priced.routes("model: fast}", "model: fast, quota: {budget: 1 USD/day}}")
    assert priced.problems() == []
    priced.write("prices.yaml", PRICES.replace("unheard", "other"))
    assert "can reach chat models without a price: acme/unheard" in priced.problems()[0]


def test_without_a_list_of_ones_own_the_bundled_one_is_read(setup: Setup) -> None:
    assert setup.config().files[-1] == str(bundled() / "prices.yaml")
    setup.write("prices.yaml", "version: 1\nsections: {}\n")
    assert setup.config().files[-1] == str(setup.folder / "prices.yaml")


def test_our_own_rows_cost_what_our_own_list_says() -> None:
    """Where both have a price they agree, so that neither is forgotten when a vendor changes it."""
    config = load(bundled(), {})
    by_hand = [
        row for row in config.providers.values() if "-" in row.name or row.name in ("polly", "deepgram", "elevenlabs")
    ]
    pairs = [
        (f"{row.name}/{name}", price, row.models[name].price)
        for row in by_hand
        for name, price in row.prices.items()
        if name in row.models
    ]
    assert len(pairs) >= 20
    assert [pair for pair in pairs if pair[1] != pair[2]] == []
