from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.harness import inside
from tests.prompts.setting import Setup, Vendor, files, write


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    it = Vendor()
    runner = web.ServerRunner(web.Server(it.handle, handler_cancellation=True))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield it
    await runner.cleanup()


@pytest.fixture
async def setup(tmp_path: Path, vendor: Vendor) -> AsyncIterator[Setup]:
    write(tmp_path)
    async with inside(tmp_path, *files(vendor.url)) as gateway, aiohttp.ClientSession(gateway.url) as http:
        yield Setup(gateway, http, vendor)
