"""Files that change are read again: whatever way they change, once they stand still, and only where content differs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.config.files import Files
from gateway.config.load import load
from gateway.config.model import Config
from gateway.server.follow import Follower
from tests.harness import ROUTES, SANDBOX, process

POLL_S = 0.02
OTHER = SANDBOX + "      other: {operation: chat}\n"
WAIT_S = 15.0


@dataclass
class Following:
    """A follower in this loop, and how often it asked for a reload, which is done at once as the gateway does."""

    folder: Path
    config: Config
    requests: int = 0

    def request(self) -> None:
        self.requests += 1
        self.config = load(self.folder, {})

    async def asked(self, count: int) -> None:
        async with asyncio.timeout(WAIT_S):
            while self.requests < count:
                await asyncio.sleep(POLL_S / 2)
        await self.quiet()
        assert self.requests == count

    async def quiet(self) -> None:
        """Wait so long that a change would have been seen and asked for."""
        await asyncio.sleep(POLL_S * 5)


@asynccontextmanager
async def following(folder: Path) -> AsyncIterator[Following]:
    state = Following(folder, load(folder, {}))
    follower = Follower(Files(folder / "routes.yaml", folder / "providers.yaml"), POLL_S)
    task = asyncio.create_task(follower.run(lambda: state.config, state.request))
    await state.quiet()
    try:
        yield state
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text("def MIDDLEWARE(options):\n    return lambda c, h: h(c)\n")
    (tmp_path / "secret").write_text("sqlite:one.db")
    (tmp_path / "providers.yaml").write_text(OTHER)
    stores = 'include: ["more-*.yaml"]\nstores: {database_url: "${file:secret}"}\n'
    (tmp_path / "routes.yaml").write_text(ROUTES.replace("version: 1\n", "version: 1\n" + stores, 1))
    (tmp_path / "more-1.yaml").write_text("models: {more: {operation: chat, targets: [sandbox/chat]}}\n")
    return tmp_path


def _replace(path: Path, text: str) -> None:
    (path.parent / "new").write_text(text)
    (path.parent / "new").rename(path)


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


CHANGES: list[tuple[str, Callable[[Path], object]]] = [
    ("written in place", lambda folder: _append(folder / "routes.yaml", "# more\n")),
    ("replaced by another file", lambda folder: _replace(folder / "providers.yaml", OTHER + "# more\n")),
    ("an included file", lambda folder: _append(folder / "more-1.yaml", "# more\n")),
    ("another file that an include finds", lambda folder: (folder / "more-2.yaml").write_text("version: 1\n")),
    (".env", lambda folder: (folder / ".env").write_text("X=1\n")),
    ("a plugin", lambda folder: _append(folder / "plugins" / "mine.py", "# more\n")),
    ("a secret's file", lambda folder: (folder / "secret").write_text("sqlite:two.db")),
]


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[name for name, _ in CHANGES])
async def test_a_change_asks_for_one_reload(folder: Path, change: Callable[[Path], object]) -> None:
    async with following(folder) as state:
        change(folder)
        await state.asked(1)


async def test_what_stays_the_same_asks_for_none(folder: Path) -> None:
    async with following(folder) as state:
        os.utime(folder / "routes.yaml")
        _replace(folder / "providers.yaml", OTHER)
        (folder / "notes.txt").write_text("nobody reads this")
        await state.quiet()
        assert state.requests == 0
        _append(folder / "routes.yaml", "# more\n")
        await state.asked(1)


async def test_files_that_are_being_written_are_waited_for(folder: Path) -> None:
    async with following(folder) as state:
        for number in range(20):
            _append(folder / "routes.yaml", f"# {number}\n")
            await asyncio.sleep(POLL_S / 4)
        async with asyncio.timeout(WAIT_S):
            while state.config.digest != load(folder, {}).digest:
                await asyncio.sleep(POLL_S)
        assert 1 <= state.requests < 20


async def test_a_file_that_is_gone_for_a_while_is_followed_again(folder: Path) -> None:
    async with following(folder) as state:
        text = (folder / "more-1.yaml").read_text()
        (folder / "more-1.yaml").unlink()
        await state.asked(1)
        (folder / "more-1.yaml").write_text(text)
        await state.asked(2)


@pytest.mark.slow
async def test_run_watch_survives_the_swaps_of_a_configmap(tmp_path: Path) -> None:
    """Kubernetes puts files into a folder of its own, links `..data` to it, and swaps that link in one step."""
    (tmp_path / "..v1").mkdir()
    (tmp_path / "..data").symlink_to("..v1")
    for name in ("routes.yaml", "providers.yaml"):
        (tmp_path / "..v1" / name).touch()
        (tmp_path / name).symlink_to(f"..data/{name}")
    async with (
        process(tmp_path, OTHER, ROUTES, arguments=["--watch"]) as gateway,
        aiohttp.ClientSession(gateway.url) as http,
    ):

        async def swap(number: int, routes: str) -> None:
            folder = tmp_path / f"..v{number}"
            folder.mkdir()
            (folder / "routes.yaml").write_text(routes)
            (folder / "providers.yaml").write_text(OTHER)
            (tmp_path / "..data_tmp").symlink_to(folder.name)
            (tmp_path / "..data_tmp").rename(tmp_path / "..data")
            for old in (tmp_path / f"..v{number - 1}").iterdir():
                old.unlink()
            (tmp_path / f"..v{number - 1}").rmdir()

        async def served_by() -> tuple[str, str]:
            body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
            async with http.post("/v1/chat/completions", json=body) as answer:
                return answer.headers["x-gateway-model"], answer.headers["x-gateway-config"].split("-")[0]

        assert await served_by() == ("chat", "1")
        await swap(2, ROUTES.replace("sandbox/chat", "sandbox/other"))
        await gateway.wait_for_log(lambda line: "reload applied" in str(line["message"]))
        assert await served_by() == ("other", "2")
        await swap(3, ROUTES.replace("sandbox/chat", "sandbox/faulty"))
        await gateway.wait_for_log(lambda line: "serves on" in str(line["message"]))
        assert await served_by() == ("other", "2")
        start = len(gateway.log)
        await swap(4, ROUTES)
        await gateway.wait_for_log(lambda line: "reload applied" in str(line["message"]), start)
        assert await served_by() == ("chat", "3")
        assert await gateway.stop() == 0
