"""The breakers of all targets, and letting a target that is ejected be asked again at once: in this process."""

from __future__ import annotations

import logging

from gateway.admin.access import check_every_tenant
from gateway.admin.ask import Answer, Ask
from gateway.config.names import unknown
from gateway.errors import NotFound
from gateway.stores.breakers.facts import facts

LOGGER = logging.getLogger("gateway")


async def list_breakers(ask: Ask) -> Answer:
    breakers = ask.services.breakers
    return {"breakers": [facts(name, breaker, breakers.now_s()) for name, breaker in breakers.all().items()]}


async def reset_breaker(ask: Ask) -> Answer:
    check_every_tenant(ask.client)
    name, breakers = ask.body["target"], ask.services.breakers
    if not breakers.reset(name):
        raise NotFound(f"there is no breaker of {name!r}{unknown(name, breakers.all())}", param="target")
    LOGGER.warning("breaker of %s is reset, by %s", name, ask.client.name)
    return facts(name, breakers.all()[name], breakers.now_s())
