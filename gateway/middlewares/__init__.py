"""The links of the chain. Their order is a literal with reasons, because a wrong order is a security bug."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.config.model import Config, Route
from gateway.middlewares import auth, cache, capability, convert, cost, count, failover, prompt, quota, recall
from gateway.services import Services
from gateway.types import Middleware, Operation


@dataclass(frozen=True, slots=True)
class Link:
    """One place in the chain. `build` returns None where a route does without it."""

    name: str
    build: Callable[[Route, Config, Services], Middleware | None]
    reason: str
    is_for: frozenset[Operation] = frozenset({"chat", "embeddings", "speech", "transcription"})


_ALL = frozenset[Operation]({"chat", "embeddings", "speech", "transcription", "models", "voices", "tokens", "proxy"})
_TRIED = frozenset[Operation]({"chat", "embeddings", "speech", "transcription", "tokens", "proxy"})
_PAID = frozenset[Operation]({"chat", "embeddings", "speech", "transcription", "proxy"})
_CHAT = frozenset[Operation]({"chat"})
_SPEECH = frozenset[Operation]({"speech"})
_SAID = _CHAT | _SPEECH
_TOKENS = frozenset[Operation]({"tokens"})

ORDER: tuple[Link, ...] = (
    Link("auth", auth.build, "first: everything after it is decided for a client", _ALL),
    Link("quota", quota.build, "before the cache: a stranger's flood of hits is a flood too", _ALL),
    Link("cache", cache.build, "before failover: an answer that is there needs no target"),
    Link("prompt", prompt.build, "inside the cache, around failover: each of a prompt's chats finds its target", _CHAT),
    Link("failover", failover.build, "chooses the target, so all that is per target stands inside it", _TRIED),
    Link("recall", recall.build, "per attempt: what a target thought goes back to that target alone", _CHAT),
    Link("capability", capability.build, "per attempt, after recall: sends what this target takes", _SAID),
    Link("count", count.build, "per attempt: only a target can say whether it counts", _TOKENS),
    Link("convert", convert.build, "per attempt, around cost: what a vendor charges for is what it spoke", _SPEECH),
    Link("cost", cost.build, "per attempt: what a failed attempt used was used", _PAID),
)
