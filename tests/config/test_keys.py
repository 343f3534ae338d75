from __future__ import annotations

import hashlib

import pytest

from gateway.config.keys import MIN_SECRET_CHARS, weakness
from gateway.config.model import Key
from tests.config.folder import Setup

SECRET, OTHER = "aB3dE5gH7jK9mN1p", "zY2xW4vU6tS8rQ0o"


def key(name: str, secret: str, tenant: str | None = None) -> Key:
    return Key(name, tenant or name, hashlib.sha256(secret.encode()).digest())


def static(setup: Setup, text: str) -> None:
    setup.routes("anonymous: loopback", f"anonymous: loopback, static: {text}")


@pytest.mark.parametrize(
    "text",
    [
        f"['web:{SECRET}', 'app:{OTHER}']",
        f"'web:{SECRET},app:{OTHER}'",
        f"' web:{SECRET} , app:{OTHER} '",
        f"[{{name: web, key: {SECRET}}}, {{name: app, sha256: {hashlib.sha256(OTHER.encode()).hexdigest()}}}]",
    ],
)
def test_keys_may_be_written_in_any_of_these_ways(setup: Setup, text: str) -> None:
    static(setup, text)
    assert setup.config().keys.static == (key("web", SECRET), key("app", OTHER))


def test_a_key_belongs_to_a_tenant(setup: Setup) -> None:
    static(setup, f"[{{name: web, tenant: shop, key: {SECRET}}}]")
    assert setup.config().keys.static == (key("web", SECRET, "shop"),)


def test_a_key_without_a_name_gets_one_that_stays(setup: Setup) -> None:
    static(setup, "'${API_KEYS:-}'")
    [found] = setup.config(API_KEYS=SECRET).keys.static
    assert found.name == f"key-{hashlib.sha256(SECRET.encode()).hexdigest()[:8]}"
    assert setup.config().keys.static == ()


def test_only_the_hash_is_kept(setup: Setup) -> None:
    static(setup, f"['web:{SECRET}']")
    assert SECRET not in repr(setup.config())


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("", "is empty"),
        ("changeme", "is a placeholder"),
        ("change-me-change-me", "is a placeholder"),
        ("sk-...", "is a placeholder"),
        ("your-api-key-goes-here", "is a placeholder"),
        ("<put the key in here>", "is a placeholder"),
        ("xxxxxxxxxxxxxxxxxxxxxxxx", "is a placeholder"),
        ("secretsecretsecret", "is a placeholder"),
        ("passwordpassword", "is a placeholder"),
        (SECRET[:-1], f"has {MIN_SECRET_CHARS - 1} characters, at least {MIN_SECRET_CHARS} are needed"),
        (SECRET + " x", "holds a space"),
        (SECRET + "ä", "holds a space or a character that no HTTP header carries"),
    ],
)
def test_a_weak_secret_is_refused(secret: str, message: str) -> None:
    assert message in (weakness(secret) or "")


@pytest.mark.parametrize("secret", [SECRET, SECRET + "x", "0123456789abcdef", "contest-winner-42-blue"])
def test_a_fair_secret_is_taken(secret: str) -> None:
    assert weakness(secret) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("['web:changeme']", "key 1 (web) is a placeholder"),
        ("['']", "key 1 is empty"),
        (f"['{SECRET}', '']", "key 2 is empty"),
        (f"'{SECRET},,{OTHER}'", "entry 2 of … is empty"),
        (f"['we b:{SECRET}']", "key 1 is not name:secret"),
        (f"['a:{SECRET}', 'b:{SECRET}']", "the keys 'a' and 'b' have the same secret"),
        (f"['a:{SECRET}', 'a:{OTHER}']", "the key 'a' is given twice, first at"),
        ("[{name: web}]", "the key 'web' needs either 'key' or 'sha256'"),
        (f"[{{name: web, key: {SECRET}, sha256: {'a1' * 32}}}]", "the key 'web' needs either 'key' or 'sha256'"),
        ("[{name: web, key: '${WEB_KEY:-}'}]", "the key 'web' is empty"),
        (f"[{{name: web, sha256: {hashlib.sha256(b'').hexdigest()}}}]", "is the hash of an empty or well-known secret"),
        (f"[{{name: web, sha256: {hashlib.sha256(b'changeme').hexdigest()}}}]", "well-known secret"),
        ("[{name: web, sha256: abc}]", "which is not 64 hexadecimal digits"),
        (f"[{{key: {SECRET}}}]", "lacks 'name'"),
        ("[5]", "has to be text or a mapping"),
    ],
)
def test_a_faulty_key_stops_the_start_and_is_not_shown(setup: Setup, text: str, message: str) -> None:
    static(setup, text)
    problems = setup.problems()
    assert any(message in problem for problem in problems), problems
    assert SECRET not in "".join(problems)


def test_a_weak_key_from_the_environment_is_refused_without_showing_it(setup: Setup) -> None:
    static(setup, "'${API_KEYS:-}'")
    [problem] = setup.problems(API_KEYS=f"web:{SECRET},app:tooshort1")
    assert problem.startswith("routes.yaml:2:37: entry 2 of '${API_KEYS:-}' (app) has 9 characters")
    assert "tooshort1" not in problem


def test_nobody_may_call_is_a_warning(setup: Setup) -> None:
    setup.routes("loopback", "never")
    assert setup.warnings() == ["nobody may call: there is no key and keys.anonymous is 'never'"]


@pytest.mark.parametrize(("listen", "is_told"), [("127.0.0.1:1", False), ("0.0.0.0:1", True), ("gw.example:1", True)])
def test_a_door_that_is_open_to_the_network_is_a_warning(setup: Setup, listen: str, is_told: bool) -> None:
    setup.routes("keys: {anonymous: loopback}", f"keys: {{anonymous: always}}\nserver: {{listen: '{listen}'}}")
    assert any("may spend" in warning for warning in setup.warnings()) is is_told


@pytest.mark.parametrize(("keys", "anonymous"), [("", "loopback"), (f"web:{SECRET}", "never")])
def test_this_machine_needs_no_key_until_there_is_one(setup: Setup, keys: str, anonymous: str) -> None:
    setup.routes("{anonymous: loopback}", "{anonymous: until_keys, static: '${API_KEYS:-}'}")
    assert setup.config(API_KEYS=keys).keys.anonymous == anonymous
    assert setup.warnings(API_KEYS=keys) == []
