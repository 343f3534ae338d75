from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.types import Concurrency
from tests.config.folder import Setup
from tests.harness import ROOT


def server(setup: Setup, text: str) -> Concurrency | None:
    setup.routes("keys:", f"server: {text}\nkeys:")
    return setup.config().server.concurrency


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", None),
        ("{concurrent: 1}", Concurrency(1)),
        ("{concurrent: 9, queue: {max: 0}}", Concurrency(9, queue=0)),
        ("{concurrent: 9, queue: {max: 7, max_wait_s: 0.5}}", Concurrency(9, queue=7, max_wait_s=0.5)),
        ("{concurrent: {max: 9}}", Concurrency(9)),
        ("{concurrent: {adaptive: false, min: 2, max: 9}}", Concurrency(9)),
        ("{concurrent: {adaptive: true, max: 9}}", Concurrency(9, 1)),
        ("{concurrent: {adaptive: true, min: 9, max: 9}}", Concurrency(9, 9)),
    ],
)
def test_what_the_server_takes_at_once(setup: Setup, text: str, expected: Concurrency | None) -> None:
    assert server(setup, text) == expected


def test_a_variable_may_say_it(setup: Setup) -> None:
    setup.routes("keys:", 'server: {concurrent: "${MOST:-12}", queue: {max: "${WAIT:-3}"}}\nkeys:')
    assert setup.config().server.concurrency == Concurrency(12, queue=3)


def test_providers_and_models_have_limits_of_their_own(setup: Setup) -> None:
    setup.providers("    plugin: fake\n", "    plugin: fake\n    limits: {concurrent: 20, at_limit: wait}\n")
    setup.providers("{operation: chat, ", "{operation: chat, limits: {concurrent: 2, queue: {max: 1}}, ")
    acme = setup.config().providers["acme"]
    assert acme.concurrency == Concurrency(20, is_patient=True)
    assert acme.models["big"].concurrency == Concurrency(2, queue=1)
    assert acme.models["voice"].concurrency is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{concurrent: many}", "concurrent has to be a whole number or a mapping, not 'many'"),
        ("{concurrent: 0}", "concurrent has to be at least 1, this is 0"),
        ("{concurrent: {}}", "concurrent lacks 'max'"),
        ("{concurrent: {min: 5, max: 4}}", "concurrent.min is 5, more than max, 4"),
        ("{concurrent: {max: 4, mix: 1}}", "'mix' is not known in server.concurrent"),
        ("{queue: {max: 4}}", "server lacks 'concurrent', which 'queue' needs"),
        ("{concurrent: 1, queue: {max: -1}}", "max has to be at least 0"),
        ("{concurrent: 1, queue: {max_wait_s: 0}}", "max_wait_s has to be more than 0"),
        ("{concurrent: 1, at_limit: wait}", "'at_limit' is not known in server"),
    ],
)
def test_mistakes_are_told_where_they_are(setup: Setup, text: str, message: str) -> None:
    setup.routes("keys:", f"server: {text}\nkeys:")
    assert message in str(setup.problems())


def test_the_pages_example_is_what_it_says(tmp_path: Path) -> None:
    section = (ROOT / "docs" / "configuration.md").read_text().split("## Calls at once\n")[1]
    found = re.search(r"```yaml\n(.*?)---\n(.*?)```", section, re.DOTALL)
    assert found is not None
    rest = "keys: {anonymous: loopback}\nmodels: {a: {operation: chat, targets: [openai/gpt-5.4]}}\n"
    rest += "routes: [{path: /v1/chat/completions, dialect: openai.chat}]\n"
    (tmp_path / "routes.yaml").write_text(f"version: 1\n{found[1]}{rest}")
    (tmp_path / "providers.yaml").write_text(f"version: 1\n{found[2]}")
    config = load(tmp_path, {})
    openai = config.providers["openai"]
    assert config.server.concurrency == Concurrency(500, queue=200)
    assert openai.concurrency == Concurrency(200, queue=50, max_wait_s=2.0)
    assert openai.models["gpt-5.4"].concurrency == Concurrency(20)
