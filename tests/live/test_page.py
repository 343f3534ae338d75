"""docs/live-audio.md: its programs print what it says, on the default files, and its table of codes is the code's."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from gateway import errors
from gateway.server.close_codes import code_of
from tests.harness import ROOT, process

PAGE = (ROOT / "docs" / "live-audio.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```.*?^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
async def test_the_programs_of_the_page_print_what_it_says(tmp_path: Path) -> None:
    providers, routes = ((ROOT / name).read_text() for name in ("providers.yaml", "routes.yaml"))
    async with process(tmp_path, providers, routes, {"GATEWAY_LISTEN": "127.0.0.1:0"}) as gateway:
        assert len(PROGRAMS) == 2
        for program, printed in PROGRAMS:
            assert await run(sys.executable, "-c", program.replace("http://127.0.0.1:8001", gateway.url)) == printed


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0, command
    return out.decode()


def codes() -> list[tuple[str, int]]:
    """Return each error that the table of the client's codes names, with its code."""
    rows = re.findall(r"^\| (1\d\d\d) \| (.*) \|$", PAGE.partition("And what the vendor gets")[0], re.MULTILINE)
    return [(name, int(code)) for code, text in rows for name in re.findall(r"`([A-Z]\w+)`", text)]


@pytest.mark.parametrize(("name", "code"), codes())
def test_the_table_of_codes_is_the_codes(name: str, code: int) -> None:
    error: errors.GatewayError = getattr(errors, name)("why")
    assert code_of(error) == code


def test_what_has_no_row_is_the_gateways_own_fault() -> None:
    assert code_of(errors.GatewayError("why")) == 1011
    assert {code for _, code in codes()} == {1001, 1003, 1008, 1009, 1013, 1014}
