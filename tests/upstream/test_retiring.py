"""A reload that drops or changes a local provider lets its subprocesses finish what they began, then ends them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from tests.harness import ROUTES, SANDBOX, process

WORKER = """
import time
def work(request, payload):
    yield {"status": 200, "headers": {}}
    for _ in range(10):
        time.sleep(0.05)
        yield b"x" * 100
"""

PLUGIN = """
from gateway.plugin import Worker
from gateway.errors import UpstreamUnavailable
from gateway.types import AudioChunk, AudioFormat, Done, UpstreamRequest
from pathlib import Path

class Slow:
    options_schema = {"type": "object", "properties": {"workers": {"type": "integer"}}}
    credentials = ()
    default_base_url = ""
    backend = Worker(str(Path(__file__).with_name("_slow_worker.py")))
    wire = {}
    default_voices = {"nova": "one"}
    def operations(self): return frozenset({"speech"})
    def refusal(self, call, target): return None
    def build(self, call, target): return UpstreamRequest("POST", "local:/speak", {}, b"{}")
    async def parse(self, call, response):
        async for chunk in response.chunks:
            yield AudioChunk(chunk, AudioFormat("pcm", "audio/pcm", 24000))
        yield Done()
    def parse_error(self, status, headers, body): return UpstreamUnavailable("no")
    def sign(self, request, target): return request

PLUGIN = Slow()
"""

SPEAK = {"voice": "nova", "input": "x", "response_format": "pcm"}


def workers_of(pid: int) -> list[str]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for child in children if b"_slow_worker" in Path(f"/proc/{child}/cmdline").read_bytes()]


async def test_a_dropped_providers_answer_is_finished_before_its_process_ends(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "slow.py").write_text(PLUGIN)
    (tmp_path / "plugins" / "_slow_worker.py").write_text(WORKER)
    with_slow = SANDBOX + "  slow:\n    plugin: slow\n    models: {one: {operation: speech}}\n"
    async with (
        process(tmp_path, with_slow, ROUTES.replace("[sandbox/speech]", "[slow/one]")) as gateway,
        aiohttp.ClientSession() as http,
    ):
        async with http.post(gateway.url + "/v1/audio/speech", json=SPEAK) as response:
            assert response.status == 200, await response.text()
            assert len(workers_of(gateway.process.pid)) == 1
            gateway.write(providers=SANDBOX, routes=ROUTES)
            assert await gateway.reload() == []
            assert len(await response.read()) == 1000
        for _ in range(100):
            if not workers_of(gateway.process.pid):
                break
            await asyncio.sleep(0.02)
        assert workers_of(gateway.process.pid) == []
