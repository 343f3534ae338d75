"""What claims make of a bearer: pure, and closed where they are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.config.model import ClaimNames, Issuer
from gateway.errors import PermissionDenied, Unauthenticated
from gateway.issuers.claims import check_claims, client_of
from gateway.types import EMPTY, Client, Scopes

NOW = 1_800_000_000.0
SOUND = {"iss": "https://login.example", "aud": "ai", "exp": NOW + 60}


def issuer(**more: Any) -> Issuer:
    return Issuer("login", "https://login.example", ("ai", "ai-2"), ("RS256",), **more)


def client(
    names: ClaimNames,
    roles: dict[str, Any] | None = None,
    tenant: str = "",
    more: Mapping[str, Any] = EMPTY,
    **claims: Any,
) -> Client:
    """Return whose a token with these claims is; `more` holds those whose names are none of Python's."""
    return client_of(issuer(claims=names, roles=roles or {}, tenant=tenant), {"sub": "ada", **claims, **more}, NOW)


@pytest.mark.parametrize("audience", ["ai", "ai-2", ["x", "ai"]])
def test_one_audience_is_enough(audience: Any) -> None:
    assert check_claims(issuer(), {**SOUND, "aud": audience}, NOW) == NOW + 90


@pytest.mark.parametrize("audience", ["a", "ai ", "AI", "", [], ["aix"], {"ai": 1}, 1, None, [["ai"]]])
def test_another_audience_is_not(audience: Any) -> None:
    with pytest.raises(Unauthenticated, match="aud"):
        check_claims(issuer(), {**SOUND, "aud": audience}, NOW)


@pytest.mark.parametrize("value", ["1900000000", True, float("inf"), float("nan"), -1, 253_402_300_800, [], {}])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_a_time_that_is_none_is_refused(claim: str, value: Any) -> None:
    with pytest.raises(Unauthenticated, match=claim):
        check_claims(issuer(), {**SOUND, claim: value}, NOW)


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("auth0|6f1", "login:auth0|6f1"),
        ("a b", "login:a%20b"),
        ("a%20b", "login:a%2520b"),
        ("x tenant=other", "login:x%20tenant=other"),
        ("line\nbreak", "login:line%0Abreak"),
        ("ü", "login:%C3%BC"),
        ("a" * 255, "login:" + "a" * 255),
    ],
)
def test_a_name_cannot_be_another_ones_or_a_keys(subject: str, name: str) -> None:
    assert client(ClaimNames(), sub=subject).name == name


@pytest.mark.parametrize("subject", ["", None, 7, ["ada"], {"ada": 1}, "a" * 256])
def test_who_is_nobody_is_refused(subject: Any) -> None:
    with pytest.raises(Unauthenticated, match="sub"):
        client(ClaimNames(), sub=subject)


def test_a_claim_whose_name_has_dots_comes_before_the_way_into_objects() -> None:
    names = ClaimNames(tenant="https://acme.example/tenant")
    assert client(names, more={"https://acme.example/tenant": "shop"}).tenant == "shop"
    assert client(ClaimNames(tenant="a.b"), more={"a.b": "flat", "a": {"b": "deep"}}).tenant == "flat"
    assert client(ClaimNames(tenant="a.b"), a={"b": "deep"}).tenant == "deep"


def test_the_tenant_is_the_claims_or_the_fixed_or_the_bearers_own() -> None:
    assert client(ClaimNames()).tenant == "login:ada"
    assert client(ClaimNames(), tenant="staff").tenant == "staff"
    assert client(ClaimNames(tenant="org"), tenant="staff").tenant == "staff"
    assert client(ClaimNames(tenant="org"), tenant="staff", org="acme").tenant == "acme"


@pytest.mark.parametrize("tenant", ["*", "", 7, ["acme"], None, "a" * 256])
def test_a_token_makes_itself_no_ones_and_not_everyones(tenant: Any) -> None:
    with pytest.raises(PermissionDenied, match="org"):
        client(ClaimNames(tenant="org"), org=tenant)


@pytest.mark.parametrize(
    ("value", "role"),
    [
        ("ops", "operator"),
        ("openid ops", "operator"),
        (["ops", "root"], "admin"),
        ("two words", "admin"),
        ("admin", "user"),
        (["opsx", 7, None], "user"),
        ({"root": True}, "user"),
        (None, "user"),
    ],
)
def test_a_role_is_what_the_operator_maps_and_the_highest_wins(value: Any, role: str) -> None:
    roles = {"ops": "operator", "root": "admin", "two words": "admin"}
    assert client(ClaimNames(role="groups"), roles, groups=value).role == role


@pytest.mark.parametrize("value", [None, "", " ", [], [""], [7], 7, True, {"*": 1}])
@pytest.mark.parametrize("part", ["routes", "operations", "models", "providers"])
def test_a_claim_of_what_it_is_for_that_is_missing_allows_nothing(part: str, value: Any) -> None:
    with pytest.raises(PermissionDenied, match="may"):
        client(ClaimNames(**{part: "may"}), may=value)


@pytest.mark.parametrize("value", ["*", ["*"], ["fast", "*"]])
def test_a_star_allows_everything(value: Any) -> None:
    assert client(ClaimNames(models="may", providers="may"), may=value).scopes == Scopes()
