"""From which level on this process logs, and changing it without a reload."""

from __future__ import annotations

import logging

from gateway.admin.access import check_every_tenant
from gateway.admin.ask import Answer, Ask
from gateway.telemetry.logs import level_now, set_level

LOGGER = logging.getLogger("gateway")


async def show_log_level(ask: Ask) -> Answer:
    return {"level": level_now(), "configured": ask.snapshot.config.server.log_level}


async def set_log_level(ask: Ask) -> Answer:
    check_every_tenant(ask.client)
    level = ask.body["level"] or ask.snapshot.config.server.log_level
    set_level("warning")  # so that the log says why it ends
    LOGGER.warning("what is logged is %s and what is graver, by %s", level, ask.client.name)
    set_level(level)
    return await show_log_level(ask)
