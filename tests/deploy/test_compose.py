"""deploy/compose: it is what Compose reads, nothing it mounts is missing, and its configuration uses its stores."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from jsonschema import Draft202012Validator

from gateway.config.model import Config
from tests.deploy.given import DEPLOY, longest_call_s, make_secrets, secrets_named, stop_s, texts
from tests.harness import ROOT, process
from tests.postgres_server import PostgresServer
from tests.redis_server import redis_server

COMPOSE = DEPLOY / "compose" / "compose.yaml"
# github.com/compose-spec/compose-go v2.16.2 (2026-10-21), schema/compose-spec.json; Apache-2.0.
SCHEMA = json.loads((Path(__file__).parent / "compose-spec.json").read_text())


def line_of_the_page() -> str:
    """Return the only line of docs/deploy.md that asks the gateway."""
    (line,) = re.findall(r"^curl .*$", (ROOT / "docs" / "deploy.md").read_text(), re.MULTILINE)
    return str(line)


async def typed(line: str) -> str:
    """Run a line in a shell, and return what it says."""
    shell = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", f"{line} --silent", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await shell.communicate()
    assert shell.returncode == 0, line
    return out.decode()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


def seconds(text: str) -> int:
    return int(re.fullmatch(r"(\d+)s", text)[1])  # type: ignore[index] # another unit fails here, as it should


def test_it_is_what_the_specification_says(compose: dict[str, Any]) -> None:
    validator = Draft202012Validator(SCHEMA)
    assert [error.message for error in validator.iter_errors(compose)] == []
    compose["services"]["gateway"]["prots"] = []
    assert ["prots" in error.message for error in validator.iter_errors(compose)] == [True]
    del compose["services"]["gateway"]["prots"]


def test_everything_that_it_mounts_and_builds_from_is_there(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            if isinstance(volume, dict):
                assert (COMPOSE.parent / volume["source"]).exists(), (name, volume)
                assert volume["read_only"], (name, volume)
            else:
                assert volume.partition(":")[0] in compose["volumes"], (name, volume)
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("depends_on", [])) <= set(compose["services"])
        assert "no-new-privileges:true" in service["security_opt"]
    build = compose["services"]["gateway"]["build"]
    assert (COMPOSE.parent / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "docker" / "Dockerfile"


def test_only_this_machine_reaches_what_is_published_and_only_the_gateway_the_stores(compose: dict[str, Any]) -> None:
    services = compose["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == [f"127.0.0.1:{port}:{port}" for port in (8001, 9090, 3000)]
    assert compose["networks"]["stores"] == {"internal": True}
    assert [name for name, service in services.items() if "stores" in service["networks"]] == [
        "gateway",
        "redis",
        "postgres",
    ]


def test_each_secret_is_made_mounted_and_read(tmp_path: Path, compose: dict[str, Any]) -> None:
    made = {path.name for path in make_secrets(tmp_path).iterdir()}
    assert made == set(compose["secrets"])
    assert {each["file"] for each in compose["secrets"].values()} == {f"secrets/{name}" for name in made}
    assert set(compose["services"]["gateway"]["secrets"]) == secrets_named()
    assert made == {name for service in compose["services"].values() for name in service.get("secrets", [])}


def test_secrets_are_chosen_by_nobody_kept_when_made_again_and_closed_to_others(tmp_path: Path) -> None:
    folder = make_secrets(tmp_path)
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert re.fullmatch(r"web:[0-9a-f]{48}", before["api_keys"])
    assert before["postgres_password"] in before["database_url"]
    assert before["redis_password"] in before["redis_url"]
    assert before["redis_password"] != before["postgres_password"]
    make_secrets(tmp_path)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
    assert "/deploy/compose/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_no_call_is_cut_by_a_stop(compose: dict[str, Any], deployed: Config) -> None:
    assert deployed.server.shutdown_s >= longest_call_s(deployed)
    assert seconds(compose["services"]["gateway"]["stop_grace_period"]) >= stop_s(deployed)


def test_what_is_scraped_and_shown_is_what_runs(compose: dict[str, Any]) -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    (look_up,) = scraped["scrape_configs"][0]["dns_sd_configs"]
    assert (look_up["names"], look_up["port"]) == (["gateway"], 8001)
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/gateway.yaml").read_text())["providers"][0]
    mounts = {
        each["target"]: each["source"] for each in compose["services"]["grafana"]["volumes"] if isinstance(each, dict)
    }
    assert mounts[provider["options"]["path"]] == "../grafana/dashboards"
    assert mounts["/etc/grafana/provisioning"] == "../grafana/provisioning"


@pytest.mark.slow
async def test_its_configuration_serves_with_limits_in_redis_and_a_ledger_in_postgresql(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    secrets = make_secrets(tmp_path)
    key = (secrets / "api_keys").read_text().removeprefix("web:")
    async with redis_server(tmp_path) as redis:
        for name, url in (("redis_url", redis.url), ("database_url", postgres.new_database())):
            (secrets / name).write_text(url)
        providers, routes = texts(secrets)
        routes = routes.replace("0.0.0.0:8001", "127.0.0.1:0")
        async with process(tmp_path, providers, routes) as gateway, aiohttp.ClientSession(gateway.url) as client:
            body = {"model": "fast", "messages": [{"role": "user", "content": "hello"}]}
            refused = await client.post("/v1/chat/completions", json=body)
            assert refused.status == 401
            for cached in ("miss", "hit"):
                answer = await client.post(
                    "/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}
                )
                assert (answer.status, answer.headers["x-gateway-cache"]) == (200, cached), await answer.text()
            said = await typed(line_of_the_page().replace("$KEY", key).replace("http://127.0.0.1:8001", gateway.url))
            assert json.loads(said)["choices"][0]["message"]["content"], said
            metrics = await (await client.get("/metrics")).text()
            assert "\ngateway_redis_up 1.0" in metrics
            assert "\ngateway_ledger_up 1.0" in metrics
            usage = await asyncio.create_subprocess_exec(
                ROOT / ".venv/bin/gateway",
                "usage",
                str(tmp_path),
                "--json",
                stdout=asyncio.subprocess.PIPE,
                cwd=tmp_path,
            )
            out, _ = await usage.communicate()
            assert "web" in out.decode(), out
