from __future__ import annotations

import hashlib

import pytest

from gateway.config.document import is_secret
from gateway.config.keys import MIN_SECRET_CHARS, weakness
from gateway.config.model import Key
from gateway.types import Scopes
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


def test_a_key_may_have_a_role_and_be_of_every_tenant(setup: Setup) -> None:
    static(setup, f"[{{name: ops, tenant: '*', role: operator, key: {SECRET}}}, {{name: web, key: {OTHER}}}]")
    ops, web = setup.config().keys.static
    assert (ops.role, ops.tenant, web.role, web.tenant) == ("operator", "*", "user", "web")


@pytest.mark.parametrize("fault", ["role: owner", "tenant: 'a*'", "tenant: '**'"])
def test_a_role_or_tenant_that_is_none_is_refused(setup: Setup, fault: str) -> None:
    static(setup, f"[{{name: ops, {fault}, key: {SECRET}}}]")
    assert any(fault.partition(":")[0] in problem for problem in setup.problems())


def test_a_key_without_a_name_gets_one_that_stays(setup: Setup) -> None:
    static(setup, "'${API_KEYS:-}'")
    [found] = setup.config(API_KEYS=SECRET).keys.static
    assert found.name == f"key-{hashlib.sha256(SECRET.encode()).hexdigest()[:8]}"
    assert setup.config().keys.static == ()


@pytest.mark.parametrize(
    ("text", "moment_s"),
    [
        ("2027-01-15", 1_799_971_200.0),
        ("'2027-01-15'", 1_799_971_200.0),
        ("'2027-01-15T08:00:00Z'", 1_800_000_000.0),
        ("2027-01-15t08:00:00z", 1_800_000_000.0),
        ("'2027-01-15 09:00:00.5+01:00'", 1_800_000_000.5),
    ],
)
def test_a_key_may_end(setup: Setup, text: str, moment_s: float) -> None:
    static(setup, f"[{{name: web, key: {SECRET}, expires: {text}}}, 'app:{OTHER}']")
    assert [key.expires_at for key in setup.config().keys.static] == [moment_s, None]


@pytest.mark.parametrize(
    "text",
    [
        "tomorrow",
        "2027-02-30",
        "0000-01-01",
        "'20270115'",
        "2027-W03-5",
        "'2027-01-15T08:00:00'",
        "'2027-01-15T25:00:00Z'",
        "''",
    ],
)
def test_an_end_that_is_no_date_is_told_at_its_place(setup: Setup, text: str) -> None:
    static(setup, f"[{{name: web, key: {SECRET}, expires: {text}}}]")
    [problem] = setup.problems()
    assert problem.startswith("routes.yaml:2:82: ")
    assert "is no date; write YYYY-MM-DD, or a time with its zone" in problem


def test_a_key_may_be_for_some_things_only(setup: Setup) -> None:
    scopes = "routes: [/v1/chat/*], operations: [chat, tokens], models: [fast, 'gpt-*'], providers: [acme]"
    static(setup, f"[{{name: web, key: {SECRET}, {scopes}}}, 'app:{OTHER}']")
    assert [key.scopes for key in setup.config().keys.static] == [
        Scopes(("/v1/chat/*",), ("chat", "tokens"), ("fast", "gpt-*"), ("acme",)),
        Scopes(),
    ]


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
        (f"[{{name: web, key: {SECRET}, operations: [chats]}}]", "operations[0]"),
        (f"[{{name: web, key: {SECRET}, models: []}}]", "models needs at least 1 items"),
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


def test_a_signing_secret_is_strong_and_never_shown(setup: Setup) -> None:
    setup.routes("anonymous: loopback", "anonymous: loopback, signing_secret: short")
    assert any("the signing secret has 5 characters" in problem for problem in setup.problems())
    strong = "0123456789abcdef0123456789abcdef"
    setup.routes("signing_secret: short", f"signing_secret: {strong}")
    kept = setup.config().keys
    assert kept.signing_secret == strong
    assert strong not in repr(kept)
    assert is_secret(("keys", "signing_secret"))
