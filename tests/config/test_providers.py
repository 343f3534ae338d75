from __future__ import annotations

import pytest

from gateway.types import Price, Timeouts
from tests.config.folder import FREE, PLUGIN, Setup

KEY = "a-key-of-some-length"


def test_a_row_becomes_a_provider(setup: Setup) -> None:
    setup.providers(
        "    plugin: fake\n",
        "    plugin: fake\n    base_url: http://vendor.example:8080/v1/\n    headers: {X-Project: p1}\n"
        "    timeouts: {connect_s: 1, total_s: 90}\n    options: {rate: 7}\n",
    )
    provider = setup.config(ACME_KEY=KEY).providers["acme"]
    assert provider.base_url == "http://vendor.example:8080/v1"
    assert provider.credentials == {"api_key": KEY}
    assert provider.headers == {"X-Project": "p1"}
    assert provider.timeouts == Timeouts(connect_s=1.0, total_s=90.0)
    assert provider.options == {"rate": 7}
    assert (provider.off_reason, provider.is_standby) == (None, False)
    assert provider.models["small"].price == Price(input_per_mtok=100_000_000, output_per_mtok=200_000_000)
    assert provider.models["voice"].price == Price(per_mchar=15_000_000_000)


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
