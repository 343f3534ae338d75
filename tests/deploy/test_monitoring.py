"""Dashboards and alerts: what the script writes, of every family there is, and a real Prometheus answers each query."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from scripts.monitoring.families import families
from scripts.monitoring.files import files
from scripts.monitoring.grafana import COLUMNS, queries
from scripts.monitoring.panels import DASHBOARDS, NOT_SHOWN
from tests.deploy.given import DEPLOY
from tests.deploy.watched import PROVIDERS, ROUTES, WORKERS_PROVIDERS, WORKERS_ROUTES, prometheus, traffic
from tests.harness import ROOT, process
from tests.redis_server import redis_server
from tests.vendors.openai import API_KEY, OpenAIServer

BOARDS = {path.name: json.loads(path.read_text()) for path in sorted((DEPLOY / "grafana" / "dashboards").iterdir())}
NO_SERIES: dict[str, str] = {}  # "dashboard: panel" whose queries may have none, with the reason


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_every_generated_file_is_what_the_script_writes() -> None:
    wrong = [name for name, text in files().items() if not (ROOT / name).exists() or (ROOT / name).read_text() != text]
    assert wrong == [], "metrics, panels or alerts have changed: make dashboards"
    assert {f"deploy/grafana/dashboards/{name}" for name in BOARDS} <= set(files()), "nobody writes this one"


def test_every_family_that_is_made_is_known_to_the_script() -> None:
    """Some come only in some configurations, so that they are looked up in the code that makes them."""
    code = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))
    made = re.findall(r'(?:Counter|Gauge|Histogram|Info|family|counter|histogram)[A-Za-z]*\(\s*"(g[a-z_]+)"', code)
    assert len(set(made)) > 35, "the pattern finds what there is"
    assert set(made) <= set(families()), "a new kind of collector: tell scripts/monitoring/families.py"


def test_every_family_is_on_a_dashboard_or_has_a_reason_not_to_be() -> None:
    known = families()
    shown = {
        name
        for board in DASHBOARDS
        for _, row in board.rows
        for panel in row
        for query in queries(panel, known)
        for name in query.families
    }
    assert set(known) - shown == set(NOT_SHOWN)


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_a_dashboard_is_one_that_grafana_lays_out(board: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,40}", board["uid"])
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    variables = {each["name"] for each in board["templating"]["list"]}
    for panel in panels(board):
        assert panel["description"], panel["title"]
        for target in panel["targets"]:
            assert set(re.findall(r"\$([a-z]+)\b", target["expr"])) <= variables
            assert "$job" in target["expr"]
            assert "$instance" in target["expr"]


def test_dashboards_are_told_apart() -> None:
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS) == len(DASHBOARDS)
    assert len({board["title"] for board in BOARDS.values()}) == len(BOARDS)


def as_grafana_asks(expr: str) -> str:
    """Return the query with what Grafana puts into the places of its variables."""
    for name, value in (("$job", ".*"), ("$instance", ".*"), ("$__rate_interval", "1m"), ("$__range", "1m")):
        expr = expr.replace(name, value)
    assert "$" not in expr
    return expr


@pytest.mark.slow
async def test_a_real_prometheus_answers_every_query_of_every_panel_and_takes_every_alert(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "workers", "prometheus")]
    for folder in folders:
        folder.mkdir()
    one, workers, own = folders
    async with OpenAIServer() as vendor, redis_server(tmp_path) as redis:
        providers = PROVIDERS.replace("VENDOR", vendor.base_url).replace("API_KEY", API_KEY)
        async with (
            process(one, providers, ROUTES.replace("REDIS", redis.url)) as gateway,
            process(workers, WORKERS_PROVIDERS, WORKERS_ROUTES) as other,
            prometheus(own, [gateway, other]) as watching,
            aiohttp.ClientSession(gateway.url) as client,
        ):
            await traffic(client, other.url)  # a counter's first value says nothing of a rate
            await watching.scraped(2)  # the first may have begun before
            assert await traffic(client, other.url) == {200, 429, 503}
            assert await gateway.reload() == []
            await watching.scraped(2)

            empty = []
            for name, board in BOARDS.items():
                for panel in panels(board):
                    for target in panel["targets"]:
                        answer = await watching.query(as_grafana_asks(target["expr"]))
                        assert answer["status"] == "success", (name, panel["title"], answer)
                        if not answer["data"]["result"]:
                            empty.append(f"{name}: {panel['title']}")
            assert sorted(empty) == sorted(NO_SERIES), "\n".join(empty)
            for rule in await watching.rules():
                assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule
                assert (await watching.query(rule["query"]))["status"] == "success"
            assert len(await watching.rules()) == 19
            assert (await watching.query("gateway_no_such_family"))["data"]["result"] == []
