"""Each key of a breaker comes from the nearest place that gives it; probes are made where they are asked for."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gateway.types import BreakerPolicy, ProbePolicy, Target
from tests.config.folder import PLUGIN, Setup
from tests.harness import ROOT

ROW = "    plugin: fake\n"
SMALL = "small: {operation: chat, "


def policies(setup: Setup) -> dict[str, BreakerPolicy]:
    providers = setup.config(ACME_KEY="a-key-of-some-length").providers
    return {
        target.name: target.breaker
        for provider in providers.values()
        for target in (Target(provider, model) for model in provider.models.values())
    }


def test_without_a_word_every_target_has_the_default(setup: Setup) -> None:
    assert set(policies(setup).values()) == {BreakerPolicy()}


def test_a_key_is_the_models_else_its_providers_else_the_files_else_the_default(setup: Setup) -> None:
    setup.providers("version: 1\n", "version: 1\nbreaker: {consecutive: 7, open_s: 2, window_s: 60}\n")
    setup.providers(ROW, ROW + "    breaker: {open_s: 1.5, min_requests: 9, max_ejected_percent: 50}\n")
    setup.providers(SMALL, SMALL + "breaker: {consecutive: 2, error_percent: 25, max_open_s: 8, return_s: 0}, ")
    found = policies(setup)
    assert found["spare/chat"] == BreakerPolicy(consecutive=7, open_s=2, window_s=60)
    acme = BreakerPolicy(consecutive=7, open_s=1.5, window_s=60, min_requests=9, max_ejected_percent=50)
    assert found["acme/big"] == acme
    assert found["acme/small"] == BreakerPolicy(
        True, 2, 25, 60, 9, open_s=1.5, max_open_s=8, return_s=0, max_ejected_percent=50
    )


def test_none_switches_it_off_and_what_is_below_may_switch_it_on(setup: Setup) -> None:
    setup.providers("version: 1\n", "version: 1\nbreaker: none\n")
    setup.providers(ROW, ROW + "    breaker: {consecutive: 3}\n")
    setup.providers(SMALL, SMALL + "breaker: none, ")
    found = policies(setup)
    assert not found["spare/chat"].is_on
    assert found["acme/big"] == BreakerPolicy(consecutive=3)
    assert not found["acme/small"].is_on


def test_an_ejection_is_no_longer_than_the_longest_wherever_the_two_are_given(setup: Setup) -> None:
    setup.providers(ROW, ROW + "    breaker: {open_s: 2.5}\n")
    assert setup.problems() == []
    setup.providers("{open_s: 2.5}", "{open_s: 2.6}")
    (problem,) = setup.problems()
    assert problem == (
        "providers.yaml:5:23: open_s is 2.6 and max_open_s is 2.5, which is less; give max_open_s as well"
    )
    setup.providers("{open_s: 2.6}", "{max_open_s: 0.9}")
    (problem,) = setup.problems()
    assert "open_s is 1 and max_open_s is 0.9, which is less; give a smaller open_s" in problem


def test_an_ejection_that_is_too_long_is_told_once_where_it_is_said(setup: Setup) -> None:
    setup.providers("version: 1\n", "version: 1\nbreaker: {open_s: 9}\n")
    setup.providers(ROW, ROW + "    breaker: {consecutive: 2}\n")
    (problem,) = setup.problems()
    assert problem.startswith("providers.yaml:2:19: open_s is 9")


@pytest.mark.parametrize(
    ("given", "is_right"),
    [
        ("consecutive: 0", False), ("consecutive: 1", True), ("consecutive: 1000", True), ("consecutive: 1001", False),
        ("consecutive: 1.5", False), ("error_percent: 0", False), ("error_percent: 0.1", True),
        ("error_percent: 100", True), ("error_percent: 100.1", False), ("window_s: 0.9", False), ("window_s: 1", True),
        ("min_requests: 0", False), ("min_requests: 1", True), ("open_s: 0.09", False), ("open_s: 0.1", True),
        ("max_open_s: 3600", True), ("max_open_s: 3601", False), ("return_s: 0", True), ("return_s: -1", False),
        ("max_ejected_percent: 0", False), ("max_ejected_percent: 100", True), ("max_ejected_percent: 101", False),
        ("is_on: true", False), ("opn_s: 1", False),
    ],
)  # fmt: skip
def test_numbers_have_their_bounds(setup: Setup, given: str, is_right: bool) -> None:
    setup.providers(ROW, ROW + f"    breaker: {{{given}}}\n")
    assert (setup.problems() == []) is is_right


def test_a_number_may_come_from_the_environment(setup: Setup) -> None:
    setup.providers(ROW, ROW + '    breaker: {consecutive: "${FAILURES:-3}"}\n')
    assert policies(setup)["acme/big"].consecutive == 3


@pytest.mark.parametrize(
    ("given", "policy"),
    [
        ("path: /models", ProbePolicy("/models", 1.0, 5.0, False)),
        ("path: /models, every_s: 0.1, timeout_s: 2, always: true", ProbePolicy("/models", 0.1, 2.0, True)),
    ],
)
def test_a_probe_is_made_where_it_is_asked_for(setup: Setup, given: str, policy: ProbePolicy) -> None:
    assert setup.config().providers["acme"].probe is None
    setup.providers(ROW, ROW + f"    probe: {{{given}}}\n")
    assert setup.config().providers["acme"].probe == policy
    assert setup.config().providers["spare"].probe is None


@pytest.mark.parametrize(
    "given",
    ["every_s: 1", "path: models", "path: /models?key=a", "path: /a b", "path: /a, every_s: 0.09",
     "path: /a, every_s: 3601", "path: /a, timeout_s: 0", "path: /a, timeout_s: 61", "path: /a, method: POST"],
)  # fmt: skip
def test_a_probe_that_cannot_be_is_refused(setup: Setup, given: str) -> None:
    setup.providers(ROW, ROW + f"    probe: {{{given}}}\n")
    assert len(setup.problems()) == 1


def test_what_runs_inside_the_gateway_is_not_probed(setup: Setup) -> None:
    setup.write("plugins/fake.py", PLUGIN.replace("backend = None", "backend = Worker('x.py')"))
    setup.providers(ROW, ROW + "    probe: {path: /models}\n")
    (problem,) = setup.problems()
    assert problem.startswith("providers.yaml:5:5: probe has no meaning here")


def test_the_rows_of_the_page_are_right_and_say_the_defaults_where_they_say_so(setup: Setup) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if "\nbreaker:" in block)
    setup.write("providers.yaml", "version: 1\n" + block)
    setup.write("routes.yaml", "version: 1\nmodels: {}\nroutes: [{path: /v1/models, dialect: openai.models}]\n")
    provider = setup.config(OPENAI_API_KEY="sk-of-some-length").providers["openai"]
    own = BreakerPolicy(open_s=2, max_open_s=30, max_ejected_percent=50)
    assert provider.breaker == own
    assert provider.models["gpt-5.4-mini"].breaker == replace(own, consecutive=10)
    assert provider.models["tts-1"].breaker == replace(own, is_on=False)
    assert provider.probe == ProbePolicy("/models", every_s=1)
