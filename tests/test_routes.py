"""A route is found by its path and method; placeholders are segments or begin one, and the last may hold slashes."""

from __future__ import annotations

import pytest

from gateway.config.routes import path_fault
from gateway.errors import MethodNotAllowed, NotFound
from gateway.routes import RouteTable


def table(*routes: str) -> RouteTable[str]:
    """Return a table of `METHOD /path` lines, each with itself as its value."""
    made: RouteTable[str] = RouteTable()
    for route in routes:
        method, path = route.split()
        made.add(method, path, route)
    return made


def test_an_exact_path_is_found_before_any_template() -> None:
    routes = table("GET /v1/models/{model}", "GET /v1/models/all")
    assert routes.find("GET", "/v1/models/all") == ("GET /v1/models/all", {})


def test_a_placeholder_is_one_segment() -> None:
    routes = table("GET /a/{x}/b")
    assert routes.find("GET", "/a/1/b") == ("GET /a/{x}/b", {"x": "1"})
    with pytest.raises(NotFound):
        routes.find("GET", "/a/1/2/b")


@pytest.mark.parametrize("model", ["fast", "openai/gpt-5.4-mini", "a/b/c"])
def test_the_last_placeholder_may_hold_slashes(model: str) -> None:
    assert table("GET /v1/models/{model}").find("GET", f"/v1/models/{model}")[1] == {"model": model}


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "provider/model", "local/llama3:8b"])
def test_a_placeholder_may_begin_a_segment_that_ends_in_a_literal(model: str) -> None:
    routes = table("POST /{version}/models/{model}:generate", "POST /{version}/models/{model}:embed")
    for verb in ("generate", "embed"):
        found = routes.find("POST", f"/v1beta/models/{model}:{verb}")
        assert found == (f"POST /{{version}}/models/{{model}}:{verb}", {"version": "v1beta", "model": model})


def test_the_literal_after_a_placeholder_has_to_be_there_to_its_end() -> None:
    routes = table("POST /models/{model}:embed")
    for path in ("/models/x", "/models/x:embe", "/models/x:embeds", "/models/x:embed/y", "/models/:embed"):
        with pytest.raises(NotFound):
            routes.find("POST", path)


def test_a_template_of_another_method_hides_none() -> None:
    routes = table("GET /v1/models/{model}", "POST /v1/models/{model}:embed")
    assert routes.find("POST", "/v1/models/x:embed") == ("POST /v1/models/{model}:embed", {"model": "x"})
    assert routes.find("GET", "/v1/models/x:embed")[1] == {"model": "x:embed"}
    assert set(routes.methods("/v1/models/x:embed")) == {"GET", "POST"}
    assert routes.methods("/v1/models/x") == ("GET",)
    assert routes.methods("/v2") == ()


def test_a_wrong_method_is_told_every_right_one() -> None:
    routes = table("GET /a", "POST /a", "PUT /{any}")
    with pytest.raises(MethodNotAllowed) as caught:
        routes.find("DELETE", "/a")
    assert caught.value.allow == ("GET", "POST", "PUT")


def test_dots_in_a_path_are_dots() -> None:
    with pytest.raises(NotFound):
        table("GET /v1.0/{x}").find("GET", "/v1x0/y")


@pytest.mark.parametrize("path", ["/models/{id}", "/models/{id}:embed", "/{version}/models/{id}:embed", "/a/{b}/c"])
def test_the_configuration_takes_a_placeholder_that_begins_a_segment(path: str) -> None:
    assert path_fault(path) is None


@pytest.mark.parametrize(
    "path", ["/models/x{id}", "/models/{id}x", "/models/{id}{more}", "/models/{id}:a b", "/models/{id", "/{a}/{a}:b"]
)
def test_the_configuration_refuses_any_other_braces(path: str) -> None:
    assert path_fault(path) is not None


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a/v1/messages/batches", "POST /a/v1/messages"),
        ("/a/v1/messages", "POST /a/v1/messages"),
        ("/a/nothing", "POST /a/v1/messages"),
        ("/v1/nothing", "POST /v1/chat"),
        ("/v1beta/models/x:nothing", "POST /{version}/models/{model}:generate"),
        ("/nothing", None),
        ("/", None),
    ],
)
def test_the_nearest_route_has_most_leading_segments_in_common(path: str, found: str | None) -> None:
    made = table("POST /{version}/models/{model}:generate", "POST /v1/chat", "POST /a/v1/messages")
    assert made.nearest(path) == found
