from __future__ import annotations

import pytest

from gateway.config.model import Cache, Failover, Route
from gateway.config.routes import LINKS, path_fault
from gateway.middlewares import ORDER
from gateway.types import Limit, Rate
from tests.config.folder import Setup

DEFAULTS = "defaults: {quota: {requests: [60/minute]}, cache: {ttl_s: 5}, failover: {attempts: 2}, total_s: 9}\nroutes:"


def test_the_links_are_those_of_the_chain() -> None:
    assert set(LINKS) <= {link.name for link in ORDER}


def first(setup: Setup, extra: str = "") -> Route:
    setup.routes("model: fast", f"model: fast{extra}")
    return setup.config().routes[0]


def test_a_route_without_policies_has_none(setup: Setup) -> None:
    route = first(setup)
    assert route == Route("POST", "/v1/chat/completions", "openai.chat", model="fast")
    assert (route.quota, route.cache, route.failover, route.total_s) == (None, None, Failover(), None)


def test_defaults_apply_where_a_route_says_nothing(setup: Setup) -> None:
    setup.routes("routes:", DEFAULTS)
    route = first(setup)
    assert route.quota == Limit("quota", rates=(("requests", Rate(60, 60)),))
    assert (route.cache, route.failover, route.total_s) == (Cache(5.0), Failover(attempts=2), 9.0)


def test_a_route_says_none_to_a_default(setup: Setup) -> None:
    setup.routes("routes:", DEFAULTS)
    route = first(setup, ", quota: none, cache: none, failover: none, total_s: none")
    assert (route.quota, route.cache, route.failover, route.total_s) == (None, None, Failover(attempts=1), None)


def test_a_route_gives_a_policy_as_a_whole(setup: Setup) -> None:
    setup.routes("routes:", DEFAULTS)
    route = first(setup, ", quota: {requests: [5 per second]}, cache: {ttl_s: 1, max_entry_bytes: 10}")
    assert route.quota == Limit("quota of POST /v1/chat/completions", rates=(("requests", Rate(5, 1)),))
    assert route.cache == Cache(1.0, 10)


def test_a_cache_has_all_its_times_and_its_pace(setup: Setup) -> None:
    stale = "stale_while_revalidate_s: 2, stale_if_error_s: 3"
    route = first(setup, f", cache: {{ttl_s: 1, {stale}, max_ttl_s: 4, pace: original}}")
    assert route.cache == Cache(1.0, 8_388_608, 4.0, 2.0, 3.0, has_original_pace=True)


@pytest.mark.parametrize(("ttl_s", "max_ttl_s"), [(86_399, 86_400), (86_400, 86_400), (86_401, 86_401)])
def test_a_client_may_ask_for_a_day_or_what_the_route_has(setup: Setup, ttl_s: int, max_ttl_s: int) -> None:
    route = first(setup, f", cache: {{ttl_s: {ttl_s}}}")
    assert route.cache is not None
    assert route.cache.max_ttl_s == max_ttl_s


@pytest.mark.parametrize(
    ("extra", "is_coalesced"),
    [
        ("", False),
        (", cache: {ttl_s: 1}", True),
        (", cache: {ttl_s: 0}", False),
        (", cache: {ttl_s: 1}, coalesce: false", False),
        (", coalesce: true", True),
    ],
)
def test_calls_are_shared_where_there_is_a_cache_or_it_is_said(setup: Setup, extra: str, is_coalesced: bool) -> None:
    assert first(setup, extra).is_coalesced == is_coalesced


def test_a_cache_of_no_time_is_none(setup: Setup) -> None:
    assert first(setup, ", cache: {ttl_s: 0}").cache is None


def test_an_empty_quota_is_none(setup: Setup) -> None:
    assert first(setup, ", quota: {}").quota is None


def test_the_method_follows_the_dialect(setup: Setup) -> None:
    setup.routes(
        "routes:", "routes:\n  - {path: /v1/models, dialect: openai.models}\n  - {path: /x, dialect: openai.chat}"
    )
    assert [route.name for route in setup.config().routes][:2] == ["GET /v1/models", "POST /x"]


def test_the_rest_of_a_route_is_read(setup: Setup) -> None:
    route = first(setup, ", method: PUT, auth: none, verbatim: false")
    assert (route.method, route.auth, route.is_verbatim) == ("PUT", "none", False)


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/models/{model}", "/v1/{a}/x/{b}", "/v1/a:b", "/metricsx", "/{tenant}/v1", "/v1/~a"]
)
def test_a_path_may_be(path: str) -> None:
    assert path_fault(path) is None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("v1", "it has to begin with '/'"),
        ("", "it has to begin with '/'"),
        *((path, "the gateway's own") for path in ("/", "/health", "/health/x", "/metrics", "/docs/a", "/admin/keys")),
        *((path, "empty, '.' or '..'") for path in ("/v1//x", "/v1/", "/v1/../x", "/v1/./x")),
        *(
            (path, "a character that a path does not carry")
            for path in ("/v1/a b", "/v1/ä", "/v1/%2e", "/v1/a?b", "/v1/a#b")
        ),
        *((path, "a character that a path does not carry") for path in ("/v1/a\\b", "/v1/a\nb", '/v1/"')),
        *(
            (path, "has to be a whole segment")
            for path in ("/v1/{a}b", "/v1/a{b}", "/v1/{a", "/v1/a}", "/v1/{}", "/v1/{1a}")
        ),
        ("/v1/{a}/{a}", "stands twice"),
    ],
)
def test_a_path_may_not_be(path: str, message: str) -> None:
    assert message in (path_fault(path) or "")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (", modle: x", "routes.yaml:10:69: 'modle' is not known in routes[0] (did you mean 'model'?)"),
        (", quota: {requests: [60/min]}", "requests is '60/min', which is not a rate; write 60/minute"),
        (", quota: {requests: [0/minute]}", "which admits nothing"),
        (", quota: {requests: 60/fortnight}", "requests is '60/fortnight', which is not a rate"),
        (", quota: {budget: 5 EUR/day}", "budget is '5 EUR/day', which is not a budget; write 5 USD/day"),
        (", quota: nothing", "quota has to be 'none' or a mapping, not 'nothing'"),
        (", cache: {}", "routes[0].cache lacks 'ttl_s'"),
        (", cache: {ttl_s: -1}", "ttl_s has to be at least 0"),
        (", cache: {ttl_s: 1, stale_if_error_s: -1}", "stale_if_error_s has to be at least 0"),
        (", cache: {ttl_s: 1, pace: slow}", "pace is 'slow', it can be: immediate, original"),
        (", coalesce: sometimes", "coalesce has to be true or false"),
        (", failover: {attempts: 0}", "attempts has to be at least 1"),
        (", failover: {attempts: 21}", "attempts has to be at most 20"),
        (", method: TRACE", "method is 'TRACE', it can be: GET, POST, PUT, PATCH, DELETE"),
        (", auth: off", "auth is 'off', it can be: required, none"),
        (", total_s: 0", "total_s has to be more than 0"),
        (", middlewares: [{name: nope, after: auth}]", "middleware 'nope' does not load: there is no nope.py"),
        (", middlewares: [{name: fake, after: auth}]", "does not define MIDDLEWARE, it defines PLUGIN"),
        (
            ", middlewares: [{name: fake, after: auht}]",
            "after is 'auht', which is no built-in link (did you mean",
        ),
        (", middlewares: [{name: ../x, after: auth}]", "which is not the name of a file in plugins/"),
        (", middlewares: [{name: x}]", "lacks 'after'"),
    ],
)
def test_a_fault_is_told(setup: Setup, extra: str, message: str) -> None:
    setup.routes("model: fast", f"model: fast{extra}")
    problems = setup.problems()
    assert any(message in problem for problem in problems), problems


def test_a_middleware_that_fails_to_load_names_its_line(setup: Setup) -> None:
    setup.write("plugins/loud.py", "import os\nos.nope\n")
    setup.routes("model: fast", "model: fast, middlewares: [{name: loud, after: auth}]")
    assert "plugins/loud.py:2: AttributeError: module 'os' has no attribute 'nope'" in setup.problems()[0]


def test_an_unknown_dialect_names_the_nearest(setup: Setup) -> None:
    setup.routes("openai.chat,", "openai.caht,")
    [problem] = setup.problems()
    assert "the dialect 'openai.caht' is not known (did you mean 'openai.chat'?)" in problem


@pytest.mark.parametrize(
    ("path", "method", "is_twice"),
    [
        ("/v1/chat/completions", "POST", True),
        ("/v1/chat/completions", "GET", False),
        ("/v1/chat/completion", "POST", False),
        ("'/v1/{b}/x'", "POST", True),
    ],
)
def test_a_path_and_method_is_a_route_once(setup: Setup, path: str, method: str, is_twice: bool) -> None:
    rows = ["{path: '/v1/{a}/x', dialect: openai.chat}", f"{{path: {path}, method: {method}, dialect: openai.chat}}"]
    setup.routes("routes:", "routes:\n" + "".join(f"  - {row}\n" for row in rows))
    assert any("is a route already, at" in problem for problem in setup.problems()) is is_twice
