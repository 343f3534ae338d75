from __future__ import annotations

from pathlib import Path as FilePath

import pytest

from gateway.config.files import Files
from gateway.config.load import read
from gateway.types import NANO_USD, Change, Price, Tier, Timeouts
from tests.config.folder import FREE, PLUGIN, Setup

KEY = "a-key-of-some-length"


def test_a_row_becomes_a_provider(setup: Setup) -> None:
    setup.providers(
        "    plugin: fake\n",
        "    plugin: fake\n    base_url: http://vendor.example:8080/v1/\n    headers: {X-Project: p1}\n"
        "    timeouts: {connect_s: 1, total_s: 90}\n    options: {rate: 7}\n    proxy: environment\n"
        "    warm_connections: 3\n",
    )
    provider = setup.config(ACME_KEY=KEY).providers["acme"]
    assert provider.base_url == "http://vendor.example:8080/v1"
    assert provider.credentials == {"api_key": KEY}
    assert provider.headers == {"X-Project": "p1"}
    assert provider.timeouts == Timeouts(connect_s=1.0, total_s=90.0)
    assert provider.options == {"rate": 7}
    assert (provider.off_reason, provider.is_standby) == (None, False)
    assert (provider.proxy, provider.warm_connections) == ("environment", 3)
    assert provider.models["small"].price == Price(input_per_mtok=100_000_000, output_per_mtok=200_000_000)
    assert provider.models["voice"].price == Price(per_mchar=15_000_000_000)


def test_headers_that_carry_a_secret_are_known_by_their_name_or_where_they_come_from(setup: Setup) -> None:
    setup.providers(
        "    plugin: fake\n",
        '    plugin: fake\n    headers: {X-Version: "2026", X-Org: "${ACME_KEY}", Proxy-Authorization: Basic abc}\n',
    )
    assert setup.config(ACME_KEY=KEY).providers["acme"].secret_headers == {"X-Org", "Proxy-Authorization"}


def test_the_plugin_says_where_its_vendor_is(setup: Setup) -> None:
    assert setup.config().providers["acme"].base_url == "https://api.fake.example/v1"


@pytest.mark.parametrize(
    ("credentials", "environ", "reason"),
    [
        ("{api_key: '${ACME_KEY:-}'}", {}, "ACME_KEY is not set"),
        ("{api_key: '${ACME_KEY:-}'}", {"ACME_KEY": ""}, "ACME_KEY is empty"),
        ("{api_key: ''}", {}, "credentials.api_key is empty"),
        ("{}", {}, "credentials.api_key is not given"),
        ("{api_key: '${ACME_KEY:-}'}", {"ACME_KEY": KEY}, None),
    ],
)
def test_a_provider_without_credentials_is_off_and_says_why(
    setup: Setup, credentials: str, environ: dict[str, str], reason: str | None
) -> None:
    setup.providers('{api_key: "${ACME_KEY:-}"}', credentials)
    config = setup.config(**environ)
    assert config.providers["acme"].off_reason == reason
    assert config.warnings == ()


def test_an_empty_secret_file_is_named(setup: Setup) -> None:
    setup.write("secret", "\n")
    setup.providers("${ACME_KEY:-}", "${file:secret}")
    assert setup.config().providers["acme"].off_reason == "secret is empty"


def test_a_disabled_provider_names_the_line(setup: Setup) -> None:
    setup.providers("    plugin: fake\n", "    plugin: fake\n    enabled: ${ACME_ON:-false}\n")
    reason = setup.config(ACME_KEY=KEY).providers["acme"].off_reason
    assert reason is not None
    assert reason.startswith("disabled in ")
    assert reason.endswith("providers.yaml:5")
    assert setup.config(ACME_KEY=KEY, ACME_ON="true").providers["acme"].off_reason is None


@pytest.mark.parametrize(("module", "is_on"), [("json", True), ("surely_missing", False), ("no_such.part", False)])
def test_a_worker_without_its_packages_is_off_with_what_to_install(setup: Setup, module: str, is_on: bool) -> None:
    worker = f'Worker("w.py", ("{module}",), "pip install it")'
    setup.write("plugins/free.py", FREE.replace("backend = None", f"backend = {worker}"))
    reason = setup.config().providers["spare"].off_reason
    assert reason == (None if is_on else f"{module} is not installed; pip install it")


def test_a_placeholder_credential_is_a_warning(setup: Setup) -> None:
    assert setup.problems(ACME_KEY="your-api-key") == []
    assert setup.warnings(ACME_KEY="your-api-key") == ["credentials.api_key looks like a placeholder"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "plugin: fake\n",
            "plugin: faek\n",
            "providers.yaml:4:13: plugin 'faek' does not load: there is no faek.py in",
        ),
        ("plugin: fake\n", "plugin: ../fake\n", "which is not the name of a file in plugins/"),
        ("credentials:", "credentails:", "'credentails' is not known in providers.acme (did you mean 'credentials'?)"),
        ("{api_key:", "{api_kye:", "credentials lacks 'api_key' (there is 'api_kye')"),
        ("plugin: fake\n", "plugin: fake\n    options: {raet: 1}\n", "'raet' is not known in providers.acme.options"),
        ("plugin: fake\n", "plugin: fake\n    options: {rate: 0}\n", "providers.yaml:5:21: rate has to be at least 1"),
        ("plugin: fake\n", "plugin: fake\n    headers: {'a b': c}\n", "the name 'a b' is not an HTTP header's name"),
        ("plugin: fake\n", 'plugin: fake\n    headers: {a: "b\\r\\nc: d"}\n', "which is not one line"),
        ("plugin: fake\n", "plugin: fake\n    timeouts: {connect_s: 0}\n", "connect_s has to be more than 0"),
        ("operation: chat", "operation: chatt", "operation is 'chatt', it can be: chat, embeddings"),
        ("input_usd_per_mtok: 1,", "input_usd_per_mtok: -1,", "input_usd_per_mtok has to be at least 0, this is -1"),
        ("input_usd_per_mtok: 1,", "input_usd_per_mtok: 0.0000000001,", "has more than nine decimals"),
        ("input_usd_per_mtok: 1,", "input_usd_per_mtok: .nan,", "has to be a number, not '.nan'"),
        ("input_usd_per_mtok: 1,", "input_usd: 1,", "'input_usd' is not known in providers.acme.models.big.price"),
        ("      big:", "      b/i g:", "the name 'b/i g' is not letters, digits"),
        ("  acme:", "  ac/me:", "the name 'ac/me' is not letters, digits"),
    ],
)
def test_a_fault_is_told_at_its_place(setup: Setup, old: str, new: str, message: str) -> None:
    setup.providers(old, new)
    problems = setup.problems()
    assert any(message in problem for problem in problems), problems


def test_a_secret_that_misses_its_key_is_not_shown(setup: Setup) -> None:
    setup.providers('"${ACME_KEY:-}"', "[sk-canary-0123456789]")
    [problem] = setup.problems()
    assert "api_key has to be text, not …" in problem


@pytest.mark.parametrize(
    "url", ["https://a.example", "http://10.0.0.1:8080/v1", "http://[::1]:9/v1/", "https://a.example/v1/~x"]
)
def test_a_base_url_may_be(setup: Setup, url: str) -> None:
    setup.providers("plugin: fake\n", f"plugin: fake\n    base_url: {url}\n")
    assert setup.config().providers["acme"].base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://a.example", "a.example", "https://", "https://u:p@a.example", "https://a.example/?x=1"),
        *("https://a.example/#x", "https://a.example/v1/../x", "https://a.example/a b", "file:///etc/passwd"),
        "https://a.example:port",
    ],
)
def test_a_base_url_may_not_be(setup: Setup, url: str) -> None:
    setup.providers("plugin: fake\n", f"plugin: fake\n    base_url: '{url}'\n")
    assert "providers.yaml:5:15: base_url" in setup.problems()[0]


def test_no_base_url_at_all_is_a_fault(setup: Setup) -> None:
    setup.write("plugins/fake.py", PLUGIN.replace("https://api.fake.example/v1", ""))
    assert "base_url is missing, and the plugin has no default" in setup.problems()[0]


def test_a_model_for_what_the_plugin_cannot_do_is_a_fault(setup: Setup) -> None:
    setup.write("plugins/fake.py", PLUGIN.replace('frozenset({"chat", ', "frozenset({"))
    assert any("model 'acme/big' is for chat, which its plugin cannot do" in problem for problem in setup.problems())


def test_a_plugin_with_a_faulty_options_schema_is_a_fault(setup: Setup) -> None:
    setup.write("plugins/fake.py", PLUGIN.replace('"type": "integer"', '"type": "intger"'))
    assert "options_schema is faulty: properties.rate: type is 'intger', it can be: array" in setup.problems()[0]


def test_a_plugin_may_use_all_of_json_schema(setup: Setup) -> None:
    rules = '"dependentRequired": {"rate": ["unit"]}, "oneOf": [{"required": ["rate"]}, {"maxProperties": 0}]'
    setup.write("plugins/fake.py", PLUGIN.replace('"additionalProperties": False', rules))
    assert setup.problems() == []
    setup.providers("plugin: fake\n", "plugin: fake\n    options: {rate: 1}\n")
    assert setup.problems() == ["providers.yaml:5:5: providers.acme.options lacks 'unit', which 'rate' needs"]


def test_credentials_do_not_appear_in_the_repr(setup: Setup) -> None:
    assert KEY not in repr(setup.config(ACME_KEY=KEY))


# ---------------------------------------------------------------- prices with tiers and changes

BIG = "{input_usd_per_mtok: 1, output_usd_per_mtok: 2}}"
MILLI = 1_000_000
NEW_YEAR_S = 1_798_761_600.0  # 2027-01-01, 00:00 UTC


def price_of_big(setup: Setup, more: str) -> Price:
    setup.providers(BIG, f"{{input_usd_per_mtok: 1, output_usd_per_mtok: 2, {more}}}}}")
    price = setup.config().providers["acme"].models["big"].price
    assert price is not None
    return price


def test_a_tier_inherits_what_it_does_not_name(setup: Setup) -> None:
    tiers = "tiers: [{above_input_tokens: 10, output_usd_per_mtok: 3}, {above_input_tokens: 20, input_usd_per_mtok: 4}]"
    price = price_of_big(setup, tiers)
    assert price == Price(
        1000 * MILLI,
        output_per_mtok=2000 * MILLI,
        tiers=(
            Tier(10, Price(1000 * MILLI, output_per_mtok=3000 * MILLI)),
            Tier(20, Price(4000 * MILLI, output_per_mtok=2000 * MILLI)),  # of the base, not of the tier before
        ),
    )


@pytest.mark.parametrize("day", ["2027-01-01", "'2027-01-01'"])
def test_a_change_inherits_what_held_before_it(setup: Setup, day: str) -> None:
    tier = "tiers: [{above_input_tokens: 10, input_usd_per_mtok: 5}]"
    changes = f"changes: [{{from: {day}, input_usd_per_mtok: 3}}, {{from: 2027-01-02, output_usd_per_mtok: 4}}]"
    price = price_of_big(setup, f"{tier}, {changes}")

    def whole(base: int, output: int) -> Price:
        tiers = (Tier(10, Price(5000 * MILLI, output_per_mtok=output * MILLI)),)
        return Price(base * MILLI, output_per_mtok=output * MILLI, tiers=tiers)

    assert price.changes == (Change(NEW_YEAR_S, whole(3000, 2000)), Change(NEW_YEAR_S + 86_400, whole(3000, 4000)))


def test_a_change_can_bring_tiers(setup: Setup) -> None:
    price = price_of_big(
        setup, "changes: [{from: 2027-01-01, tiers: [{above_input_tokens: 10, input_usd_per_mtok: 5}]}]"
    )
    assert price.at(NEW_YEAR_S - 1, 11) == price
    assert price.at(NEW_YEAR_S, 10).input_per_mtok == 1000 * MILLI
    assert price.at(NEW_YEAR_S, 11) == Price(5000 * MILLI, output_per_mtok=2000 * MILLI)


@pytest.mark.parametrize(
    "place", ["{}", "tiers: [{{above_input_tokens: 9, {}}}]", "changes: [{{from: 2027-01-01, {}}}]"]
)
@pytest.mark.parametrize("value", ["-1", "-0.5", ".nan", "NaN", ".inf", "true", "'1'", "1e-10", "1000001"])
def test_what_is_no_amount_of_money_is_refused_with_its_line(setup: Setup, place: str, value: str) -> None:
    setup.providers(BIG, f"{{input_usd_per_mtok: 1,\n       {place.format(f'output_usd_per_mtok: {value}')}}}}}")
    problems = setup.problems()
    assert len(problems) == 1
    assert problems[0].startswith("providers.yaml:8:")
    assert "output_usd_per_mtok" in problems[0]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            "tiers: [{above_input_tokens: 9, input_usd_per_mtok: 1}, {above_input_tokens: 9, input_usd_per_mtok: 2}]",
            "above_input_tokens is 9, not more than in the tier before it",
        ),
        (
            "tiers: [{above_input_tokens: 9, input_usd_per_mtok: 1}, {above_input_tokens: 8, input_usd_per_mtok: 2}]",
            "above_input_tokens is 8, not more than in the tier before it",
        ),
        ("tiers: [{input_usd_per_mtok: 1}]", "lacks 'above_input_tokens'"),
        ("tiers: [{above_input_tokens: 0, input_usd_per_mtok: 1}]", "above_input_tokens has to be at least 1"),
        ("tiers: [{above_input_tokens: true, input_usd_per_mtok: 1}]", "above_input_tokens has to be"),
        ("tiers: [{above_input_tokens: 9}]", "tiers[0]"),
        ("tiers: [{above_input_tokens: 9, usd_per_request: 1}]", "'usd_per_request' is not known"),
        (
            "changes: [{from: 2027-01-02, usd_per_request: 1}, {from: 2027-01-02, usd_per_request: 2}]",
            "from is '2027-01-02', which is not after the change before it",
        ),
        (
            "changes: [{from: 2027-01-02, usd_per_request: 1}, {from: 2027-01-01, usd_per_request: 2}]",
            "from is '2027-01-01', which is not after the change before it",
        ),
        ("changes: [{from: 2027-02-29, usd_per_request: 1}]", "from is '2027-02-29', which is no day of the calendar"),
        ("changes: [{from: 2027-1-1, usd_per_request: 1}]", "from is '2027-1-1', which is not a day as 2027-01-31"),
        ("changes: [{from: 20270101, usd_per_request: 1}]", "from has to be text"),
        ("changes: [{usd_per_request: 1}]", "lacks 'from'"),
        ("changes: [{from: 2027-01-01}]", "changes[0]"),
    ],
)
def test_a_fault_of_a_tier_or_a_change_is_told_with_its_line(setup: Setup, more: str, message: str) -> None:
    setup.providers(BIG, f"{{input_usd_per_mtok: 1,\n       {more}}}}}")
    problems = setup.problems()
    assert all(problem.startswith("providers.yaml:8:") for problem in problems)
    assert any(message in problem for problem in problems), problems


def test_a_price_of_changes_alone_is_not_taken_for_free(setup: Setup) -> None:
    setup.providers(BIG, "{changes: [{from: 2027-01-01, usd_per_request: 1}]}}")
    [problem] = setup.problems()
    assert "price has tiers or changes but no price that they change" in problem


def test_our_own_prices_change_and_have_tiers_as_their_vendors_say() -> None:
    root = FilePath(__file__).parents[2]
    config = read(Files(root / "routes.yaml", root / "providers.yaml"), {}).config
    assert config is not None
    models = {**config.providers["gemini"].models, **config.providers["anthropic"].models}

    def prices(name: str, now_s: float, input_tokens: int) -> list[float | None]:
        price = models[name].price
        assert price is not None
        now = price.at(now_s, input_tokens)
        amounts = (now.input_per_mtok, now.cached_input_per_mtok, now.cache_write_per_mtok, now.output_per_mtok)
        return [None if amount is None else amount / NANO_USD for amount in amounts]

    assert prices("gemini-3.8-flash", NEW_YEAR_S - 1, 10**6) == [0.75, 0.075, None, 3.75]
    assert prices("gemini-3.8-flash", NEW_YEAR_S, 0) == [1.5, 0.15, None, 7.5]
    assert prices("gemini-3.1-pro-preview", NEW_YEAR_S, 200_000) == [2, 0.2, None, 12]
    assert prices("gemini-3.1-pro-preview", NEW_YEAR_S, 200_001) == [4, 0.4, None, 18]
    assert prices("claude-haiku-5-5", NEW_YEAR_S, 100_000) == [0.1, 0.01, 0.125, 0.5]
    assert prices("claude-haiku-5-5", NEW_YEAR_S, 100_001) == [0.5, 0.05, 0.625, 2.5]
