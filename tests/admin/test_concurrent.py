"""What runs and waits at each limit on calls at once is seen by an operator."""

from __future__ import annotations

from pathlib import Path

from tests.admin.house import WITH_LEDGER, open_house
from tests.harness import SANDBOX


async def test_limits_on_calls_at_once_are_shown(tmp_path: Path) -> None:
    routes = WITH_LEDGER.replace('"127.0.0.1:0"', '"127.0.0.1:0", concurrent: {adaptive: true, min: 3, max: 9}')
    providers = SANDBOX.replace("plugin: sandbox", "plugin: sandbox\n    limits: {concurrent: 4, queue: {max: 1}}")
    async with open_house(tmp_path, routes, providers) as house:
        slot = await house.gateway.services.slots.limited()[1].take("acme")
        status, answer = await house.ask("GET", "/admin/limits", "watcher")
        slot.release()
        config = (await house.ask("GET", "/admin/config", "watcher"))[1]
    none = {"full": 0, "displaced": 0, "too_long": 0, "deadline": 0}
    server = {"limit": "server", "running": 0, "limit_now": 9, "min": 3, "max": 9, "waiting": 0, "queue": 100}
    sandbox = {"limit": "sandbox/*", "running": 1, "limit_now": 4, "min": None, "max": 4, "waiting": 0, "queue": 1}
    assert status == 200
    assert answer["concurrent"] == [
        {**server, "max_wait_s": 5.0, "refused": none},
        {**sandbox, "max_wait_s": 5.0, "refused": none},
    ]
    assert config["server"]["concurrency"]["min"] == 3
    assert config["providers"]["sandbox"]["concurrency"]["queue"] == 1
    assert config["providers"]["sandbox"]["models"]["chat"]["concurrency"] is None
