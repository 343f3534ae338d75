"""`cache.semantic` as the operator writes it."""

from __future__ import annotations

import pytest

from gateway.config.model import Semantic
from tests.config.folder import Setup

CHAT = "model: fast"


def given(setup: Setup, semantic: str) -> None:
    setup.routes(CHAT, f"{CHAT}, cache: {{ttl_s: 60, semantic: {{{semantic}}}}}")


def test_left_out_it_is_off(setup: Setup) -> None:
    setup.routes(CHAT, f"{CHAT}, cache: {{ttl_s: 60}}")
    cache = setup.config().routes[0].cache
    assert cache is not None
    assert cache.semantic is None


@pytest.mark.parametrize(
    ("semantic", "said"),
    [
        ("model: embd, threshold: 0.9", "model 'embd' is not in models for embeddings"),
        ("model: fast, threshold: 0.9", "model 'fast' is not in models for embeddings"),
        ("model: fast", "threshold"),
        ("model: fast, threshold: 0", "threshold has to be more than 0"),
        ("model: fast, threshold: 1.01", "threshold has to be at most 1"),
        ("model: fast, threshold: 0.9, max_questions: 0", "max_questions has to be at least 1"),
        ("model: fast, threshold: 0.9, max_questions: 10001", "max_questions has to be at most 10000"),
        ("model: fast, threshold: 0.9, timeout_s: 0", "timeout_s has to be more than 0"),
        ("model: fast, treshold: 0.9", "treshold"),
    ],
)
def test_a_mistake_is_told(setup: Setup, semantic: str, said: str) -> None:
    given(setup, semantic)
    assert any(said in problem for problem in setup.problems()), setup.problems()


def test_the_package_that_is_missing_is_named(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.config.semantic.find_spec", lambda name: None)
    given(setup, "model: fast, threshold: 0.9")
    assert any("pip install 'ai-service-gateway[semantic]'" in problem for problem in setup.problems())


def test_a_threshold_of_one_is_the_most(setup: Setup) -> None:
    assert Semantic("embed", 1.0).threshold == 1.0
    given(setup, "model: fast, threshold: 1")
    assert not any("threshold" in problem for problem in setup.problems())
