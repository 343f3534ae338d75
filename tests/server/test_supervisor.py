"""`server.workers`: several processes on one address that reload together, are replaced, and stop together."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.config.files import find_files
from gateway.config.model import Server
from gateway.config.runtime import sockets
from gateway.server.sockets import bind
from tests.cli.calling import called
from tests.harness import ROUTES, SANDBOX, Process, process
from tests.redis_server import redis_server

CHAT = "/v1/chat/completions"
SLOW = SANDBOX + "      slow: {operation: chat, options: {tokens_per_s: 4}}\n      other: {operation: chat}\n"
WORKERS = 3
SECRET = "k-3f9a8b7c6d5e4f3a2b1c"


def routes(text: str = ROUTES, **server: float) -> str:
    keys = "".join(f", {key}: {value}" for key, value in ({"workers": WORKERS, "shutdown_grace_s": 0} | server).items())
    text = text.replace("models:\n", "models:\n  slow: {operation: chat, targets: [sandbox/slow]}\n", 1)
    return text.replace('"127.0.0.1:0"', f'"127.0.0.1:0"{keys}')


def workers_of(gateway: Process) -> set[int]:
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text()
    return {int(pid) for pid in children.split()}


async def until(condition: Any, within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # what is looked at has no event
            await asyncio.sleep(0.01)


async def ask(gateway: Process, **more: Any) -> tuple[int, str, dict[str, Any]]:
    """Ask by a connection of its own; return status, configuration and answer."""
    body = {"model": "chat", "messages": [{"role": "user", "content": "one two three four"}], **more}
    async with aiohttp.ClientSession() as http, http.post(gateway.url + CHAT, json=body) as response:
        return response.status, response.headers["x-gateway-config"], await response.json()


async def metric(gateway: Process, name: str) -> float:
    async with aiohttp.ClientSession() as http, http.get(gateway.url + "/metrics") as response:
        assert response.status == 200
        found = re.findall(rf"^{re.escape(name)} (\S+)$", await response.text(), re.MULTILINE)
    return float(found[0]) if found else 0.0


async def stream(http: aiohttp.ClientSession, gateway: Process, words: int, begun: asyncio.Event) -> str:
    """Return "whole", or "cut" where the answer ends without its mark."""
    body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "word " * words}]}
    async with http.post(gateway.url + CHAT, json=body) as response:
        begun.set()
        try:
            text = await response.text()
        except aiohttp.ClientError:
            return "cut"
    return "whole" if text.endswith("data: [DONE]\n\n") else "cut"


async def streams(http: aiohttp.ClientSession, gateway: Process, count: int, words: int) -> list[asyncio.Task[str]]:
    begun = [asyncio.Event() for _ in range(count)]
    tasks = [asyncio.create_task(stream(http, gateway, words, each)) for each in begun]
    await asyncio.gather(*(each.wait() for each in begun))
    return tasks


SERVED = 'gateway_requests_total{route="POST /v1/chat/completions",status="200"}'


async def test_all_workers_serve_and_each_tells_the_metrics_of_all(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes()) as gateway:
        assert len(workers_of(gateway)) == WORKERS
        for _ in range(30):
            assert (await ask(gateway))[0] == 200
        for _ in range(6):  # whoever answers
            assert await metric(gateway, SERVED) == 30
            assert await metric(gateway, "gateway_workers") == WORKERS
        assert await gateway.stop() == 0


async def test_a_reload_is_applied_by_all_together_and_counts_once(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes()) as gateway:
        gateway.write(routes=routes(ROUTES.replace("[sandbox/chat]", "[sandbox/other]")))
        gateway.process.send_signal(signal.SIGHUP)
        line = await gateway.wait_for_log(lambda line: f"serves in {WORKERS} workers" in str(line["message"]))
        answers = [await ask(gateway) for _ in range(20)]
        assert {answer["model"] for _, _, answer in answers} == {"other"}
        [generation] = {generation for _, generation, _ in answers}
        assert str(line["message"]).startswith(f"configuration {generation} ")
        assert generation.startswith("2-")
        assert await metric(gateway, 'gateway_config_reloads_total{result="applied"}') == 1
        assert await metric(gateway, "gateway_config_generation") == 2


async def test_a_bad_file_is_refused_once_and_known_to_all(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes()) as gateway:
        gateway.write(routes=routes().replace("[sandbox/chat]", "[sandbox/chatt]"))
        [problem] = await gateway.reload()
        assert "did you mean 'chat'?" in problem
        for _ in range(6):
            assert await metric(gateway, "gateway_config_last_reload_successful") == 0
        assert await metric(gateway, 'gateway_config_reloads_total{result="refused"}') == 1
        assert {(await ask(gateway))[1][:2] for _ in range(10)} == {"1-"}


async def test_sighup_to_a_worker_reloads_all(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes()) as gateway:
        os.kill(min(workers_of(gateway)), signal.SIGHUP)
        await gateway.wait_for_log(lambda line: f"serves in {WORKERS} workers" in str(line["message"]))
        assert {(await ask(gateway))[1][:2] for _ in range(10)} == {"2-"}


async def test_a_killed_worker_is_replaced_with_what_serves_and_the_others_go_on(tmp_path: Path) -> None:
    """The files are broken by then; streams of the others end whole; what was counted stays counted."""
    async with (
        process(tmp_path, SLOW, routes()) as gateway,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        for _ in range(20):
            await ask(gateway)
        assert await metric(gateway, SERVED) == 20
        gateway.write(routes="version: [")
        under_way = await streams(http, gateway, 24, words=8)
        before = workers_of(gateway)
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(workers_of(gateway) - {victim}) == WORKERS)
        outcomes = Counter(await asyncio.gather(*under_way))
        assert outcomes["whole"] >= 24 - outcomes["cut"] > 0
        assert before - {victim} < workers_of(gateway)
        assert {(await ask(gateway))[1][:2] for _ in range(20)} == {"1-"}
        assert await metric(gateway, SERVED) == 40 + outcomes["whole"]
        assert await metric(gateway, "gateway_worker_restarts_total") == 1


@pytest.mark.slow
async def test_who_connects_while_a_worker_is_away_waits_for_the_next(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes()) as gateway:
        for _ in range(5):
            os.kill(min(workers_of(gateway)), signal.SIGKILL)
            with_one_away = await asyncio.gather(*(ask(gateway) for _ in range(12)), return_exceptions=True)
            failed = [each for each in with_one_away if isinstance(each, BaseException)]
            assert len(failed) <= 4, failed  # those that the killed one had accepted
            await until(lambda: len(workers_of(gateway)) == WORKERS)


@pytest.mark.slow
async def test_a_worker_that_is_asked_to_stop_is_replaced_before_its_streams_end(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes()) as gateway, aiohttp.ClientSession() as http:
        under_way = await streams(http, gateway, 12, words=12)
        before = workers_of(gateway)
        os.kill(min(before), signal.SIGTERM)
        await until(lambda: len(workers_of(gateway) - before) == 1)
        for _ in range(20):
            assert (await ask(gateway))[0] == 200
        assert set(await asyncio.gather(*under_way)) == {"whole"}
        await until(lambda: len(workers_of(gateway)) == WORKERS)


@pytest.mark.slow
async def test_sigterm_drains_all_of_them(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes()) as gateway, aiohttp.ClientSession() as http:
        under_way = await streams(http, gateway, 12, words=6)
        gateway.process.terminate()
        assert set(await asyncio.gather(*under_way)) == {"whole"}
        async with asyncio.timeout(10):
            assert await gateway.process.wait() == 0


@pytest.mark.slow
async def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes()) as gateway:
        workers = workers_of(gateway)
        gateway.process.kill()
        await gateway.process.wait()
        await until(lambda: not any(Path(f"/proc/{pid}/fd").exists() and _runs(pid) for pid in workers))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
async def test_an_admins_switch_holds_in_all_of_them_and_in_who_comes_later(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis:
        keyed = routes().replace(
            "keys: {anonymous: loopback}",
            f"keys: {{static: [{{name: boss, key: {SECRET}, role: admin, tenant: '*'}}]}}",
        )
        keyed += f"stores: {{redis_url: '{redis.url}'}}\n"
        async with process(tmp_path, SLOW, keyed) as gateway:
            headers = {"authorization": f"Bearer {SECRET}"}
            async with aiohttp.ClientSession(headers=headers) as http:
                url = gateway.url + "/admin/providers/sandbox/state"
                async with http.put(url, json={"state": "disabled"}) as response:
                    assert response.status == 200, await response.text()

            async def state() -> str:
                async with aiohttp.ClientSession() as http, http.get(gateway.url + "/health") as response:
                    return str((await response.json())["providers"]["sandbox"]["status"])

            seen: list[str] = []
            async with asyncio.timeout(10):
                while seen[-20:] != ["disabled"] * 20:
                    seen.append(await state())
            os.kill(min(workers_of(gateway)), signal.SIGKILL)
            await until(lambda: len(workers_of(gateway)) == WORKERS)
            assert {await state() for _ in range(20)} == {"disabled"}


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 10])
async def test_a_limit_in_redis_is_one_for_all_workers(tmp_path: Path, most: int) -> None:
    async with redis_server(tmp_path) as redis:
        limit = f"limits: {{all: {{per: [], requests: {most}/day, while_away: closed}}}}\n"
        limited = f"{routes()}{limit}stores: {{redis_url: '{redis.url}'}}\n"
        async with process(tmp_path, SLOW, limited, module="tests.proofs.roomy") as gateway:
            answers = await asyncio.gather(*(ask(gateway) for _ in range(most + 20)))
    assert Counter(status for status, _, _ in answers) == {200: most, 429: 20}


@pytest.mark.slow
async def test_commands_reach_all_by_the_first_and_by_who_takes_its_place(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes()) as gateway:
        pid = gateway.process.pid
        gateway.write(routes=routes(ROUTES.replace("[sandbox/chat]", "[sandbox/other]")))
        assert (await called("diff", tmp_path)).status == 1
        assert {(await ask(gateway))[1][:2] for _ in range(10)} == {"1-"}

        done = await called("reload", tmp_path)
        assert done.status == 0
        assert re.fullmatch(rf"applied: configuration 2-[0-9a-f]{{8}} serves \(gateway {pid}\)", done.lines[-1])
        await gateway.wait_for_log(lambda line: f"serves in {WORKERS} workers" in str(line["message"]))
        assert {(await ask(gateway))[1][:2] for _ in range(20)} == {"2-"}

        gateway.write(routes=routes().replace("[sandbox/chat]", "[sandbox/chatt]"))
        refused = await called("reload", tmp_path)
        assert refused.status == 1
        assert "did you mean 'chat'?" in refused.out + refused.err

        back = await called("rollback", tmp_path)
        assert back.status == 1
        assert "put them back, and reload" in back.err

        before = workers_of(gateway)
        for worker in before:
            os.kill(worker, signal.SIGTERM)
        await until(lambda: not workers_of(gateway) & before and len(workers_of(gateway)) == WORKERS)
        gateway.write(routes=routes())
        async with asyncio.timeout(15):
            while (await called("reload", tmp_path)).status != 0:  # the first is being replaced
                await asyncio.sleep(0.1)
        async with asyncio.timeout(15):  # the command returns when the first has applied it
            while len(seen := {(await ask(gateway))[1] for _ in range(20)}) > 1 or min(seen).startswith("2-"):
                await asyncio.sleep(0.1)
    assert list(sockets(find_files([tmp_path], {}), os.environ)) == []


@pytest.mark.slow
async def test_watching_files_reloads_all_of_them(tmp_path: Path) -> None:
    async with process(tmp_path, SLOW, routes(), arguments=["--watch"]) as gateway:
        gateway.write(routes=routes(ROUTES.replace("[sandbox/chat]", "[sandbox/other]")))
        await gateway.wait_for_log(lambda line: f"serves in {WORKERS} workers" in str(line["message"]))
        assert {(await ask(gateway))[1][:2] for _ in range(20)} == {"2-"}


async def test_a_command_beside_them_is_refused(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(routes())
    (tmp_path / "providers.yaml").write_text(SLOW)
    done = await called("run", tmp_path, "--exec", "true")
    assert done.status == 64
    assert "--exec is for one process: set server.workers (WORKERS) to 1" in done.err


async def test_calls_at_once_are_shared_out(tmp_path: Path) -> None:
    """Of 4 calls at once the first of 3 workers has 2, the others 1 each."""
    shared = routes(concurrent=4).replace("concurrent: 4", "concurrent: 4, queue: {max: 0}")
    async with process(tmp_path, SLOW, shared) as gateway:
        assert await metric(gateway, 'gateway_concurrent_limit{limit="server"}') == 4


def test_an_address_that_is_shared_by_others_is_taken_all_the_same() -> None:
    [[first], [second]] = bind(Server(port=0), 2)
    port = first.getsockname()[1]
    assert second.getsockname() == first.getsockname()
    first.listen()
    with pytest.raises(Exception, match=f"cannot listen on 127.0.0.1:{port}: address already in use"):
        bind(Server(port=port), 2)
    for each in (first, second):
        each.close()


async def test_a_start_that_fails_in_a_worker_fails_whole(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_text("no database " * 100)
    async with redis_server(tmp_path) as redis:
        text = routes() + f"stores: {{redis_url: '{redis.url}', database_url: 'sqlite:gateway.db'}}\n"
        began_s = time.monotonic()
        with pytest.raises(AssertionError, match="its exit code is 69"):
            async with process(tmp_path, SLOW, text):
                pass
        assert time.monotonic() - began_s < 15
