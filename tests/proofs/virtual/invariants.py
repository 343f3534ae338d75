"""What holds after every run, whatever happened in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from gateway.middlewares.continuation import GO_ON
from tests.proofs.faults.work import WORKS, Seen, told
from tests.proofs.virtual.plan import Ask
from tests.proofs.virtual.variants import MODELS, MOST_ATTEMPTS, TOTAL_S
from tests.proofs.virtual.world import World

CONTINUED = b": continued by "  # the comment in a stream that another target goes on with
SLACK_S = 0.05  # beyond its deadline a request may end, as is promised
NET_S = 0.03  # connecting, asking and answering take together, on this network
LEFT_S = 0.03  # for a vendor to see that the client is gone: two ways through the network, and no wait in between
_CHAT, _STREAM = WORKS[0], WORKS[1]


def broken(world: World) -> list[str]:
    """Return what does not hold."""
    return [
        *world.loop_faults,
        *_counters(world),
        *_ledger(world),
        *(fault for ask in world.plan.asks for fault in _answer(world, ask)),
        *_vendors(world),
    ]


def _counters(world: World) -> Iterator[str]:
    if world.in_flight != (0, 0.0):
        yield f"{world.in_flight} requests are counted as under way"
    if world.attempts:
        yield f"attempts at targets are under way by their breakers: {world.attempts}"
    if world.held:
        yield f"{world.held} are held for nobody"
    spent = sum(row["cost_nano_usd"] or 0 for row in world.rows)
    if spent != world.spent_nano_usd:
        yield f"{world.spent_nano_usd} count as spent, and the rows come to {spent}"


def _ledger(world: World) -> Iterator[str]:
    times = Counter(row["request_id"] for row in world.rows)
    yield from (f"{request_id} has {count} rows" for request_id, count in times.items() if count > 1)
    for row in world.rows:
        attempts = json.loads(row["attempts"])
        name = row["request_id"]
        if row["state"] != "settled":
            yield f"{name} is {row['state']}"
        if row["cost_nano_usd"] not in (None, sum(attempt["cost_nano_usd"] or 0 for attempt in attempts)):
            yield f"{name} does not cost what its attempts do"
        if len(attempts) > MOST_ATTEMPTS:
            yield f"{name} has {len(attempts)} attempts"
        if any(attempt["outcome"] == "open" or attempt["ms"] is None for attempt in attempts if _was_sent(attempt)):
            yield f"{name} has an attempt that never ended: {attempts}"
    for ask in world.plan.asks:
        seen = world.seen.get(ask.number)
        if seen is not None and seen.status == 200 and not times[ask.request_id]:
            yield f"{ask.request_id} was answered and has no row"


def _was_sent(attempt: dict[str, object]) -> bool:
    return attempt["outcome"] != "cached"


def _answer(world: World, ask: Ask) -> Iterator[str]:
    seen = world.seen.get(ask.number)
    if seen is None:
        if ask.number not in world.left_at_s:
            yield f"{ask.request_id} was never answered"
        return
    name = ask.request_id
    right = [f"{vendor}/{model} echoes: {ask.text}".encode() for vendor, model in MODELS.items()]
    is_continued = CONTINUED in seen.body
    got = told(_STREAM if ask.is_streamed else _CHAT, seen)
    if got.is_complete:
        if got.content not in right and not (is_continued and _is_of_several(got.content, right, is_whole=True)):
            yield f"{name} looks complete and is not: {got.content!r}"
    elif not _begins(got.content, right) and not (is_continued and _is_of_several(got.content, right, is_whole=False)):
        yield f"{name} got what nobody said: {got.content!r}"
    elif not got.error and (seen.is_clean or not ask.pause_s):  # aiohttp's client drops what it had not read by a cut
        yield f"{name} got {seen.status}, half an answer and no word why: {seen.body[-200:]!r}"
    if seen.status == 500:
        yield f"{name}: a fault of the gateway's own: {seen.body!r}"
    if not ask.pause_s and seen.seconds > TOTAL_S + SLACK_S + NET_S:
        yield f"{name} took {seen.seconds:.3f} s, which is beyond its deadline"
    yield from _of_row(world, ask, seen)


def _begins(content: bytes, answers: Sequence[bytes]) -> bool:
    return any(answer.startswith(content) for answer in answers)


def _is_of_several(content: bytes, begun: Sequence[bytes], *, is_whole: bool) -> bool:
    """Whether it is the beginning of one answer, and then what others say when they are asked to go on."""
    rest = [f"{vendor}/{model} echoes: {GO_ON}".encode() for vendor, model in MODELS.items()]
    return any(
        content[at:] in rest
        or (not is_whole and _begins(content[at:], rest))
        or _is_of_several(content[at:], rest, is_whole=is_whole)
        for at in range(1, len(content))
        if _begins(content[:at], begun)
    )


def _of_row(world: World, ask: Ask, seen: Seen) -> Iterator[str]:
    """What the ledger says of an answer is what the client saw."""
    for row in world.rows:
        if row["request_id"] == ask.request_id and ask.number not in world.left_at_s:
            is_good = told(_STREAM if ask.is_streamed else _CHAT, seen).is_complete
            if is_good != (row["outcome"] in ("ok", "cached", "coalesced")):
                yield f"{ask.request_id} is written down as {row['outcome']!r}, and the client got {seen.status}"


def _vendors(world: World) -> Iterator[str]:
    """Nobody is asked, or works on, for a client that has left."""
    left = {ask.text: world.left_at_s[ask.number] for ask in world.plan.asks if _has_left_alone(world, ask)}
    for vendor, records in world.records.items():
        for record in records:
            if record.refusal is not None:
                yield f"{vendor} refused a request: {record.refusal[:200]}"
            if not record.body:
                continue
            at_s = left.get(record.json()["messages"][-1]["content"])
            if at_s is None:
                continue
            if record.arrived_at_s > at_s + LEFT_S:
                yield f"{vendor} was asked {record.arrived_at_s - at_s:.3f} s after the client had left"
            if record.ended_at_s is None or record.ended_at_s > at_s + LEFT_S:
                ended = "never" if record.ended_at_s is None else f"{record.ended_at_s - at_s:.3f} s later"
                yield f"{vendor} worked on for a client that had left; it ended {ended}"


def _has_left_alone(world: World, ask: Ask) -> bool:
    return ask.number in world.left_at_s and not ask.is_shared
