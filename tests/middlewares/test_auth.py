"""Who is it: the key that came along, in whichever header, else the anonymous caller where that is allowed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.config.model import Config, Issuer, Key, Keys, Route, Server
from gateway.errors import GatewayError, PermissionDenied, Unauthenticated
from gateway.issuers.table import Issuers
from gateway.middlewares import auth
from gateway.middlewares.auth import Auth, Open, credential
from gateway.stores.keys.ring import KeyRing
from gateway.types import Call, Client, Operation, Reply, Scopes
from tests.given import Clock, call, head, reply, target

SECRET = "sk-gw-3f9a7c51d2e84b60a1"
PATH = "/v1/chat/completions"
LOCAL = {"host": "localhost:8001"}


def key(secret: str, name: str = "team-a", tenant: str = "a") -> Key:
    return Key(name, tenant, hashlib.sha256(secret.encode()).digest())


def guard(
    anonymous: Literal["never", "loopback", "always"] = "never",
    *secrets: str,
    origins: tuple[str, ...] = (),
) -> Auth:
    return Auth(Keys(anonymous, tuple(key(secret) for secret in secrets or (SECRET,))), origins, PATH)


def limited(
    scopes: Scopes = Scopes(),  # noqa: B008  # frozen
    *,
    expires_at: float | None = None,
    path: str = PATH,
    clock: Clock = Clock(),  # noqa: B008  # stands still where a test does not move its own
) -> Auth:
    return Auth(Keys(static=(replace(key(SECRET), scopes=scopes, expires_at=expires_at),)), (), path, clock)


def outcome(at: Auth | Open, headers: dict[str, str], **more: Any) -> Client | type[GatewayError]:
    """Return the client, or which error was raised."""
    try:
        return at.admit(head(headers, **more)).client or GatewayError
    except GatewayError as error:
        return type(error)


TEAM = Client("team-a", "a")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {SECRET}"},
        {"authorization": f"bearer {SECRET}"},
        {"authorization": f"BEARER   {SECRET} "},
        {"authorization": f"Token {SECRET}"},
        {"authorization": f"token {SECRET}"},
        {"x-api-key": SECRET},
        {"api-key": SECRET},
        {"x-goog-api-key": SECRET},
        {"xi-api-key": f" {SECRET} "},
        {"authorization": "Basic dXNlcjpwYXNz", "x-api-key": SECRET},
        {"authorization": f"Bearer {SECRET}", "x-api-key": "some other"},
    ],
)
def test_every_header_that_real_clients_use_carries_the_key(headers: dict[str, str]) -> None:
    assert outcome(guard(), headers) == TEAM


def test_a_key_may_stand_in_the_query_as_some_clients_send_it() -> None:
    assert outcome(guard(), {}, query={"key": SECRET}) == TEAM
    assert outcome(guard(), {"x-goog-api-key": "wrong"}, query={"key": SECRET}) is Unauthenticated


WRONG = [
    "",
    " ",
    "wrong",
    SECRET[:-1],
    SECRET + "x",
    SECRET[:20] + "0" * len(SECRET[20:]),
    SECRET.upper(),
    f"{SECRET}, {SECRET}",
    f"Bearer {SECRET}",
    hashlib.sha256(SECRET.encode()).hexdigest(),
    "\udcff\udcfe",
    "' OR 1=1 --",
    "x" * 8000,
    "None",
    "null",
]


@pytest.mark.parametrize("anonymous", ["never", "loopback", "always"])
@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key", "x-goog-api-key", "xi-api-key"])
@pytest.mark.parametrize("wrong", [secret for secret in WRONG if secret.strip()])
def test_a_wrong_key_is_refused_even_where_none_is_needed(
    anonymous: Literal["never", "loopback", "always"], name: str, wrong: str
) -> None:
    value = f"Bearer {wrong}" if name == "authorization" else wrong
    assert outcome(guard(anonymous), {name: value, **LOCAL}) is Unauthenticated


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer"}, {"authorization": "Bearer "}, {"x-api-key": ""}, {"api-key": "  "}]
)
def test_no_key_or_an_empty_one_is_refused_where_a_key_is_needed(headers: dict[str, str]) -> None:
    assert outcome(guard(), headers | LOCAL) is Unauthenticated


@given(st.text(st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=40))
def test_any_bytes_as_a_key_are_refused_without_a_fault(garbage: str) -> None:
    """Pain 34. Header bytes that are no UTF-8 come as surrogates."""
    assume(garbage.strip() != SECRET)
    assert outcome(guard(), {"x-api-key": garbage}) is Unauthenticated
    assert outcome(guard(), {"authorization": f"Bearer {garbage}"}) is Unauthenticated


@given(st.binary(max_size=60))
def test_any_bytes_are_401_though_the_known_key_has_scopes_and_an_end(garbage: bytes) -> None:
    secret = garbage.decode(errors="surrogateescape")
    assume(secret.strip() != SECRET)
    at = limited(Scopes(routes=("/other",)), expires_at=0.0)
    assert outcome(at, {"x-api-key": secret}) is Unauthenticated
    assert outcome(at, {}, query={"key": secret}) is Unauthenticated


@given(st.integers(0, len(SECRET) - 1), st.sampled_from("0123456789abcdefx-"))
def test_a_key_counts_as_a_whole(place: int, character: str) -> None:
    """Pain 38: nothing is looked up by a part of a key or of its digest."""
    other = SECRET[:place] + character + SECRET[place + 1 :]
    at = guard("never", SECRET)
    assert outcome(at, {"x-api-key": other}) == (TEAM if other == SECRET else Unauthenticated)
    assert all(len(digest) == 32 for digest in at._clients)


def test_two_keys_that_share_a_long_beginning_are_two_clients() -> None:
    first, second = SECRET + "-one", SECRET + "-two"
    at = Auth(Keys("never", (key(first, "one", "a"), key(second, "two", "b"))), (), PATH)
    assert outcome(at, {"x-api-key": first}) == Client("one", "a")
    assert outcome(at, {"x-api-key": second}) == Client("two", "b")


def test_no_secret_is_held() -> None:
    at = guard("never", SECRET)
    held = repr(vars(at)) + repr(key(SECRET))
    assert SECRET not in held
    assert SECRET not in repr(head({"x-api-key": SECRET}))


# ---------------------------------------------------------------- the anonymous caller


@pytest.mark.parametrize("remote", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "localhost:8001", "127.0.0.1:8001", "[::1]:8001", "[::1]", "LocalHost"])
def test_this_machine_needs_no_key_where_loopback_may_be_anonymous(remote: str, host: str) -> None:
    expected = Client(f"ip:{remote}", "anonymous", is_anonymous=True)
    assert outcome(guard("loopback"), {"host": host}, remote=remote) == expected


@pytest.mark.parametrize("remote", ["192.168.1.7", "10.0.0.1", "8.8.8.8", "fe80::1", "::ffff:10.0.0.1", "", "unix:"])
def test_other_machines_need_one(remote: str) -> None:
    assert outcome(guard("loopback"), LOCAL, remote=remote) is Unauthenticated


@pytest.mark.parametrize(
    "header", ["forwarded", "x-forwarded-for", "x-real-ip", "x-forwarded-host", "cf-connecting-ip", "true-client-ip"]
)
def test_what_came_through_a_proxy_is_not_of_this_machine(header: str) -> None:
    assert outcome(guard("loopback"), {**LOCAL, header: "127.0.0.1"}) is Unauthenticated


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8001",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "10.0.0.1",
        "[::2]:1",
    ],
)
def test_a_foreign_host_name_is_refused(host: str) -> None:
    """DNS rebinding: the page's own name leads to this machine."""
    assert outcome(guard("loopback"), {"host": host}) is PermissionDenied
    assert outcome(guard("loopback"), {"host": host, "x-api-key": SECRET}) == TEAM


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost.evil.example",
        "null",
        "http://localhost:x@evil.example",
        "http://evil.example#localhost",
        "http://[",
        "http://[::1",
        "file://",
        "localhost",
        "chrome-extension://abcdef",
        "http://10.0.0.1",
    ],
)
def test_a_foreign_page_is_refused(origin: str) -> None:
    assert outcome(guard("loopback"), {**LOCAL, "origin": origin}) is PermissionDenied


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:5173", "http://a.localhost"]
)
def test_a_local_page_needs_no_key(origin: str) -> None:
    assert isinstance(outcome(guard("loopback"), {**LOCAL, "origin": origin}), Client)


@given(st.text(max_size=30))
def test_no_origin_is_a_fault(origin: str) -> None:
    assert outcome(guard("loopback"), {**LOCAL, "origin": f"http://{origin}"}) is not GatewayError


def test_an_allowed_origin_is_let_in() -> None:
    at = guard("loopback", origins=("https://app.example",))
    assert isinstance(outcome(at, {**LOCAL, "origin": "https://app.example"}), Client)
    assert outcome(at, {**LOCAL, "origin": "https://app.example.evil"}) is PermissionDenied
    assert isinstance(outcome(guard("loopback", origins=("*",)), {**LOCAL, "origin": "https://any.example"}), Client)


def test_always_means_everybody() -> None:
    found = outcome(guard("always"), {"host": "api.example", "origin": "https://x.example"}, remote="8.8.8.8")
    assert found == Client("ip:8.8.8.8", "anonymous", is_anonymous=True)


def test_where_no_keys_are_configured_a_clients_placeholder_is_no_key() -> None:
    """The official clients cannot be made without some key."""
    at = Auth(Keys("loopback"), (), PATH)
    assert isinstance(outcome(at, {**LOCAL, "authorization": "Bearer unused"}), Client)
    assert outcome(Auth(Keys("never"), (), PATH), {"authorization": "Bearer unused"}) is Unauthenticated


# ---------------------------------------------------------------- in the chain


def test_a_route_without_auth_is_open_to_everybody() -> None:
    config = Config(Server(), Keys("never", (key(SECRET),)), {}, (), ())
    services: Any = SimpleNamespace(keys=KeyRing(), issuers=Issuers())
    link = auth.build(Route("POST", "/x", "openai.chat", auth="none"), config, services)
    assert isinstance(link, Open)
    assert outcome(link, {"x-api-key": "wrong"}, remote="8.8.8.8") == Client("ip:8.8.8.8", "anonymous", True)
    assert isinstance(auth.build(Route("POST", "/x", "openai.chat"), config, services), Auth)


async def test_the_call_passes_unchanged() -> None:
    answer, asked = reply(), call()

    async def handler(given: Call) -> Reply:
        assert given is asked
        return answer

    assert await guard()(asked, handler) is answer
    assert await Open()(asked, handler) is answer


def test_the_error_says_how_to_send_a_key_and_not_which_was_sent() -> None:
    with pytest.raises(Unauthenticated, match="Authorization: Bearer"):
        guard().admit(head({}))
    with pytest.raises(Unauthenticated) as caught:
        guard().admit(head({"x-api-key": "sk-canary-4711"}))
    assert "4711" not in caught.value.message


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ""),
        ({"authorization": "Bearer a b"}, "a b"),
        ({"authorization": "Bearer "}, ""),
        ({"authorization": "sk-plain"}, ""),
        ({"x-api-key": "a", "api-key": "b"}, "a"),
    ],
)
def test_the_credential_is_read_from_the_headers_in_a_fixed_order(headers: dict[str, str], expected: str) -> None:
    assert credential(head(headers)) == expected


# ---------------------------------------------------------------- a key's end and its scopes


def test_a_key_serves_until_its_second_and_not_at_it() -> None:
    clock = Clock(1_800_000_000.0 - 1)
    at = limited(expires_at=1_800_000_000.0, clock=clock)
    assert outcome(at, {"x-api-key": SECRET}) == replace(TEAM, expires_at=1_800_000_000.0)
    clock.now_s += 1
    with pytest.raises(Unauthenticated) as caught:
        at.admit(head({"x-api-key": SECRET}))
    assert caught.value.message == "the API key expired on 2027-01-15T08:00:00Z; ask the operator for another"


@pytest.mark.parametrize(
    ("path", "patterns", "is_allowed"),
    [
        (PATH, (), True),
        (PATH, (PATH,), True),
        (PATH, ("/v1/models", "/v1/chat/*"), True),
        (PATH, ("/v1/chat",), False),
        (PATH, ("/V1/CHAT/*",), False),
        ("/proxy/{provider}/{path}", ("/proxy/*",), True),
        ("/proxy/{provider}/{path}", ("/v1/*",), False),
    ],
)
def test_a_key_is_for_its_routes(path: str, patterns: tuple[str, ...], is_allowed: bool) -> None:
    at = limited(Scopes(routes=patterns), path=path)
    if is_allowed:
        assert isinstance(outcome(at, {"x-api-key": SECRET}), Client)
        return
    with pytest.raises(PermissionDenied, match=r"the API key 'team-a' is not for the route .* this key's 'routes'"):
        at.admit(head({"x-api-key": SECRET}))


async def passed(scopes: Scopes, **more: Any) -> Call:
    """Return the call as it leaves auth: for the model `fast`, of two providers."""
    found: list[Call] = []

    async def handler(given: Call) -> Reply:
        found.append(given)
        return reply()

    targets = more.pop("targets", (target("acme/big"), target("spare/chat")))
    await limited(scopes)(call(targets=targets, client=replace(TEAM, scopes=scopes), **more), handler)
    return found[0]


@pytest.mark.parametrize(
    ("scopes", "more"),
    [
        (Scopes(operations=("embeddings", "chat")), {}),
        (Scopes(models=("fast",)), {}),
        (Scopes(models=("x", "f*")), {}),
        (Scopes(providers=("acme", "spare")), {}),
        (Scopes(providers=("acme",)), {"provider": "acme", "targets": (target("acme/big"),)}),
    ],
)
async def test_what_is_within_the_scopes_passes(scopes: Scopes, more: dict[str, Any]) -> None:
    assert (await passed(scopes, **more)).model == "fast"


@pytest.mark.parametrize(
    ("scopes", "more", "message"),
    [
        (Scopes(operations=("embeddings",)), {}, "not for the operation 'chat'; .* this key's 'operations'"),
        (Scopes(models=("slow", "fas")), {}, "not for the model 'fast'; .* this key's 'models'"),
        (Scopes(models=("fast",)), {"model": "acme/big"}, "not for the model 'acme/big'"),
        (Scopes(models=("fast",)), {"model": "*"}, r"not for the model '\*'"),
        (Scopes(providers=("other",)), {}, r"not for what serves this call \(acme, spare\); .* this key's 'providers'"),
        (Scopes(providers=("spare",)), {"provider": "acme"}, r"not for what serves this call \(acme\)"),
        (Scopes(providers=("other",)), {"targets": ()}, r"not for what serves this call \(no provider\)"),
    ],
)
async def test_what_is_beyond_the_scopes_is_refused(scopes: Scopes, more: dict[str, Any], message: str) -> None:
    with pytest.raises(PermissionDenied, match=f"the API key 'team-a' is {message}"):
        await passed(scopes, **more)


async def test_targets_of_other_providers_are_left_out() -> None:
    found = await passed(Scopes(providers=("spare",)))
    assert [target.name for target in found.targets] == ["spare/chat"]


@pytest.mark.parametrize("operation", ["models", "voices"])
async def test_what_there_is_may_always_be_listed(operation: Operation) -> None:
    found = await passed(Scopes((), ("chat",), ("x",), ("y",)), operation=operation, model="", targets=())
    assert found.operation == operation


def test_where_an_issuer_is_configured_a_key_of_no_one_is_refused() -> None:
    issuer = Issuer("own", "own", ("ai",), ("HS256",), secret=b"0123456789abcdef0123456789abcdef")
    issuers = Issuers()
    issuers.use([issuer])
    guarded = Auth(Keys("always", issuers=(issuer,)), (), PATH, issuers=issuers)
    assert outcome(guarded, {"x-api-key": "wrong"}) is Unauthenticated
    assert outcome(guarded, {}) == Client("ip:127.0.0.1", "anonymous", True)
    without = Auth(Keys("always"), (), PATH, issuers=issuers)
    assert outcome(without, {"x-api-key": "wrong"}) == Client("ip:127.0.0.1", "anonymous", True)
