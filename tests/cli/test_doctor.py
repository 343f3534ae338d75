"""`gateway doctor`: what is wrong is found and has a remedy, and what is not is not called wrong."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import checks
from tests.cli.calling import call, called
from tests.harness import ROUTES, SANDBOX, process

VENDOR = """
  vendor:
    plugin: openai
    base_url: http://127.0.0.1:{port}/v1
    credentials: {{api_key: canary-credential-1}}
    models: {{chat: {{operation: chat, price: {{usd_per_request: 0}}}}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    return tmp_path


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def findings(folder: Path, *arguments: str) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """Return the exit status and (severity, message, remedy) by what it is about; the worst of each."""
    done = call("doctor", folder, "--json", *arguments)
    order = ["ok", "warning", "error"]
    found: dict[str, tuple[str, str, str]] = {}
    for one in done.json["findings"]:
        before = found.get(one["about"])
        if before is None or order.index(before[0]) < order.index(one["severity"]):
            found[one["about"]] = (one["severity"], one["message"], one["remedy"])
    assert done.json["is_well"] is (done.status == 0)
    assert "canary" not in done.out + done.err
    return done.status, found


def test_where_all_is_well_nothing_is_wrong(folder: Path) -> None:
    status, found = findings(folder)
    assert status == 0
    assert {severity for severity, _, _ in found.values()} <= {"ok", "warning"}
    assert found["configuration"] == ("ok", "sound", "")
    assert found["providers"] == ("ok", "1 on, 0 off", "")
    assert found["ledger"][1].startswith("there is none")
    assert "is free" in found["address"][1]
    done = call("doctor", folder)
    assert done.status == 0
    assert any(line.startswith("ok       configuration: sound") for line in done.lines)


def test_faulty_files_are_an_error_with_the_first_problem(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("sandbox/chat", "sandbox/chatt"))
    status, found = findings(folder)
    assert status == 1
    severity, message, remedy = found["configuration"]
    assert (severity, remedy) == ("error", "gateway check shows all, with their lines")
    assert message.startswith("1 problem, the first: ")
    assert "'chatt'" in message


def test_a_taken_address_is_an_error_unless_it_is_this_gateways(folder: Path, listener: int) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("127.0.0.1:0", f"127.0.0.1:{listener}"))
    status, found = findings(folder)
    assert (status, found["address"][0]) == (1, "error")
    assert "address already in use" in found["address"][1]
    assert "GATEWAY_LISTEN" in found["address"][2]


@pytest.mark.slow
async def test_the_running_process_is_shown_and_what_it_has_not_read_yet(tmp_path: Path) -> None:
    async with process(tmp_path) as gateway:
        well = await called("doctor", tmp_path)
        assert f"at {gateway.url}" in well.out
        assert "differ" not in well.out
        gateway.write(routes=ROUTES.replace("keys: {anonymous: loopback}", "keys: {anonymous: always}"))
        behind = await called("doctor", tmp_path)
        assert behind.status == 0
        assert "the files differ from what gateway" in behind.out
        assert "gateway reload applies them" in behind.out


def test_a_vendor_that_cannot_be_reached_is_an_error_unless_offline(folder: Path, listener: int) -> None:
    (folder / "providers.yaml").write_text(SANDBOX + VENDOR.format(port=listener))
    status, found = findings(folder)
    assert (status, found["network"][0]) == (0, "ok")
    (folder / "providers.yaml").write_text(SANDBOX + VENDOR.format(port=1))
    status, found = findings(folder)
    assert status == 1
    assert found["network"][1] == "vendor at 127.0.0.1:1 cannot be reached: connection refused"
    assert findings(folder, "--offline")[0] == 0


def test_a_vendor_that_does_not_answer_is_given_up_in_time(folder: Path) -> None:
    with socket.socket() as full:  # a backlog of one that is taken: connections wait
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        (folder / "providers.yaml").write_text(SANDBOX + VENDOR.format(port=port))
        status, found = findings(folder, "--timeout", "0.3")
        for one in waiting:
            one.close()
    assert status == 1
    assert found["network"][1] == f"vendor at 127.0.0.1:{port} cannot be reached: no answer within 0.3 s"


def test_a_ledger_that_cannot_be_reached_is_an_error_without_its_password(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES + "stores: {database_url: 'postgresql://u:canary@127.0.0.1:1/x'}\n")
    status, found = findings(folder)
    assert (status, found["ledger"][0]) == (1, "error")
    assert "127.0.0.1:1" in found["ledger"][1]


def test_a_ledger_that_is_no_database_is_an_error_and_one_that_is_missing_is_not(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES + "stores: {database_url: 'sqlite:data/gateway.db'}\n")
    assert findings(folder)[1]["ledger"] == ("ok", f"{folder}/data/gateway.db is made by the first start", "")
    (folder / "data").mkdir()
    (folder / "data" / "gateway.db").write_bytes(b"this is no database" * 100)
    status, found = findings(folder)
    assert (status, found["ledger"][0]) == (1, "error")


def test_a_redis_that_is_away_is_a_warning(folder: Path) -> None:
    (folder / "routes.yaml").write_text(ROUTES + "stores: {redis_url: 'redis://:canary@127.0.0.1:1/0'}\n")
    status, found = findings(folder)
    assert (status, found["redis"][0]) == (0, "warning")


@pytest.mark.parametrize(("mode", "is_warned"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_file_of_keys_that_others_can_read_is_a_warning(folder: Path, mode: int, is_warned: bool) -> None:
    (folder / ".env").write_text("X=canary\n")
    (folder / ".env").chmod(mode)
    assert ("secrets" in findings(folder)[1]) is is_warned


@pytest.mark.parametrize(
    ("soft", "severity"), [(4095, "warning"), (4096, "ok"), (4097, "ok"), (resource.RLIM_INFINITY, "ok")]
)
def test_few_open_files_are_a_warning(soft: int, severity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, soft))
    [found] = [one for one in checks.limits_of_the_process() if one.about == "open files"]
    assert found.severity == severity


def test_a_model_that_nobody_serves_is_a_warning_with_the_reason(folder: Path) -> None:
    providers = SANDBOX + VENDOR.format(port=1).replace("canary-credential-1", '"${CANNOT_BE_SET:-}"')
    (folder / "providers.yaml").write_text(providers)
    routes = ROUTES.replace("models:\n", "models:\n  lonely: {operation: chat, targets: [vendor/chat]}\n", 1)
    (folder / "routes.yaml").write_text(routes)
    status, found = findings(folder)
    assert status == 0
    assert found["models"][:2] == ("warning", "nobody serves lonely: vendor/chat: CANNOT_BE_SET is not set")
