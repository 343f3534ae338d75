"""`gateway db`: brought up to date and looked at, with an exit status for each case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.stores.database import at_once
from gateway.stores.database.migrations import KNOWN
from gateway.stores.database.work import fetch
from gateway.stores.ledger.rows import write
from tests.harness import ROUTES, SANDBOX
from tests.postgres_server import PASSWORD
from tests.stores.entries import done, entry


@pytest.fixture
def folder(tmp_path: Path, url: str) -> Path:
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    (tmp_path / "routes.yaml").write_text(ROUTES + f"stores: {{database_url: '{url}'}}\n")
    return tmp_path


def test_it_is_made_once_and_its_status_tells_what_is_in_it(
    folder: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(folder)]
    before = main(["db", "status", *config])
    assert before == (69 if url.startswith("sqlite") else 3)  # a file that is not there is not made to be looked at
    assert main(["db", "migrate", *config]) == 0
    assert main(["db", "migrate", *config]) == 0
    said = capsys.readouterr().out
    assert f"version 0 became {KNOWN}\nversion {KNOWN}, as before\n" in said
    at_once(url, lambda database: database.run(write(database, [entry(1)], [done(2), done(3)])))
    assert main(["db", "status", *config, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["known"], told["rows"], told["open_rows"]) == (KNOWN, KNOWN, 3, 1)
    assert told["size_bytes"] > 0
    assert main(["db", "status", *config]) == 0
    said = capsys.readouterr().out
    assert "3 rows, 1 of them open" in said
    assert PASSWORD not in said


@pytest.mark.parametrize(("there", "code", "remedy"), [(-1, 3, "gateway db migrate"), (1, 4, "run the newer gateway")])
def test_tables_that_are_not_this_gateways_have_a_status_of_their_own(
    folder: Path, url: str, capsys: pytest.CaptureFixture[str], there: int, code: int, remedy: str
) -> None:
    assert main(["db", "migrate", "--config", str(folder)]) == 0
    is_file = url.startswith("sqlite")
    version = KNOWN + there
    statement = f"PRAGMA user_version = {version}" if is_file else f"UPDATE schema_version SET version = {version}"
    at_once(url, lambda database: database.run(fetch(statement)))
    assert main(["db", "status", "--config", str(folder)]) == code
    assert remedy in capsys.readouterr().err


def test_without_a_database_its_setting_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "providers.yaml").write_text(SANDBOX)
    (tmp_path / "routes.yaml").write_text(ROUTES)
    assert main(["db", "status", "--config", str(tmp_path)]) == 1
    assert "stores.database_url" in capsys.readouterr().err
