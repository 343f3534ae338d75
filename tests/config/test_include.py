from __future__ import annotations

import pytest

from tests.config.folder import Setup


def test_included_files_are_merged_in_the_order_of_their_names(setup: Setup) -> None:
    setup.routes("version: 1", "version: 1\ninclude: routes.d/*.yaml")
    setup.write(
        "routes.d/b.yaml",
        "routes: [{path: /b, dialect: openai.chat}]\nmodels: {b: {operation: chat, targets: [acme/big]}}",
    )
    setup.write("routes.d/a.yaml", "version: 1\nroutes: [{path: /a, dialect: openai.chat}]\nvoices: {deep: {acme: d}}")
    config = setup.config()
    assert [route.path for route in config.routes] == ["/v1/chat/completions", "/v1/audio/speech", "/a", "/b"]
    assert "b" in {alias.pattern for alias in config.models}
    assert config.voices["acme"] == {"narrator": "nova-2", "deep": "d"}


def test_a_problem_keeps_the_file_it_is_in(setup: Setup) -> None:
    setup.routes("version: 1", "version: 1\ninclude: [more.yaml]")
    setup.write(
        "more.yaml", "routes:\n  - {path: /a, dialect: openai.chat, modle: fast}\n  - {path: /b, dialect: nope}\n"
    )
    first, second = setup.problems()
    assert first.startswith("more.yaml:2:38: 'modle' is not known in routes[2]")
    assert second.startswith("more.yaml:3:25: the dialect 'nope' is not known")


def test_a_name_in_two_files_is_refused_with_both_places(setup: Setup) -> None:
    setup.routes("version: 1", "version: 1\ninclude: [more.yaml]")
    setup.write("more.yaml", "models:\n  fast: {operation: chat, targets: [acme/big]}\nkeys: {anonymous: always}\n")
    first, second = setup.problems()
    assert first.startswith("more.yaml:2:3: 'fast' is already given at ")
    assert first.endswith("routes.yaml:7; keep one")
    assert second.startswith("more.yaml:3:1: 'keys' is already given at ")


def test_providers_can_be_spread_too(setup: Setup) -> None:
    setup.providers("version: 1", "version: 1\ninclude: vendors/*.yaml")
    setup.write("vendors/x.yaml", "providers: {extra: {plugin: free, models: {m: {operation: chat}}}}")
    assert list(setup.config().providers) == ["acme", "spare", "extra"]


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("routes.yaml", "includes itself"),
        ("'*.yaml'", "includes itself"),
        ("../other.yaml", "include takes file names below this file's folder, without '..'"),
        ("/etc/*.yaml", "include takes file names below this file's folder, without '..'"),
        ("a/../../b.yaml", "without '..'"),
        ("nope.yaml", "include 'nope.yaml' matches no file"),
        ("'**x'", "include"),
    ],
)
def test_what_cannot_be_included_says_why(setup: Setup, include: str, message: str) -> None:
    setup.routes("version: 1", f"version: 1\ninclude: {include}")
    found = setup.problems() + setup.warnings()
    assert any(message in problem for problem in found)


def test_a_glob_without_a_match_is_a_warning(setup: Setup) -> None:
    setup.routes("version: 1", "version: 1\ninclude: routes.d/*.yaml")
    assert setup.problems() == []
    assert "matches no file" in setup.warnings()[0]


def test_a_cycle_by_way_of_others_ends(setup: Setup) -> None:
    setup.routes("version: 1", "version: 1\ninclude: [a.yaml]")
    setup.write("a.yaml", "include: [b.yaml]\n")
    setup.write("b.yaml", "include: [a.yaml]\n")
    [problem] = setup.problems()
    assert problem.startswith("b.yaml:1:11: ")
    assert "includes itself by way of others" in problem


def test_a_file_is_included_once(setup: Setup) -> None:
    setup.routes("version: 1", "version: 1\ninclude: [a.yaml, a.yaml]")
    setup.write("a.yaml", "voices: {deep: {acme: d}}\n")
    assert "is included twice" in setup.problems()[0]


def test_a_broken_included_file_does_not_hide_the_rest(setup: Setup) -> None:
    setup.routes("version: 1", "version: 1\ninclude: [a.yaml]")
    setup.write("a.yaml", "voices: [\n")
    setup.routes("model: fast", "modle: fast")
    problems = setup.problems()
    assert [problem.split(":")[0] for problem in problems] == ["a.yaml", "routes.yaml"]


def test_references_in_an_included_file_are_read_beside_it(setup: Setup) -> None:
    setup.providers("version: 1", "version: 1\ninclude: vendors/x.yaml")
    setup.write("vendors/key", "a-key-from-a-file\n")
    setup.write("vendors/x.yaml", "providers: {extra: {plugin: fake, credentials: {api_key: '${file:key}'}}}")
    assert setup.config().providers["extra"].credentials["api_key"] == "a-key-from-a-file"
