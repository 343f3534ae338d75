"""A model's capabilities in providers.yaml, and when a provider that needs no key is on."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.errors import ConfigError
from gateway.types import Provider

ROUTES = """
version: 1
keys: {anonymous: loopback}
routes:
  - {path: /v1/chat/completions, dialect: openai.chat}
"""


def provider(folder: Path, row: str, **environ: str) -> Provider:
    (folder / "routes.yaml").write_text(ROUTES)
    (folder / "providers.yaml").write_text(f"version: 1\nproviders:\n  p:\n    plugin: openai\n{row}")
    return load(folder, environ).providers["p"]


def test_a_row_says_what_its_model_takes(tmp_path: Path) -> None:
    row = """
    drop: reject
    models:
      m: {operation: chat, refuses: [stop, metadata], refuses_while_reasoning: [temperature], drop: warn,
          default_reasoning_effort: medium, context_tokens: 1000, modalities: [text, image]}
      n: {operation: chat}
"""
    found = provider(tmp_path, row)
    m, n = found.models["m"], found.models["n"]
    assert (found.drop, m.drop, n.drop) == ("reject", "warn", None)
    assert m.refuses == frozenset({"stop", "metadata"})
    assert m.refuses_while_reasoning == frozenset({"temperature"})
    assert m.modalities == frozenset({"text", "image"})
    assert (m.default_reasoning_effort, m.context_tokens) == ("medium", 1000)
    assert (n.default_reasoning_effort, n.context_tokens) == ("none", None)
    assert n.refuses | n.refuses_while_reasoning | n.modalities == frozenset()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("refuses: [temprature]", "(did you mean 'temperature'?)"),
        ("refuses_while_reasoning: [top-p]", "(did you mean 'top_p'?)"),
        ("modalities: [images]", "(did you mean 'image'?)"),
        ("drop: rejct", "(did you mean 'reject'?)"),
        ("context_tokens: 0", "has to be at least 1"),
        ("refuses: [seed, seed]", "must not hold the same item twice"),
    ],
)
def test_a_mistyped_capability_is_told_with_the_nearest_name(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        provider(tmp_path, f"    models:\n      m: {{operation: chat, {row}}}\n")
    assert message in str(caught.value)
    assert "providers.yaml:6:" in str(caught.value)


@pytest.mark.parametrize(
    ("row", "environ", "reason"),
    [
        ("    base_url: ${X_URL:-}\n    options: {auth: none}\n", {}, "X_URL is not set"),
        ("    base_url: ${X_URL:-}\n    options: {auth: none}\n", {"X_URL": ""}, "X_URL is empty"),
        ("    base_url: ${X_URL:-}\n    options: {auth: none}\n", {"X_URL": "http://127.0.0.1:1/v1"}, None),
        ("    base_url: ''\n    options: {auth: none}\n", {}, "base_url is empty"),
        ("    base_url: http://127.0.0.1:1/v1\n", {}, "credentials.api_key is not given"),
    ],
)
def test_a_provider_without_a_key_is_on_once_it_has_an_address(
    tmp_path: Path, row: str, environ: dict[str, str], reason: str | None
) -> None:
    assert provider(tmp_path, row, **environ).off_reason == reason
