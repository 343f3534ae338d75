"""What the page on long texts shows works as it is pasted."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.harness import ROOT, process

PAGE = (ROOT / "docs" / "long-audio.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


async def test_every_line_of_the_page_shows_what_it_is_about(tmp_path: Path) -> None:
    providers, routes, _ = blocks("yaml")
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    listen = 'version: 1\nserver: {listen: "127.0.0.1:0"}'
    async with process(tmp_path, providers, routes.replace("version: 1", listen, 1)) as gateway:

        async def run(line: str) -> str:
            command = line.replace("http://127.0.0.1:8001", gateway.url).replace("curl ", "curl --silent ")
            shell = await asyncio.create_subprocess_exec(
                "bash", "-euo", "pipefail", "-c", command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await shell.communicate()
            assert shell.returncode == 0, line
            return out.decode()

        whole, refused = await asyncio.gather(*(run(line) for line in lines))
    assert "x-gateway-parts: 3\r\n" in whole
    assert (tmp_path / "long.wav").read_bytes()[:4] == b"RIFF"
    assert refused.startswith("HTTP/1.1 400")
    assert "takes at most 120 characters" in refused
