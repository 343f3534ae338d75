"""How many tokens would this be? The vendor says, where it counts; for others the gateway estimates."""

from __future__ import annotations

from collections.abc import AsyncIterator

from gateway.config.model import Config, Route
from gateway.middlewares.estimate import input_tokens
from gateway.services import Services
from gateway.types import Call, Chat, Done, Event, Handler, Middleware, Reply, TokenCount


def build(route: Route, config: Config, services: Services) -> Middleware | None:
    return count


async def count(call: Call, handler: Handler) -> Reply:
    """Pass a call on to a target that counts, else answer it. A count costs nothing: no vendor charges for it."""
    if call.target is None or not isinstance(call.body, Chat):
        raise RuntimeError("failover chooses the target before the count, and only a chat's input is counted")
    if call.operation in call.target.provider.plugin.operations():
        return await handler(call)
    return Reply(_estimate(call.body))


async def _estimate(chat: Chat) -> AsyncIterator[Event]:
    yield TokenCount(input_tokens(chat), is_estimated=True)
    yield Done()
