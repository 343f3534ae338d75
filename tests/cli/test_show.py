"""`gateway show`: what comes out of the files, from where, and nothing secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import call
from tests.harness import ROUTES, SANDBOX

PROVIDERS = (
    SANDBOX
    + """
  vendor:
    plugin: openai
    base_url: ${VENDOR_URL:-https://vendor.test/v1}
    credentials: {api_key: "${VENDOR_KEY:-}"}
    headers: {x-team: canary-header-literal}
    models: {chat: {operation: chat}}
"""
)
MORE = """
defaults: {cache: {ttl_s: "${TTL:-300}"}, quota: {requests: ["${PER_MINUTE:-60}/minute"]}}
stores: {redis_url: "redis://:canary-redis@127.0.0.1:1/0", database_url: "${file:secret-url}"}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("VENDOR_URL", "VENDOR_KEY", "TTL", "PER_MINUTE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "routes.yaml").write_text(ROUTES.replace("openai.chat}", "openai.chat, cache: none}") + MORE)
    (tmp_path / "providers.yaml").write_text(PROVIDERS)
    (tmp_path / "secret-url").write_text("sqlite:canary-file.db")
    return tmp_path


def values(folder: Path) -> dict[str, tuple[Any, str]]:
    done = call("show", folder, "--json")
    assert done.status == 0, done.err
    return {one["path"]: (one["value"], one["origin"].replace(f"{folder}/", "")) for one in done.json["values"]}


def test_each_value_says_where_it_is_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTL", "60")
    (folder / ".env").write_text("PER_MINUTE=7\nTTL=61\n")
    found = values(folder)
    assert found["models.chat.targets"] == (["sandbox/chat"], "routes.yaml:6")
    assert found["server.listen"] == ("127.0.0.1:0", "routes.yaml:3")
    assert found["server.shutdown_s"] == (30, "default")
    assert found["defaults.cache.ttl_s"] == (60, "routes.yaml:18, TTL of the environment")
    assert found["routes[1].cache.ttl_s"] == (60, "routes.yaml:18, TTL of the environment (defaults)")
    assert found["routes[1].quota.requests"] == (["7/minute"], "routes.yaml:18, PER_MINUTE of .env (defaults)")
    assert found["routes[0].cache"] == ("none", "routes.yaml:11")
    assert "routes[0].cache.ttl_s" not in found
    assert found["providers.vendor.base_url"] == ("https://vendor.test/v1", "providers.yaml:14, VENDOR_URL is not set")
    assert found["providers.vendor.timeouts.connect_s"] == (5, "default")
    assert found["stores.database_url"] == ("(hidden)", "routes.yaml:19, the file secret-url")


def test_no_secret_is_shown_whether_it_is_written_substituted_or_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENDOR_KEY", "canary-key")
    routes = (folder / "routes.yaml").read_text()
    options = "{words: ['${VENDOR_KEY}'], api_key: canary-option, tokens: 5}"
    link = f"middlewares: [{{name: mine, after: auth, options: {options}}}]"
    keys = "keys: {anonymous: loopback, static: [{name: web, key: canary-static-key-1}]}"
    routes = routes.replace("keys: {anonymous: loopback}", keys).replace("cache: none}", f"cache: none, {link}}}")
    (folder / "routes.yaml").write_text(routes)
    (folder / "plugins").mkdir()
    (folder / "plugins" / "mine.py").write_text(
        "def MIDDLEWARE(options):\n    return lambda call, handler: handler(call)\n"
    )
    for arguments in ([], ["--json"]):
        done = call("show", folder, *arguments)
        assert done.status == 0, done.err
        assert "canary" not in done.out + done.err
    found = values(folder)
    assert found["providers.vendor.credentials.api_key"][0] == "(hidden)"
    assert found["routes[0].middlewares[0].options.tokens"][0] == 5
    assert found["keys.static[0].name"][0] == "web"
    monkeypatch.delenv("VENDOR_KEY")
    (folder / "routes.yaml").write_text(routes.replace("${VENDOR_KEY}", "word"))
    assert values(folder)["providers.vendor.credentials.api_key"][0] == "(empty)"


def test_no_secret_is_shown_of_a_faulty_file(folder: Path) -> None:
    text = PROVIDERS.replace('credentials: {api_key: "${VENDOR_KEY:-}"}', "credentials: canary-instead-of-a-mapping")
    (folder / "providers.yaml").write_text(text)
    done = call("show", folder)
    assert done.status == 1
    assert "the files are faulty" in done.err
    assert "models.chat.targets" in done.out
    assert "canary" not in done.out


def test_only_shows_what_is_below_a_path(folder: Path) -> None:
    paths = [line.split()[0] for line in call("show", folder, "--only", "routes[1]").lines]
    assert paths
    assert all(path.startswith("routes[1].") for path in paths)
    assert call("show", folder, "--only", "route").status == 1
    assert "nothing begins with 'route'" in call("show", folder, "--only", "route").err


def test_a_folder_that_is_not_there_is_misuse() -> None:
    assert call("show", "/nowhere/at/all").status == 64
