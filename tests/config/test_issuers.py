"""`keys.jwt`: whose tokens are taken, and each fault at its place."""

from __future__ import annotations

import pytest

from gateway.config import issuers
from gateway.config.model import ClaimNames, Issuer
from tests.config.folder import Setup
from tests.issuers.provider import signer

SECRET = "u7Qm2xW9kR4tZ8pL3vN6bH1cY5dF0gJe"
LOGIN = "issuer: https://login.example/realms/a, audience: ai"


def jwt(setup: Setup, *rows: str, anonymous: str = "loopback") -> None:
    text = "".join(f"\n    - {{{row}}}" for row in rows)
    setup.routes("keys: {anonymous: loopback}", f"keys:\n  anonymous: {anonymous}\n  jwt:{text}")


def test_an_issuer_needs_its_address_and_an_audience(setup: Setup) -> None:
    jwt(setup, LOGIN)
    assert setup.config().keys.issuers == (
        Issuer("login.example", "https://login.example/realms/a", ("ai",), ("RS256", "ES256", "EdDSA")),
    )


def test_an_issuer_may_say_everything(setup: Setup) -> None:
    jwt(
        setup,
        "name: staff, issuer: staff-idp, audience: [a, b], jwks_url: 'http://127.0.0.1:9/keys', algorithms: [PS256], "
        "leeway_s: 0, tenant: staff, roles: {ops: operator}, claims: {name: email, tenant: org.id, role: groups, "
        "models: m, operations: o, providers: p, routes: r}",
    )
    [found] = setup.config().keys.issuers
    assert found == Issuer(
        "staff", "staff-idp", ("a", "b"), ("PS256",), "http://127.0.0.1:9/keys", leeway_s=0, tenant="staff",
        claims=ClaimNames("email", "org.id", "groups", "r", "o", "m", "p"), roles={"ops": "operator"},
    )  # fmt: skip


def test_a_key_may_come_from_a_file_and_a_secret_from_a_variable(setup: Setup) -> None:
    setup.write("issuer.pem", signer("ES256").pem)
    jwt(
        setup,
        f"{LOGIN}, public_key: '${{file:{setup.folder}/issuer.pem}}'",
        "issuer: own, name: own, audience: ai, secret: '${JWT_SECRET}'",
    )
    config = setup.config(JWT_SECRET=SECRET)
    public, shared = config.keys.issuers
    assert public.public_key.strip() == signer("ES256").pem.strip()
    assert (shared.secret, shared.algorithms) == (SECRET.encode(), ("HS256",))
    assert SECRET not in repr(config)


def test_with_an_issuer_keys_are_declared(setup: Setup) -> None:
    jwt(setup, LOGIN, anonymous="until_keys")
    assert setup.config().keys.anonymous == "never"
    setup.routes(f"- {{{LOGIN}}}", "[]")
    assert setup.config().keys.anonymous == "loopback"


HS = "issuer: own, name: own, audience: ai"
FAULTS = [
    ("audience: ai", "issuer"),
    ("issuer: https://login.example", "audience"),
    (f"{LOGIN}, algorithms: [none]", "none"),
    (f"{LOGIN}, algorithms: []", "algorithms"),
    (f"{LOGIN}, algorithms: [HS256]", "HS256 needs 'secret'"),
    (f"{LOGIN}, algorithms: [RS256, HS256]", "never accepted beside"),
    (f"{HS}, secret: {SECRET}, algorithms: [HS256, RS256]", "never accepted beside"),
    (f"{HS}, secret: {SECRET}, algorithms: [RS256]", "'secret' is for HS256"),
    (f"{HS}, secret: {SECRET[:-1]}", "has 31 bytes, at least 32"),
    (f"{HS}, secret: {SECRET}, algorithms: [HS512]", "has 32 bytes, at least 64"),
    (f"{HS}, secret: {'x' * 40}", "placeholder"),
    (f"{HS}, secret: {SECRET}, jwks_url: 'https://a.example/k'", "exclude each other"),
    (f"{LOGIN}, public_key: nonsense", "no public key in PEM"),
    (f"{LOGIN}, jwks_url: 'http://login.example/keys'", "https only"),
    ("issuer: http://login.example, audience: ai", "or give jwks_url"),
    ("issuer: own, audience: ai, jwks_url: 'https://a.example/k'", "give it a 'name'"),
    (f"{LOGIN}, name: ip", "another name"),
    (f"{LOGIN}, roles: {{a: admin}}", "claims.role"),
    (f"{LOGIN}, claims: {{role: groups}}", "needs 'roles'"),
    (f"{LOGIN}, claims: {{role: groups}}, roles: {{a: owner}}", "owner"),
    (f"{LOGIN}, claims: {{scope: x}}", "scope"),
    (f"{LOGIN}, claims: {{tenant: org}}, tenant: '*'", "every tenant"),
    (f"{LOGIN}, leeway_s: 301", "leeway_s"),
]


@pytest.mark.parametrize(("row", "said"), FAULTS)
def test_a_fault_is_told_at_its_place(setup: Setup, row: str, said: str) -> None:
    jwt(setup, row)
    problems = setup.problems()
    assert any(":5:" in problem and said in problem for problem in problems), problems
    assert SECRET[:-1] not in str(problems)


@pytest.mark.parametrize(
    ("row", "said"),
    [(LOGIN, "given twice"), ("issuer: https://login.example/realms/b, audience: ai", "are called 'login.example'")],
)
def test_two_issuers_are_told_apart(setup: Setup, row: str, said: str) -> None:
    jwt(setup, LOGIN, row)
    [problem] = setup.problems()
    assert ":6:" in problem
    assert said in problem


def test_a_public_key_has_to_be_for_one_of_the_algorithms(setup: Setup) -> None:
    setup.write("issuer.pem", signer("ES256").pem)
    jwt(setup, f"{LOGIN}, algorithms: [RS256], public_key: '${{file:{setup.folder}/issuer.pem}}'")
    [problem] = setup.problems()
    assert "public_key is for ES256" in problem


def test_a_missing_package_is_named_with_how_to_install_it(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuers, "find_spec", lambda name: None)
    jwt(setup, LOGIN)
    [problem] = setup.problems()
    assert "pip install 'ai-service-gateway[jwt]'" in problem
