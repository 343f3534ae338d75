"""Two configurations compared: every kind of change in words, nothing twice, nothing secret."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.config.difference import differences
from gateway.config.load import load
from gateway.config.model import Config, Cors, Server

PROVIDERS = """
version: 1
providers:
  one:
    plugin: openai
    base_url: https://one.test/v1
    credentials: {api_key: "${ONE_KEY:-canary-one}"}
    headers: {x-team: canary-header}
    options: {api: chat}
    models:
      a: {operation: chat, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}
      b: {operation: chat}
  sandbox:
    plugin: sandbox
    models: {chat: {operation: chat}, speech: {operation: speech, formats: [wav]}}
"""
ROUTES = """
version: 1
server: {listen: "127.0.0.1:8001", log_level: info}
keys: {static: [{name: web, key: canary-key-0000001, limits: {requests: 5/minute}}]}
stores: {redis_url: "redis://:canary-redis@127.0.0.1:1/0"}
telemetry: {traces: {sample: 0.5, headers: {x-key: canary-collector}}}
voices: {narrator: {one: nova}}
limits:
  all: {per: [], requests: 100/minute}
models:
  fast: {operation: chat, targets: [one/a, one/b, sandbox/chat]}
  speak: {operation: speech, targets: [sandbox/speech]}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat, cache: {ttl_s: 300}}
  - {path: /v1/audio/speech, dialect: openai.speech, model: speak}
"""


def loaded(folder: Path, providers: str = PROVIDERS, routes: str = ROUTES, **environ: str) -> Config:
    (folder / "providers.yaml").write_text(providers)
    (folder / "routes.yaml").write_text(routes)
    return load(folder, environ)


CHANGES = [
    ("[one/a, one/b, ", "[one/b, one/a, ", ["model fast: one/a → one/b first"]),
    ("[one/a, one/b, sandbox/chat]", "[one/a, sandbox/chat]", ["model fast: no longer by one/b"]),
    (
        "[one/a, one/b, sandbox/chat]",
        "[sandbox/chat]",
        ["model fast: one/a → sandbox/chat first; no longer by one/a, one/b"],
    ),
    (
        "[one/a, one/b, sandbox/chat]",
        "[one/a, sandbox/chat, one/b]",
        ["model fast: the order is one/a, sandbox/chat, one/b"],
    ),
    (
        "[sandbox/speech]}",
        "[sandbox/speech]}\n  mine: {operation: chat, targets: [one/b]}",
        ["model mine: new, chat by one/b"],
    ),
    (
        "[one/a, one/b, sandbox/chat]}",
        "[{target: one/a, weight: 3}, one/b, {target: sandbox/chat, group: 2}], strategy: weighted}",
        [
            "model fast: choice.strategy priority → weighted",
            "model fast: places.one/a.weight 1 → 3",
            "model fast: places.sandbox/chat.group 1 → 2",
        ],
    ),
    (
        "[one/a, one/b, sandbox/chat]}",
        "[{target: one/a, when: {max_input_tokens: 800}}, sandbox/chat]}",
        [
            "model fast: no longer by one/b",
            "model fast: places.one/a.when none → {sizes: [{unit: input_tokens, most: 800}]}",
        ],
    ),
    ("log_level: info", "log_level: debug", ["server: log_level info → debug"]),
    ("sample: 0.5", "sample: 0.25", ["telemetry: traces.sample 0.5 → 0.25"]),
    ("canary-collector", "canary-other", ["telemetry: traces.headers.x-key changed"]),
    ("ttl_s: 300", "ttl_s: 60.5", ["route POST /v1/chat/completions: cache.ttl_s 300 → 60.5"]),
    (
        ", cache: {ttl_s: 300}",
        "",
        [
            "route POST /v1/chat/completions: cache {ttl_s: 300, max_entry_bytes: 8388608, max_ttl_s: 86400} → none",
            "route POST /v1/chat/completions: is_coalesced true → false",
        ],
    ),
    (", model: speak", "", ["route POST /v1/audio/speech: model speak → none"]),
    (
        "openai.speech, model: speak}",
        "openai.speech}\n  - {path: /x, dialect: openai.chat}",
        ["route POST /v1/audio/speech: model speak → none", "route POST /x: new"],
    ),
    ("  - {path: /v1/audio/speech, dialect: openai.speech, model: speak}\n", "", ["route POST /v1/audio/speech: gone"]),
    ("canary-key-0000001", "canary-key-0000002", ["key web: digest changed"]),
    ("name: web", "name: app", ["key web: gone", "key app: new"]),
    ("5/minute", "6/minute", ["key web: limits.key web.rates [requests 5 per minute] → [requests 6 per minute]"]),
    ("canary-redis", "canary-redis-2", ["redis_url: changed"]),
    ('stores: {redis_url: "redis://:canary-redis@127.0.0.1:1/0"}\n', "", ["redis_url: (hidden) → none"]),
    ("100/minute", "90/minute", ["limit all: rates [requests 100 per minute] → [requests 90 per minute]"]),
    ("{one: nova}", "{one: onyx}", ["voices of one: narrator nova → onyx"]),
    ("[{name: web", "[{name: web, routes: [/v1/*]", ["key web: scopes.routes [] → [/v1/*]"]),
    ("version: 1\n", "version: 1\n# a comment\n", [""]),
]
ROWS = [
    (
        "https://one.test/v1",
        "https://two.test/v1",
        ["provider one: base_url https://one.test/v1 → https://two.test/v1"],
    ),
    ("canary-header", "canary-header-2", ["provider one: headers.x-team changed"]),
    ("canary-one", "canary-two", ["provider one: credentials.api_key changed"]),
    ("api: chat", "api: responses", ["provider one: options.api changed"]),
    ("input_usd_per_mtok: 1,", "input_usd_per_mtok: 1.5,", ["provider one: models.a.price.input_usd_per_mtok 1 → 1.5"]),
    (
        "      b: {operation: chat}\n",
        "      b: {operation: chat}\n      c: {operation: chat}\n",
        ["provider one: models.c new"],
    ),
    ("formats: [wav]", "formats: [wav, pcm]", ["provider sandbox: models.speech.formats [wav] → [pcm, wav]"]),
    (
        "    plugin: sandbox\n",
        "    plugin: sandbox\n    timeouts: {total_s: 7}\n",
        ["provider sandbox: timeouts.total_s 600 → 7"],
    ),
]


@pytest.mark.parametrize(("old", "new", "told"), CHANGES, ids=[new[:50] for _, new, _ in CHANGES])
def test_a_change_of_the_routes_is_told_once(tmp_path: Path, old: str, new: str, told: list[str]) -> None:
    assert old in ROUTES
    before, after = loaded(tmp_path), loaded(tmp_path, routes=ROUTES.replace(old, new, 1))
    _check(tmp_path, before, after, told)


@pytest.mark.parametrize(("old", "new", "told"), ROWS, ids=[new[:50] for _, new, _ in ROWS])
def test_a_change_of_the_providers_is_told_once(tmp_path: Path, old: str, new: str, told: list[str]) -> None:
    assert old in PROVIDERS
    before, after = loaded(tmp_path), loaded(tmp_path, PROVIDERS.replace(old, new, 1))
    _check(tmp_path, before, after, told)


def _check(folder: Path, before: Config, after: Config, told: list[str]) -> None:
    found = differences(before, after)
    if told == [""]:
        assert found == [
            f"{folder}/routes.yaml: only what changes no value (comments, order, the code of a middleware)"
        ]
    else:
        assert found == told
    assert differences(before, before) == differences(after, after) == []
    back = differences(after, before)
    assert back
    assert "canary" not in " ".join(found + back)


def test_the_same_files_read_twice_do_not_differ(tmp_path: Path) -> None:
    assert differences(loaded(tmp_path), loaded(tmp_path)) == []


def test_a_provider_that_a_variable_turns_off_is_told_with_the_reason(tmp_path: Path) -> None:
    providers = PROVIDERS.replace("${ONE_KEY:-canary-one}", "${ONE_KEY:-}")
    on, off = loaded(tmp_path, providers, ONE_KEY="canary-one"), loaded(tmp_path, providers)
    assert differences(on, off) == [
        "provider one: off, ONE_KEY is not set",
        "provider one: credentials.api_key changed",
        "model fast: one/a → sandbox/chat first; no longer by one/a, one/b",
    ]
    assert differences(off, on)[0] == "provider one: on"


def test_what_many_routes_change_alike_is_one_line(tmp_path: Path) -> None:
    rows = "".join(f"  - {{path: /r{number}, dialect: openai.chat}}\n" for number in range(9))
    before = loaded(tmp_path, routes=f"{ROUTES}{rows}defaults: {{total_s: 5}}\n")
    after = loaded(tmp_path, routes=f"{ROUTES}{rows}defaults: {{total_s: 6}}\n")
    assert differences(before, after) == [
        "11 routes (POST /v1/chat/completions, POST /v1/audio/speech, …): total_s 5 → 6"
    ]


def test_a_plugin_whose_code_changed_and_a_prompt_whose_text_did_are_told(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    source = (Path(__file__).parents[2] / "plugins" / "local_tts.py").read_text()
    (tmp_path / "plugins" / "mine.py").write_text(source)
    (tmp_path / "say.yaml").write_text(
        "version: 1\ntemplate: 'Say {{ word }}.'\ninput: {type: object, properties: {word: {type: string}}}\n"
    )
    providers = PROVIDERS + "  mine: {plugin: mine, models: {m: {operation: speech}}}\n"
    routes = ROUTES + "  - {path: /say, dialect: prompt, prompt: say.yaml, model: fast}\n"
    before = loaded(tmp_path, providers, routes)
    (tmp_path / "plugins" / "mine.py").write_text(source + "\n# changed\n")
    (tmp_path / "say.yaml").write_text(
        "version: 1\ntemplate: 'Tell {{ word }}.'\ninput: {type: object, properties: {word: {type: string}}}\n"
    )
    assert differences(before, loaded(tmp_path, providers, routes)) == [
        "provider mine: the code of its plugin changed",
        f"prompt {tmp_path}/say.yaml: its text changed",
    ]


@pytest.mark.parametrize("item", [item.name for item in fields(Server)])
def test_no_field_of_the_server_is_forgotten(tmp_path: Path, item: str) -> None:
    """A new field is compared without a word here: so it is with every value that the configuration is made of."""
    before = loaded(tmp_path)
    value: Any = getattr(before.server, item)
    other: Any = (
        replace(value, max_age_s=1) if isinstance(value, Cors) else f"{value}x" if isinstance(value, str) else not value
    )
    after = replace(before, server=replace(before.server, **{item: other}), digest="other")
    [line] = differences(before, after)
    assert line.startswith(f"server: {item}")
