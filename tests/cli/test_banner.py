"""What is said at the start of who serves what: a line for each way to be served, however many names it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.banner import banner
from gateway.config.load import load
from tests.harness import SANDBOX

NAMES = ("a", "b", "c", "d", "e", "f")


@pytest.mark.parametrize(
    ("count", "line"),
    [
        (1, "  chat           a → sandbox/chat"),
        (4, "  chat           a, b, c, d → sandbox/chat"),
        (5, "  chat           a, b, c, d and 1 more → sandbox/chat"),
        (6, "  chat           a, b, c, d and 2 more → sandbox/chat"),
    ],
)
def test_models_that_the_same_targets_serve_share_a_line(tmp_path: Path, count: int, line: str) -> None:
    models = "".join(f"  {name}: {{operation: chat, targets: [sandbox/chat]}}\n" for name in NAMES[:count])
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    (tmp_path / "routes.yaml").write_text(
        f"version: 1\nmodels:\n{models}routes: [{{path: /v1/models, dialect: openai.models}}]\n"
    )
    said = banner(load([tmp_path], {}), "http://127.0.0.1:1").splitlines()
    assert line in said
    assert "  speech         nobody" in said
