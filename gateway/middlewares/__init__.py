"""The links of the chain. Their order is a literal with reasons, because a wrong order is a security bug."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import get_args

from gateway.config.model import Config, Route
from gateway.middlewares import (
    allotment,
    auth,
    cache,
    capability,
    coalesce,
    content,
    convert,
    cost,
    count,
    cut,
    failover,
    keep,
    ledger,
    pipeline,
    playtime,
    prompt,
    quota,
    recall,
    shadow,
    similar,
    split,
    turn,
)
from gateway.services import Services
from gateway.types import Call, Handler, Middleware, Operation, Reply


@dataclass(frozen=True, slots=True)
class Link:
    """One place in the chain. `build` returns None where a route does without it."""

    name: str
    build: Callable[[Route, Config, Services], Middleware | None]
    reason: str
    is_for: frozenset[Operation] = frozenset({"chat", "embeddings", "speech", "transcription"})


_PIPELINE = frozenset[Operation]({"pipeline"})
_ALL = frozenset[Operation](get_args(Operation))
_TRIED = frozenset[Operation]({"chat", "embeddings", "speech", "transcription", "realtime", "tokens", "proxy"})
_PAID = frozenset[Operation]({"chat", "embeddings", "speech", "transcription", "realtime", "proxy"})
_BILLED = _PAID | _PIPELINE
_CHAT = frozenset[Operation]({"chat"})
_HEARD = frozenset[Operation]({"transcription"})
_SPEECH = frozenset[Operation]({"speech"})
_SAID = _CHAT | _SPEECH
_TOKENS = frozenset[Operation]({"tokens"})
# The links of live sessions, which are no answer that could be kept, joined, copied or changed.
LIVE = frozenset({"auth", "quota", "ledger", "failover", "turn", "allotment", "cost"})

ORDER: tuple[Link, ...] = (
    Link("auth", auth.build, "first: everything after it is decided for a client", _ALL),
    Link("quota", quota.build, "before the cache: a stranger's flood of hits is a flood too", _ALL),
    Link("content", content.build, "around the cache: what it answers was said too"),
    Link("cache", cache.build, "before failover: an answer that is there needs no target"),
    Link("coalesce", coalesce.build, "inside the cache, outside all that costs: who joins a call pays for none"),
    Link("keep", keep.build, "inside coalesce: what is shared is kept once"),
    Link("ledger", ledger.build, "inside the cache, before any vendor: a crash loses nothing that may cost", _BILLED),
    Link(
        "similar",
        similar.build,
        "inside ledger, around failover: it asks for an embedding first",
        _CHAT,
    ),
    Link("prompt", prompt.build, "inside the cache, around failover: each of a prompt's chats finds its target", _CHAT),
    Link("pipeline", pipeline.build, "in the place of prompt: each of its steps finds its target", _PIPELINE),
    Link("shadow", shadow.build, "around failover: the copy is skipped, limited and metered as any attempt is"),
    Link(
        "split",
        split.build,
        "around failover: each part of a long text finds its target alone",
        _SPEECH,
    ),
    Link("cut", cut.build, "around failover: each piece of a long recording finds its target alone", _HEARD),
    Link("failover", failover.build, "chooses the target, so all that is per target stands inside it", _TRIED),
    Link("turn", turn.build, "per attempt, before allotment: who waits for a target holds nothing of it", _TRIED),
    Link("allotment", allotment.build, "per attempt: beyond its limit the next target is asked", _TRIED),
    Link("recall", recall.build, "per attempt: what a target thought goes back to that target alone", _CHAT),
    Link("capability", capability.build, "per attempt, after recall: sends what this target takes", _SAID),
    Link("count", count.build, "per attempt: only a target can say whether it counts", _TOKENS),
    Link("convert", convert.build, "per attempt, around cost: what a vendor charges for is what it spoke", _SPEECH),
    Link("playtime", playtime.build, "per attempt, inside convert: hears what the vendor itself has spoken", _SPEECH),
    Link("cost", cost.build, "per attempt: what a failed attempt used was used", _PAID),
)


def links_for(
    operation: Operation, route: Route, config: Config, services: Services
) -> Iterator[tuple[str, Middleware | None]]:
    """Yield each link of ORDER by its name with what a route has of it; None where it does without.

    Inside a pipeline all links stand that any of its steps passes, each for the operations that it is for.
    """
    is_inside = False
    for link in ORDER:
        is_own = operation in link.is_for and (route.live is None or link.name in LIVE)
        built = link.build(route, config, services) if is_own or is_inside else None
        yield link.name, built if is_own or built is None else Within(built, link.is_for)
        is_inside = is_inside or (operation == "pipeline" and link.name == "pipeline")


class Within:
    """A link that stands in a chain of several operations, and lets those pass that it is not for."""

    def __init__(self, link: Middleware, is_for: frozenset[Operation]) -> None:
        self._link = link
        self._is_for = is_for

    async def __call__(self, call: Call, handler: Handler) -> Reply:
        return await (self._link(call, handler) if call.operation in self._is_for else handler(call))
