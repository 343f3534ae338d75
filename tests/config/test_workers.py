from __future__ import annotations

import pytest

from tests.config.folder import Setup

LIMIT = "limits: {all: {per: [], requests: 5/minute}}\n"
REDIS = "stores: {redis_url: 'redis://127.0.0.1:6379/0'}\n"


def workers(setup: Setup, count: object, more: str = "", server: str = "") -> None:
    setup.routes("keys:", f"server: {{workers: {count}{server}}}\n{more}keys:")


def test_one_is_the_default(setup: Setup) -> None:
    assert setup.config().server.workers == 1


@pytest.mark.parametrize("count", [1, 2, 256])
def test_so_many_may_serve_where_nothing_is_limited(setup: Setup, count: int) -> None:
    workers(setup, count)
    assert setup.config().server.workers == count


@pytest.mark.parametrize(("count", "message"), [(0, "has to be at least 1"), (257, "has to be at most 256")])
def test_there_are_bounds(setup: Setup, count: int, message: str) -> None:
    workers(setup, count)
    assert any(message in problem for problem in setup.problems()), setup.problems()


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (LIMIT, "limit 'all'"),
        ("stores: {database_url: 'sqlite:a.db'}\n", "the limits that keys in stores.database_url may have"),
    ],
)
def test_what_each_would_count_for_itself_needs_redis(setup: Setup, more: str, what: str) -> None:
    workers(setup, 2, more)
    [problem] = setup.problems()
    assert f"workers is 2, and each would count {what} for itself; count in Redis (stores.redis_url" in problem


def test_a_quota_and_a_keys_own_limits_need_it_too(setup: Setup) -> None:
    workers(setup, 2)
    setup.routes("model: fast", "model: fast, quota: {requests: [5/minute]}")
    [problem] = setup.problems()
    assert "each would count the quota of POST /v1/chat/completions for itself" in problem


@pytest.mark.parametrize(("count", "more"), [(1, LIMIT), (2, LIMIT + REDIS)])
def test_one_alone_or_redis_counts_for_all(setup: Setup, count: int, more: str) -> None:
    workers(setup, count, more)
    assert setup.problems() == []


@pytest.mark.parametrize(("most", "is_enough"), [(2, False), (3, True), (4, True)])
def test_each_worker_runs_one_call_at_least(setup: Setup, most: int, is_enough: bool) -> None:
    workers(setup, 3, server=f", concurrent: {most}")
    problems = setup.problems()
    assert (problems == []) is is_enough
    assert is_enough or "concurrent is 2, fewer than the 3 workers (server.workers) that share it" in problems[0]


def test_so_do_the_limits_of_providers_and_models(setup: Setup) -> None:
    workers(setup, 3)
    setup.providers("big: {operation: chat,", "big: {operation: chat, limits: {concurrent: 2},")
    [problem] = setup.problems()
    assert "providers.yaml" in problem
    assert "concurrent is 2, fewer than the 3 workers" in problem
