from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config.files import bundled
from gateway.config.load import Known, load, read
from gateway.config.model import CacheStores, Config
from gateway.config.resolve import resolve
from gateway.errors import ConfigError
from gateway.types import Operation
from tests.config.folder import PROVIDERS, ROUTES, Setup

KEY = "a-key-of-some-length"


def test_a_folder_two_files_or_one_load_the_same(setup: Setup) -> None:
    files = setup.files()
    digests = {
        load(paths, {}).digest for paths in (setup.folder, str(setup.folder), [files.routes], list(vars_of(files)))
    }
    assert len(digests) == 1


def vars_of(files: object) -> tuple[Path, Path]:
    return files.routes, files.providers  # type: ignore[attr-defined]


def test_all_problems_of_both_files_come_sorted_and_once(setup: Setup) -> None:
    setup.routes("model: fast", "modle: fast")
    setup.routes("spare/tones", "spare/tone")
    setup.providers("plugin: fake", "plugin: faek")
    setup.providers("operation: speech", "operation: speach")
    with pytest.raises(ConfigError) as caught:
        load(setup.folder, {})
    places = [(Path(problem.file).name, problem.line) for problem in caught.value.problems]
    assert places == [("providers.yaml", 4), ("providers.yaml", 9), ("routes.yaml", 7), ("routes.yaml", 10)]
    assert len(set(caught.value.problems)) == len(caught.value.problems)


def test_a_file_that_is_no_yaml_does_not_hide_the_other(setup: Setup) -> None:
    setup.write("routes.yaml", "version: [1\n")
    setup.providers("plugin: fake", "plugin: faek")
    assert [problem.split(":")[0] for problem in setup.problems()] == ["providers.yaml", "routes.yaml"]
    setup.write("routes.yaml", ROUTES.replace("openai.chat", "openai.caht"))
    setup.write("providers.yaml", "- a\n")
    assert [problem.split(":")[0] for problem in setup.problems()] == ["providers.yaml", "routes.yaml"]


def test_warnings_do_not_stop_it(setup: Setup) -> None:
    setup.routes("loopback", "never")
    [warning] = load(setup.folder, {}).warnings
    assert warning.severity == "warning"


def test_the_digest_tells_one_configuration_from_another(setup: Setup) -> None:
    first = setup.config().digest
    assert len(first) == 8
    assert setup.config().digest == first
    assert setup.config(UNUSED="1").digest == first
    assert setup.config(ACME_KEY=KEY).digest != first
    setup.write("plugins/fake.py", (setup.folder / "plugins/fake.py").read_text() + "# changed\n")
    second = setup.config().digest
    assert second != first
    setup.routes("model: fast", "model: acme/big")
    assert setup.config().digest not in (first, second)


def test_the_digest_does_not_depend_on_where_the_files_lie(setup: Setup, tmp_path: Path) -> None:
    other = Setup(tmp_path / "other")
    for name in ("routes.yaml", "providers.yaml", "plugins/fake.py", "plugins/free.py"):
        other.write(name, (setup.folder / name).read_bytes())
    assert other.config().digest == setup.config().digest


def test_every_file_read_is_named(setup: Setup) -> None:
    setup.routes("version: 1", "version: 1\ninclude: more.yaml")
    setup.write("more.yaml", "voices: {}\n".replace("voices", "cache"))
    assert [Path(file).name for file in setup.config().files] == [
        "routes.yaml",
        "more.yaml",
        "providers.yaml",
        "prices.yaml",
    ]


def test_the_cache_has_its_size(setup: Setup) -> None:
    assert setup.config().cache_stores == CacheStores()
    assert CacheStores().max_bytes == 67_108_864
    setup.routes("keys:", "cache: {max_bytes: '${SIZE}'}\nkeys:")
    assert setup.config(SIZE="1000").cache_stores.max_bytes == 1000


def test_answers_are_kept_on_disk_below_the_files_and_in_redis_where_it_is_said(setup: Setup) -> None:
    redis = "stores: {redis_url: 'redis://h:1/0'}"
    setup.routes("keys:", f"cache: {{disk: {{folder: '${{FOLDER:-}}', max_bytes: 5}}, redis: true}}\n{redis}\nkeys:")
    assert setup.config(FOLDER="kept").cache_stores == CacheStores(
        disk_folder=(setup.folder / "kept").resolve(), disk_max_bytes=5, redis_url="redis://h:1/0"
    )
    assert setup.config().cache_stores.disk_folder is None
    assert "redis://" not in repr(setup.config().cache_stores)


def test_sharing_answers_takes_a_redis(setup: Setup) -> None:
    setup.routes("keys:", "cache: {redis: true}\nkeys:")
    (problem,) = setup.problems()
    assert "cache.redis shares answers in the Redis of stores.redis_url, which is not set" in problem


def test_other_dialects_and_links_can_be_offered(setup: Setup) -> None:
    setup.routes("openai.chat", "my.chat")
    setup.routes("openai.speech", "my.speech")
    known = Known({"my.chat": "chat", "my.speech": "speech"}, ("auth",))
    assert load(setup.folder, {}, known=known).routes[0].dialect == "my.chat"


@pytest.mark.parametrize("version", ["2", "'1'", "", "1.5"])
def test_another_version_is_refused(setup: Setup, version: str) -> None:
    setup.routes("version: 1", f"version: {version}")
    assert any("routes.yaml:1:" in problem and "it can only be 1" in problem for problem in setup.problems())


@pytest.mark.parametrize(
    "text", ["version: 1\n", "version: 1\nroutes: []\nserver:\nkeys:\nmodels:\nvoices:\n", "a: 1\n"]
)
def test_what_is_missing_or_empty_is_a_problem_not_a_crash(setup: Setup, text: str) -> None:
    setup.write("routes.yaml", text)
    setup.write("providers.yaml", text)
    assert setup.problems()


# ---------------------------------------------------------------- mutations

PIECES = st.sampled_from(
    [
        *(
            "",
            ":",
            "- ",
            "{",
            "}",
            "[",
            "]",
            '"',
            "'",
            "\n",
            "  ",
            "\t",
            "#",
            "&a ",
            "*a",
            "!!str ",
            "| ",
            "${",
            "$$",
            "%",
        ),
        *("null", "true", "-1", "1e999", "9" * 30, "yes", "\x00", "\xff", "/", "..", "*", "<<: ", "---\n", "? "),
    ]
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), PIECES), min_size=1, max_size=4),
    in_routes=st.booleans(),
)
def test_mutated_yaml_is_taken_or_refused_and_nothing_else(
    setup: Setup, edits: list[tuple[float, int, str]], in_routes: bool
) -> None:
    text = ROUTES if in_routes else PROVIDERS
    for place, length, piece in edits:
        at = int(place * len(text))
        text = text[:at] + piece + text[at + length :]
    setup.write("routes.yaml", text.encode("latin-1") if in_routes else ROUTES)
    setup.write("providers.yaml", PROVIDERS if in_routes else text.encode("latin-1"))
    reading = read(setup.files(), {})
    assert reading.config is not None or any(problem.severity == "error" for problem in reading.problems)
    for problem in reading.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert len(problem.message) < 1000


def test_shuffled_and_retyped_values_are_taken_or_refused_and_nothing_else(setup: Setup) -> None:
    chance = random.Random(7)
    values = ["null", "[]", "{}", "5", "-0.5", "true", "''", "'x'", "[1, [2]]", "{a: {b: c}}", "none", "acme/*", "'*'"]
    words = [word for word in ROUTES.replace("\n", " \n ").split(" ") if word not in ("", "\n", "-")]
    for _ in range(150):
        text = ROUTES
        for _ in range(chance.randint(1, 3)):
            text = text.replace(chance.choice(words), chance.choice(values), 1)
        setup.write("routes.yaml", text)
        read(setup.files(), {})


# ---------------------------------------------------------------- our own files


@pytest.fixture(scope="module")
def ours() -> Config:
    return load(bundled(), {})


def test_our_own_files_load_without_any_key_and_without_a_warning(ours: Config) -> None:
    assert ours.warnings == ()
    assert ours.providers["sandbox"].off_reason is None
    assert ours.providers["openai"].off_reason == "OPENAI_API_KEY is not set"
    assert ours.providers["gemini"].off_reason == "GOOGLE_API_KEY is not set"
    assert ours.providers["anthropic"].off_reason == "ANTHROPIC_API_KEY is not set"


STOCK: list[tuple[str, Operation]] = [
    *(
        (name, "chat")
        for name in ("fast", "smart", "gpt-4o-mini", "gpt-6-luna", "claude-haiku-4-5", "gemini-2.5-flash")
    ),
    *((name, "embeddings") for name in ("embed", "text-embedding-3-small", "text-embedding-ada-002")),
    *((name, "speech") for name in ("speak", "tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15")),
    *((name, "transcription") for name in ("transcribe", "whisper-1", "gpt-transcribe", "gpt-4o-mini-transcribe")),
]


@pytest.mark.parametrize(("name", "operation"), STOCK)
def test_a_stock_client_is_served_without_any_key(ours: Config, name: str, operation: Operation) -> None:
    _, targets = resolve(ours, name, operation)
    assert targets
    assert all(target.provider.off_reason is None for target in targets)


@pytest.mark.parametrize(("name", "operation"), STOCK)
def test_with_keys_the_sandbox_serves_nobody(name: str, operation: Operation) -> None:
    environ = dict.fromkeys(("OPENAI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY"), KEY)
    _, targets = resolve(load(bundled(), environ), name, operation)
    assert targets
    assert all(target.provider.name != "sandbox" for target in targets)


def test_our_own_files_honour_the_usual_names() -> None:
    environ = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": "http://mock.example/v1",
        "GOOGLE_API_KEY": KEY,
        "ANTHROPIC_API_KEY": KEY,
        "ALLOWED_ORIGINS": "https://a.example,https://b.example",
        "API_KEYS": "web:aB3dE5gH7jK9mN1p,zY2xW4vU6tS8rQ0o",
        "RATE_LIMIT_PER_MINUTE": "7",
        "RATE_LIMIT_PER_HOUR": "70",
        "CACHE_TTL_SECONDS": "30",
        "METRICS_ENABLED": "false",
        "LOG_LEVEL": "DEBUG",
        "GATEWAY_LISTEN": "0.0.0.0:9000",
    }
    config = load(bundled(), environ)
    assert config.providers["openai"].base_url == "http://mock.example/v1"
    assert all(config.providers[name].off_reason is None for name in ("openai", "gemini", "anthropic"))
    assert config.server.cors.origins == ("https://a.example", "https://b.example")
    assert len(config.keys.static) == 2
    chat = config.routes[0]
    assert chat.quota is not None
    assert [str(rate) for _, rate in chat.quota.rates] == ["7 per minute", "70 per hour"]
    assert chat.cache is not None
    assert chat.cache.ttl_s == 30.0
    assert (config.server.metrics, config.server.log_level) == (False, "debug")
    assert (config.server.host, config.server.port) == ("0.0.0.0", 9000)


@pytest.mark.parametrize("name", ["openai", "gemini", "anthropic", "local-tts", "local-stt", "sandbox"])
def test_our_own_files_price_every_model(ours: Config, name: str) -> None:
    assert [model.name for model in ours.providers[name].models.values() if model.price is None] == []
