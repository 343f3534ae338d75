"""`reload`, `diff`, `rollback`, `healthcheck` against a gateway that runs: what they say, do, and exit with."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from gateway.config.files import find_files
from gateway.config.runtime import folders, own_folder, sockets
from tests.cli.calling import call, called
from tests.harness import ROOT, ROUTES, SANDBOX, Process, process

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "one two three"}]}
OTHER = SANDBOX + "      other: {operation: chat}\n"
TO_OTHER = ROUTES.replace("[sandbox/chat]", "[sandbox/other, sandbox/chat]")
FAULTY = ROUTES.replace("sandbox/chat", "sandbox/chatt")
MANY = "chat: sandbox/chat → sandbox/other first"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Process]:
    async with process(tmp_path, OTHER) as running:
        yield running


async def served_by(gateway: Process) -> str:
    async with aiohttp.ClientSession() as http, http.post(gateway.url + "/v1/chat/completions", json=CHAT) as answer:
        return str((await answer.json())["model"])


async def test_diff_says_in_words_what_reload_then_does(gateway: Process) -> None:
    same = await called("diff", gateway.folder)
    assert (same.status, same.out) == (0, "")

    gateway.write(routes=TO_OTHER)
    told = await called("diff", gateway.folder)
    assert (told.status, told.lines) == (1, [f"model {MANY}"])
    assert await served_by(gateway) == "chat"

    done = await called("reload", gateway.folder)
    assert done.status == 0
    assert done.lines[0] == f"  model {MANY}"
    assert re.fullmatch(r"applied: configuration 2-[0-9a-f]{8} serves \(gateway \d+\)", done.lines[1])
    assert await served_by(gateway) == "other"
    assert (await called("diff", gateway.folder)).status == 0
    assert (await called("reload", gateway.folder)).lines[0] == "  nothing changed"


async def test_files_that_are_faulty_are_refused_with_their_places(gateway: Process) -> None:
    gateway.write(routes=FAULTY)
    told = await called("diff", gateway.folder)
    assert told.status == 2
    done = await called("reload", gateway.folder)
    assert done.status == 1
    for lines in (told.lines, done.lines):
        assert re.match(r".*routes\.yaml:6:37: .*'chatt'.*did you mean 'chat'", lines[0]), lines
        assert lines[-1].startswith("refused: ")
    assert await served_by(gateway) == "chat"
    in_json = (await called("reload", gateway.folder, "--json")).json["gateways"][0]
    assert (in_json["is_sound"], in_json["problems"][0]["line"]) == (False, 6)


async def test_rollback_serves_as_before_until_the_files_are_read_again(gateway: Process) -> None:
    assert (await called("rollback", gateway.folder)).status == 1
    gateway.write(routes=TO_OTHER)
    assert (await called("reload", gateway.folder)).status == 0
    back = await called("rollback", gateway.folder)
    assert back.status == 0
    assert back.lines[0] == "  model chat: sandbox/other → sandbox/chat first; no longer by sandbox/other"
    assert back.lines[1].startswith("rolled back: configuration 3-")
    assert await served_by(gateway) == "chat"
    assert (await called("diff", gateway.folder)).status == 1  # the files are as they were

    history = (await called("rollback", gateway.folder, "--list", "--json")).json["gateways"][0]["history"]
    assert [(one["how"], one["is_current"]) for one in history] == [("rollback", True), ("reload", False)]
    forward = await called("rollback", gateway.folder, "--to", history[1]["generation"])
    assert forward.status == 0
    assert await served_by(gateway) == "other"
    unknown = await called("rollback", gateway.folder, "--to", "9-00000000")
    assert unknown.status == 1
    assert "is not in the history" in unknown.err
    listed = (await called("rollback", gateway.folder, "--list")).lines
    assert [line[0] for line in listed if "rollback" in line] == [" ", "*"]


async def test_going_back_twice_goes_back_two(gateway: Process) -> None:
    for text in (TO_OTHER, ROUTES.replace("[sandbox/chat]", "[sandbox/chat, sandbox/other]")):
        gateway.write(routes=text)
        assert (await called("reload", gateway.folder)).status == 0
    assert await served_by(gateway) == "chat"
    assert (await called("rollback", gateway.folder)).status == 0
    assert await served_by(gateway) == "other"
    assert (await called("rollback", gateway.folder)).status == 0
    assert await served_by(gateway) == "chat"
    assert (await called("rollback", gateway.folder)).status == 1


@pytest.mark.slow
async def test_the_last_four_are_kept(gateway: Process) -> None:
    for number in range(7):
        gateway.write(routes=ROUTES + f"# {number}\n")
        assert (await called("reload", gateway.folder)).status == 0
    history = (await called("rollback", gateway.folder, "--list", "--json")).json["gateways"][0]["history"]
    assert [one["generation"].split("-")[0] for one in history] == ["5", "6", "7", "8"]


@pytest.mark.slow
async def test_sighup_and_reload_at_once_end_on_the_files(gateway: Process) -> None:
    gateway.write(routes=TO_OTHER)
    for _ in range(5):
        gateway.process.send_signal(signal.SIGHUP)
    statuses = await asyncio.gather(*(child(gateway, "reload") for _ in range(4)))
    assert statuses == [0, 0, 0, 0]
    assert await served_by(gateway) == "other"


async def child(gateway: Process, *arguments: str) -> int:
    """Run a command in a process of its own, as an operator does."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, str(gateway.folder),
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await started.communicate()
    assert started.returncode is not None
    return started.returncode


# ---------------------------------------------------------------- finding it


def test_where_no_gateway_runs_the_remedy_is_named(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    for command, status in (("reload", 69), ("rollback", 69), ("diff", 2)):
        done = call(command, tmp_path)
        assert (done.status, done.out) == (status, "")
        assert "no gateway runs on" in done.err
        assert "start it (gateway run)" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/nowhere/at/all"], "there is no such folder"),
        (["--url", "nonsense"], "is no address"),
        (["--url", "http://me:secret@127.0.0.1:1"], "takes no user and password"),
        (["--url", "http://127.0.0.1:99999999"], "port"),
        (["--url", "http://127.0.0.1:1"], "takes an admin key"),
        (["--url", "http://127.0.0.1:1", "--pid", "5"], "are for one on this machine"),
    ],
)
def test_misuse_is_told(arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_ADMIN_KEY", raising=False)
    if "99999999" in arguments[-1]:
        monkeypatch.setenv("GATEWAY_ADMIN_KEY", "canary")
    done = call("reload", *arguments)
    assert done.status == 64
    assert message in done.err
    assert "secret" not in done.err


@pytest.mark.slow
async def test_several_on_the_same_files_are_all_reloaded_and_told_apart_by_pid(gateway: Process) -> None:
    async with process(gateway.folder, OTHER) as second:
        gateway.write(routes=TO_OTHER)
        done = await called("reload", gateway.folder, "--json")
        assert done.status == 0
        assert len(done.json["gateways"]) == 2
        assert [await served_by(one) for one in (gateway, second)] == ["other", "other"]
        unclear = await called("diff", gateway.folder)
        assert (unclear.status, "say which with --pid" in unclear.err) == (2, True)
        assert (await called("diff", gateway.folder, "--pid", second.process.pid)).status == 0
        assert (await called("diff", gateway.folder, "--pid", 1)).status == 2


@pytest.mark.slow
async def test_the_socket_is_its_owners_and_goes_with_the_process(tmp_path: Path) -> None:
    async with process(tmp_path) as gateway:
        files = find_files([tmp_path], {})
        [(pid, path)] = list(sockets(files, os.environ))
        assert pid == gateway.process.pid
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert await gateway.stop() == 0
        assert not path.exists()
    async with process(tmp_path) as gateway:
        gateway.process.kill()
        await gateway.process.wait()
        [(_, left)] = list(sockets(files, os.environ))
        assert (await called("reload", tmp_path)).status == 69  # what was left behind does not answer
    async with process(tmp_path) as gateway:
        assert not left.exists()
        assert (await called("reload", tmp_path)).status == 0


@pytest.mark.slow
async def test_a_folder_that_others_may_write_to_is_not_used_and_the_gateway_serves(tmp_path: Path) -> None:
    session = tmp_path / "run"
    (session / "ai-service-gateway").mkdir(parents=True)
    (session / "ai-service-gateway").chmod(0o777)
    environ = {"XDG_RUNTIME_DIR": str(session), "TMPDIR": str(tmp_path / "missing")}
    assert folders(environ)[-2:][0] == session / "ai-service-gateway"
    async with process(tmp_path, OTHER, ROUTES, {"XDG_RUNTIME_DIR": str(session)}) as gateway:
        assert await served_by(gateway) == "chat"
        assert list((session / "ai-service-gateway").iterdir()) == []
    (session / "ai-service-gateway").chmod(0o700)
    assert own_folder(environ) in (session / "ai-service-gateway", Path("/run/ai-service-gateway"))


async def test_a_gateway_elsewhere_is_asked_with_an_admin_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    routes = ROUTES.replace(
        "keys: {anonymous: loopback}",
        "keys: {static: [{name: ops, tenant: '*', key: canary-static-key-01, role: admin}, "
        "{name: eye, tenant: '*', key: canary-static-key-02, role: operator}]}",
    )
    async with process(tmp_path, OTHER, routes) as gateway:
        monkeypatch.setenv("GATEWAY_ADMIN_KEY", "canary-static-key-01")
        gateway.write(routes=routes.replace("[sandbox/chat]", "[sandbox/other, sandbox/chat]"))
        told = await called("diff", "--url", gateway.url)
        assert (told.status, told.lines) == (1, [f"model {MANY}"])
        (tmp_path / "key").write_text("canary-static-key-02\n")
        refused = await called("reload", "--url", gateway.url, "--key-file", tmp_path / "key")
        assert refused.status == 77
        assert "this takes a key of role 'admin'" in refused.err
        assert (await called("reload", "--url", gateway.url + "/")).status == 0
        assert (await called("diff", "--url", gateway.url)).status == 0
    away = await called("reload", "--url", gateway.url)
    assert away.status == 69
    assert "does not answer: connection refused" in away.err


# ---------------------------------------------------------------- healthcheck and version


async def test_healthcheck_asks_the_one_that_runs(gateway: Process) -> None:
    done = await called("healthcheck", gateway.folder)
    assert (done.status, done.out) == (0, f"ready: {gateway.url}\n")
    assert (await called("healthcheck", "--url", gateway.url, "--json")).json["is_ready"] is True
    await gateway.stop()
    gone = await called("healthcheck", "--url", gateway.url)
    assert (gone.status, "connection refused" in gone.out) == (1, True)


@pytest.mark.slow
async def test_healthcheck_is_1_while_it_stops(tmp_path: Path) -> None:
    slow = SANDBOX + "      slow: {operation: chat, options: {tokens_per_s: 5}}\n"
    async with process(tmp_path, slow, ROUTES) as gateway, aiohttp.ClientSession() as http:
        body = {**CHAT, "model": "sandbox/slow", "stream": True}
        async with http.post(gateway.url + "/v1/chat/completions", json=body) as answer:
            await answer.content.readany()
            gateway.process.terminate()
            await gateway.wait_for_log(lambda line: str(line["message"]).startswith("stopping"))
            assert (await called("healthcheck", "--url", gateway.url)).status == 1


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://", "http://127.0.0.1:port"])
def test_healthcheck_of_no_address_is_misuse(url: str) -> None:
    assert call("healthcheck", "--url", url).status == 64


def test_healthcheck_without_a_gateway_asks_where_the_files_say(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES.replace("127.0.0.1:0", "0.0.0.0:1"))
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    done = call("healthcheck", tmp_path)
    assert (done.status, done.out) == (1, "not ready: http://127.0.0.1:1: connection refused\n")
    (tmp_path / "routes.yaml").write_text("version: [")
    assert call("healthcheck", tmp_path).status == 1


def test_healthcheck_imports_no_server(tmp_path: Path) -> None:
    """It may run every few seconds beside the gateway."""
    code = "import sys, gateway.cli.healthcheck; sys.exit('aiohttp' in sys.modules or 'jsonschema' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_version_names_the_gateway_and_what_it_stands_on() -> None:
    done = call("version")
    assert done.status == 0
    assert re.fullmatch(r"gateway \d+\.\d+\.\d+", done.lines[0])
    assert any(re.fullmatch(r"  aiohttp \d[\d.]*", line) for line in done.lines)
    packages = call("version", "--json").json["packages"]
    assert packages["aiohttp"]["extra"] is None
    assert packages["redis"]["extra"] == "redis"
