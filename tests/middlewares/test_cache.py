"""Have we answered this: only the very same request, of the same tenant, and only while it is good."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import pytest

from gateway.errors import GatewayError, InvalidRequest, LimitsAway, UpstreamUnavailable
from gateway.stores.cache import Purge
from gateway.types import Attempt, AudioChunk, Call, Client, Done, Reply, TextDelta
from tests.given import reply, speech_call, target
from tests.middlewares.caching import ANSWER, FIRST, SECOND, Setup, chat, recording, speech

OTHER = (TextDelta("43"), Done())


async def test_the_same_request_is_answered_from_memory() -> None:
    setup = Setup()
    assert await setup.ask(chat()) == ("miss", list(ANSWER))
    for _ in range(3):
        assert await setup.ask(chat()) == ("hit", list(ANSWER))
    assert setup.asked == 1


async def test_a_hit_names_the_target_that_had_answered_and_costs_nothing() -> None:
    setup = Setup()
    await setup.ask(chat())
    again = chat()
    await setup.ask(again)
    assert [(attempt.target, attempt.outcome, attempt.cost_nano_usd) for attempt in again.receipt.attempts] == [
        ("first/model", "cached", 0)
    ]


async def test_a_hit_says_what_was_said_of_the_answer() -> None:
    setup = Setup()
    setup.told = {"x-gateway-dropped": "seed", "x-ratelimit-remaining-requests": "3"}
    given = chat(headers={})
    given.receipt.headers["x-gateway-degraded"] = "dear -> cheap"  # said of the request, before the cache
    await setup.ask(given)
    setup.clock.now_s += 3.9
    again = chat()
    assert (await setup.ask(again))[0] == "hit"
    key = again.receipt.headers.pop("x-gateway-cache-key")
    assert key == given.receipt.headers["x-gateway-cache-key"]
    assert again.receipt.headers == {"x-gateway-dropped": "seed", "age": "3"}


async def test_an_answer_is_forgotten_in_time() -> None:
    setup = Setup()
    await setup.ask(chat())
    setup.clock.now_s += 60
    assert (await setup.ask(chat()))[0] == "miss"


OTHERS: Mapping[str, Call] = {
    "one value of the body": chat(b'{"messages":[],"temperature":0}'),
    "another tenant": chat(client=Client("key-1", "tenant-2")),
    "an anonymous caller": chat(client=Client("ip:127.0.0.1", "tenant-1", is_anonymous=True)),
    "another dialect": chat(dialect="anthropic.messages"),
    "another path": chat(path="/v2/chat/completions"),
    "a query": chat(query={"alt": "sse"}),
    "a beta of the vendor": chat(headers={"some-vendor-beta": "new-thing"}),
    "other targets": chat(targets=(FIRST,)),
    "targets in another order": chat(targets=(SECOND, FIRST)),
    "a target at another address": chat(targets=(target("first/model", base_url="http://other.test"), SECOND)),
}


@pytest.mark.parametrize("what", OTHERS)
async def test_what_decides_the_answer_is_part_of_its_key(what: str) -> None:
    setup = Setup()
    await setup.ask(chat())
    assert (await setup.reloaded().ask(OTHERS[what]))[0] == "miss"
    assert (await setup.reloaded().ask(chat()))[0] == "hit"


async def test_two_keys_of_one_tenant_share_answers() -> None:
    setup = Setup()
    await setup.ask(chat(client=Client("key-1", "tenant-1"), query={"key": "secret-1"}))
    assert (await setup.ask(chat(client=Client("key-2", "tenant-1"), query={"key": "secret-2"})))[0] == "hit"


async def test_a_voice_that_was_given_to_another_vendors_voice_is_another_answer() -> None:
    setup = Setup(dialect="openai.speech")

    def asking(voice: str) -> Call:
        at = target("first/model", operation="speech", voices={"narrator": voice})
        return speech_call(voice="narrator", raw=b"{}", targets=(at,))

    await setup.ask(asking("nova"))
    assert (await setup.ask(asking("nova")))[0] == "hit"
    assert (await setup.ask(asking("onyx")))[0] == "miss"


async def test_recordings_are_told_apart_by_their_bytes_and_fields() -> None:
    setup = Setup(dialect="openai.transcription")
    english = ("language", "en")
    await setup.ask(recording(b"RIFF" * 600_000, english))
    assert (await setup.ask(recording(b"RIFF" * 600_000, english)))[0] == "hit"
    assert (await setup.ask(recording(b"RIFF" * 599_999 + b"RIFX", english)))[0] == "miss"
    assert (await setup.ask(recording(b"RIFF" * 600_000, ("language", "de"))))[0] == "miss"
    assert (await setup.ask(recording(b"RIFF" * 600_000)))[0] == "miss"


async def test_10_000_random_pairs_of_strangers_share_nothing() -> None:
    """Pain 42: over tenants, keys, models and parameters, nobody is given what another tenant or address was."""
    dice = random.Random(42)
    setup = Setup()
    names = ["a", "b", "", "a\0b", "anonymous", "ip:10.0.0.1", "ip:10.0.0.2", "('a', '', False)", "a'", "\udcff"]
    models = ["fast", "smart", "a"]
    parameters = ["", ',"temperature":0', ',"temperature":1', ',"user":"a"', ',"messages":[]', ',"seed":"a"']

    def stranger() -> Client:
        if dice.random() < 0.4:
            return Client(dice.choice(names), "anonymous", is_anonymous=True)
        return Client(dice.choice(names), dice.choice(names))

    def whose(client: Client) -> tuple[str, ...]:
        return ("address", client.name) if client.is_anonymous else ("tenant", client.tenant)

    def said(given: Call) -> str:
        """What is asked, but for the user, who decides nothing."""
        return str(given.raw).replace(',"user":"a"', "")

    def asking() -> Call:
        model = dice.choice(models)
        body = f'{{"model":"{model}"{dice.choice(parameters)}}}'.encode()
        return chat(body, model=model, client=stranger())

    hits = 0
    for number in range(10_000):
        await setup.store.purge(Purge())
        first, second = asking(), asking()
        setup.events = (TextDelta(str(number)), Done())
        await setup.ask(first)
        found, _ = await setup.ask(second)
        is_same = whose(first.client) == whose(second.client) and said(first) == said(second)
        assert (found == "hit") == is_same, (first.client, first.raw, second.client, second.raw)
        hits += found == "hit"
    assert hits > 25  # the test would see them


@pytest.mark.parametrize("wish", ["no-store", "No-Store", "max-age=0, no-store", "NO-STORE"])
async def test_a_client_that_wants_nothing_stored_has_nothing_stored_and_nothing_from_memory(wish: str) -> None:
    setup = Setup()
    await setup.ask(chat())
    assert (await setup.ask(chat(headers={"cache-control": wish})))[0] == "bypass"
    assert setup.asked == 2
    other = chat(b'{"other":1}', headers={"cache-control": wish})
    await setup.ask(other)
    assert (await setup.ask(chat(b'{"other":1}')))[0] == "miss"


@pytest.mark.parametrize("wish", ["no-cache", "No-Cache"])
async def test_a_client_that_wants_it_fresh_renews_what_is_kept(wish: str) -> None:
    setup = Setup()
    await setup.ask(chat())
    setup.events = (TextDelta("43"), Done())
    assert await setup.ask(chat(headers={"cache-control": wish})) == ("bypass", list(setup.events))
    assert await setup.ask(chat()) == ("hit", list(setup.events))


async def test_closers_of_the_answer_stay_with_it() -> None:
    async def closer() -> None: ...

    async def handler(asked: Call) -> Reply:
        asked.receipt.attempts.append(Attempt("first/model", outcome="ok"))
        asked.receipt.first_choice = "first/model"
        return reply(*ANSWER, closers=(closer,))

    assert (await Setup().around(handler)(chat())).closers == (closer,)


# ---------------------------------------------------------------- what a client wishes


@pytest.mark.parametrize(("age_s", "found"), [(29.9, "hit"), (30, "hit"), (30.1, "miss")])
async def test_a_client_says_how_old_an_answer_may_be(age_s: float, found: str) -> None:
    setup = Setup()
    await setup.ask(chat())
    setup.clock.now_s += age_s
    assert (await setup.ask(chat(headers={"cache-control": "max-age=30"})))[0] == found


@pytest.mark.parametrize(
    ("ttl", "later_s", "found"),
    [
        ("10", 9.9, "hit"),
        ("10", 10, "miss"),
        ("0", 0, "miss"),
        ("90", 89, "hit"),
        ("5000", 99.9, "hit"),
        ("5000", 100, "miss"),
    ],
)
async def test_a_client_says_for_how_long_its_answer_is_kept_up_to_what_the_route_allows(
    ttl: str, later_s: float, found: str
) -> None:
    setup = Setup(max_ttl_s=100.0)
    await setup.ask(chat(headers={"x-gateway-cache-ttl": ttl}))
    setup.clock.now_s += later_s
    assert (await setup.ask(chat()))[0] == found


async def test_a_ttl_that_is_no_number_is_refused_before_anybody_is_asked() -> None:
    setup = Setup()
    with pytest.raises(InvalidRequest, match="x-gateway-cache-ttl must be a number of seconds"):
        await setup.ask(chat(headers={"x-gateway-cache-ttl": "1 hour"}))
    assert setup.asked == 0


# ---------------------------------------------------------------- stale answers


async def settled(setup: Setup) -> None:
    async with asyncio.timeout(10):
        await setup.store.settle()


@pytest.mark.parametrize(
    ("later_s", "found", "asked"), [(59.9, "hit", 1), (60, "stale", 2), (89.9, "stale", 2), (90, "miss", 2)]
)
async def test_a_stale_answer_is_given_at_once_and_asked_for_anew(later_s: float, found: str, asked: int) -> None:
    setup = Setup(stale_while_revalidate_s=30.0)
    await setup.ask(chat())
    setup.clock.now_s += later_s
    setup.events = OTHER
    assert await setup.ask(chat()) == (found, list(OTHER if found == "miss" else ANSWER))
    await settled(setup)
    assert setup.asked == asked
    if found == "stale":
        assert await setup.ask(chat()) == ("hit", list(OTHER))


async def test_many_who_get_a_stale_answer_ask_once() -> None:
    setup = Setup(stale_while_revalidate_s=30.0)
    await setup.ask(chat())
    setup.clock.now_s += 61
    setup.events = (0.01, *OTHER)
    found = await asyncio.gather(*(setup.ask(chat()) for _ in range(20)))
    assert {result for result, _ in found} == {"stale"}
    await settled(setup)
    assert setup.asked == 2


async def test_what_is_asked_anew_is_accounted_for_as_a_call_of_its_own() -> None:
    setup = Setup(stale_while_revalidate_s=30.0)
    await setup.ask(chat())
    setup.clock.now_s += 61
    seen: list[Call] = []
    setup.before_answer = seen.append
    given = chat(deadline_s=1.0)
    await setup.ask(given)
    await settled(setup)
    assert [(each.receipt.cache, each.id, each.receipt.tenant) for each in seen] == [
        ("refresh", "request-1-refresh", given.receipt.tenant)
    ]
    assert seen[0].deadline_s > asyncio.get_running_loop().time()  # the client's own has long passed
    assert given.receipt.cost_nano_usd == 0


async def test_a_refresh_that_fails_leaves_the_stale_answer_in_its_place() -> None:
    setup = Setup(stale_while_revalidate_s=30.0)
    await setup.ask(chat())
    setup.clock.now_s += 61
    setup.error = UpstreamUnavailable("down")
    for _ in range(2):
        assert await setup.ask(chat()) == ("stale", list(ANSWER))
        await settled(setup)
    assert setup.asked == 3


async def test_a_recording_is_not_asked_about_in_the_background_since_its_file_is_gone() -> None:
    setup = Setup(dialect="openai.transcription", stale_while_revalidate_s=30.0)
    await setup.ask(recording())
    setup.clock.now_s += 61
    assert (await setup.ask(recording()))[0] == "miss"


@pytest.mark.parametrize(("later_s", "is_given"), [(60, True), (159.9, True), (160, False)])
async def test_a_stale_answer_stands_in_where_nobody_answers(later_s: float, is_given: bool) -> None:
    setup = Setup(stale_if_error_s=100.0)
    await setup.ask(chat())
    setup.clock.now_s += later_s
    setup.error = UpstreamUnavailable("down")
    if is_given:
        given = chat()
        assert await setup.ask(given) == ("stale", list(ANSWER))
        assert [attempt.outcome for attempt in given.receipt.attempts] == ["cached"]
    else:
        with pytest.raises(UpstreamUnavailable):
            await setup.ask(chat())


@pytest.mark.parametrize(
    ("error", "is_given"),
    [(UpstreamUnavailable("down"), True), (LimitsAway("away"), True), (InvalidRequest("no"), False)],
)
async def test_a_stale_answer_does_not_hide_what_is_the_clients_doing(error: GatewayError, is_given: bool) -> None:
    setup = Setup(stale_if_error_s=100.0)
    await setup.ask(chat())
    setup.clock.now_s += 61
    setup.error = error
    if is_given:
        assert (await setup.ask(chat()))[0] == "stale"
    else:
        with pytest.raises(type(error)):
            await setup.ask(chat())


async def test_a_client_that_wants_no_older_answer_gets_the_error() -> None:
    setup = Setup(stale_if_error_s=100.0)
    await setup.ask(chat())
    setup.clock.now_s += 61
    setup.error = UpstreamUnavailable("down")
    with pytest.raises(UpstreamUnavailable):
        await setup.ask(chat(headers={"cache-control": "max-age=60"}))


# ---------------------------------------------------------------- fallbacks


async def test_a_fallbacks_answer_is_not_given_as_the_first_choices() -> None:
    setup = Setup(stale_if_error_s=100.0)
    setup.served_by = "second/model"
    await setup.ask(chat())
    setup.served_by = "first/model"
    setup.events = OTHER
    assert await setup.ask(chat()) == ("miss", list(OTHER))
    assert await setup.ask(chat()) == ("hit", list(OTHER))


async def test_a_fallbacks_answer_stands_in_as_the_fallbacks_where_nobody_answers() -> None:
    setup = Setup(stale_if_error_s=100.0)
    setup.served_by = "second/model"
    await setup.ask(chat())
    setup.error = UpstreamUnavailable("down")
    given = chat()
    assert await setup.ask(given) == ("stale", list(ANSWER))
    assert [attempt.target for attempt in given.receipt.attempts if attempt.outcome == "cached"] == ["second/model"]


async def test_without_stale_if_error_a_fallbacks_answer_is_never_given() -> None:
    setup = Setup()
    setup.served_by = "second/model"
    await setup.ask(chat())
    setup.error = UpstreamUnavailable("down")
    with pytest.raises(UpstreamUnavailable):
        await setup.ask(chat())


# ---------------------------------------------------------------- audio


async def test_audio_has_a_validator_when_it_is_given_again() -> None:
    setup = Setup(dialect="openai.speech")
    setup.events = (AudioChunk(b"ID3"), AudioChunk(b"more"), Done())
    first, again = speech(), speech()
    await setup.ask(first)
    assert first.receipt.etag == ""
    assert await setup.ask(again) == ("hit", [AudioChunk(b"ID3more"), Done()])
    assert again.receipt.etag.startswith('"')
    other = Setup(dialect="openai.speech")
    other.events = (AudioChunk(b"ID3more"), Done())
    await other.ask(speech())
    once_more = speech()
    await other.ask(once_more)
    assert once_more.receipt.etag == again.receipt.etag  # the bytes decide it, not how they came
