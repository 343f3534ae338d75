"""Tells the operator's own endpoint what happened: a JSON body by POST, beside the requests, tried a few times."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from gateway import json
from gateway.errors import GatewayError
from gateway.types import UpstreamRequest
from gateway.upstream.http import HttpTransport

LOGGER = logging.getLogger("gateway")

CONNECT_S = 3.0
TOTAL_S = 10.0  # of one try
PAUSES_S = (1.0, 5.0)  # before the second try and the third, the last
MAX_WAITING = 1_000  # more than this are not news but a flood


class Webhook:
    def __init__(self, transport: HttpTransport) -> None:
        self._send = transport.bind(CONNECT_S)
        self.url = ""  # "": nobody is told
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, message: Mapping[str, Any]) -> None:
        """Have the message sent; returns at once."""
        if not self.url or len(self._tasks) >= MAX_WAITING:
            return
        task = asyncio.create_task(self._deliver(self.url, json.dumps(dict(message))))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, url: str, body: bytes) -> None:
        request = UpstreamRequest("POST", url, {"content-type": "application/json"}, body)
        for pause_s in (*PAUSES_S, None):
            try:
                async with asyncio.timeout(TOTAL_S):
                    response = await self._send(request)
                    await response.close()
                if 200 <= response.status < 300:
                    return
                reason = f"status {response.status}"
            except (GatewayError, TimeoutError, OSError) as error:
                reason = type(error).__name__
            if pause_s is None:
                LOGGER.error("the webhook of alerts did not take a message (%s); it is given up", reason)
                return
            await asyncio.sleep(pause_s)
