"""A declared key's limits and tags, and what is told of scopes that name nothing."""

from __future__ import annotations

import pytest

from gateway.types import Budget, Limit, Rate
from tests.config.folder import Setup

SECRET = "aB3dE5gH7jK9mN1p"


def static(setup: Setup, more: str) -> None:
    setup.routes("anonymous: loopback", f"anonymous: loopback, static: [{{name: web, key: {SECRET}, {more}}}]")


def test_a_key_has_limits_and_tags_of_its_own(setup: Setup) -> None:
    limits = "limits: {requests: 60/minute, concurrent: 2, budget: [5 USD/day]}"
    static(setup, f"{limits}, tags: {{team: voice, a: ''}}, operations: [speech]")
    [key] = setup.config().keys.static
    limit = Limit(
        "key web", rates=(("requests", Rate(60, 60)),), concurrent=2, budgets=(Budget(5 * 10**9, "day"),)
    )  # fmt: skip
    assert key.limits == (limit,)
    assert key.tags == '{"a":"","team":"voice"}'


def test_a_key_without_them_has_none(setup: Setup) -> None:
    static(setup, "tenant: shop")
    [key] = setup.config().keys.static
    assert (key.limits, key.tags) == ((), "{}")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("limits: {requests: many}", "requests is 'many', which is not a rate; write 60/minute"),
        ("limits: {reqests: 1/minute}", "did you mean 'requests'"),
        ("limits: {per: [tenant], requests: 1/minute}", "per"),
        ("limits: {concurrent: -1}", "concurrent"),
        ("limits: {requests: 1/minute, at_budget: {degrade: {big: small}}}", "at_budget has no meaning"),
        ("limits: {budget: 1 USD/day, at_budget: {degrade: {big: nothing}}}", "model 'nothing' is not in models"),
        ("tags: {'a b': x}", "1 to 64 letters"),
        (f"tags: {{{'a' * 65}: x}}", "1 to 64 letters"),
        ("tags: {team: 7}", "team"),
        (f"tags: {{team: {'x' * 257}}}", "team"),
        (f"tags: {{{', '.join(f't{number}: x' for number in range(17))}}}", "16"),
    ],
)
def test_what_is_wrong_with_them_is_told(setup: Setup, more: str, said: str) -> None:
    static(setup, more)
    assert any(said in problem for problem in setup.problems()), setup.problems()


@pytest.mark.parametrize(("count", "length"), [(15, 255), (16, 256)])
def test_tags_up_to_their_bounds_are_taken(setup: Setup, count: int, length: int) -> None:
    value = "x" * length
    tags = ", ".join(f"t{number}: {value}" for number in range(count))
    static(setup, f"tags: {{{tags}}}")
    assert setup.config().keys.static[0].tags.count(":") == count


def test_a_cheaper_model_may_serve_beyond_a_keys_budget(setup: Setup) -> None:
    static(setup, "limits: {budget: 1 USD/day, at_budget: {degrade: {big: fast}}}, operations: [speech]")
    assert {target.name for target in setup.config().substitutes["fast"]} == {"spare/chat"}  # the other is off


@pytest.mark.parametrize(
    ("scope", "is_refused"),
    [("", True), (", operations: [chat]", True), (", operations: [speech]", False), (", providers: [spare]", False)],
)
def test_a_keys_budget_needs_prices_of_what_the_key_can_reach(setup: Setup, scope: str, is_refused: bool) -> None:
    setup.providers("      small:", "      free: {operation: chat}\n      small:")
    setup.routes("targets: [acme/*, spare/chat]", "targets: [spare/chat]")
    static(setup, f"limits: {{budget: 1 USD/day}}{scope}")
    found = [problem for problem in setup.problems() if "the key 'web' has a budget" in problem]
    assert (len(found) == 1) is is_refused


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("providers: [acme, acmee]", "for the provider 'acmee', which is not in providers.yaml (did you mean 'acme'?)"),
        ("models: [fsat]", "for the model 'fsat', which nothing serves (did you mean 'fast'?)"),
        ("models: [acme/smal]", "(did you mean 'acme/small'?)"),
        ("models: [nothing-like-it]", "for the model 'nothing-like-it', which nothing serves (known: "),
    ],
)
def test_a_scope_that_names_nothing_is_warned_of_at_its_place(setup: Setup, scope: str, said: str) -> None:
    static(setup, scope)
    [warning] = [problem for problem in setup.config(ACME_KEY="k").warnings if "the key 'web'" in problem.message]
    assert said in warning.message
    assert (warning.severity, warning.line) == ("warning", 2)
    assert warning.column > 60


@pytest.mark.parametrize(
    "scope",
    ["providers: [acme, spare]", "models: [fast, speak, big-1, small, acme/small, spare/tones, 'nothing-*', 'a?']"],
)
def test_a_scope_that_names_what_is_there_is_not_warned_of(setup: Setup, scope: str) -> None:
    static(setup, scope)
    assert not [problem for problem in setup.config().warnings if "the key 'web'" in problem.message]
