"""`stores`: addresses that are none are refused at their line, and what is in them is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import stores
from gateway.config.files import Files
from tests.config.folder import Setup

SERVER = "postgresql://gateway:secret-of-the-database@db.example:5432/gateway?sslmode=require"


def with_url(setup: Setup, url: str) -> None:
    setup.routes("version: 1\n", f"version: 1\nstores:\n  database_url: '{url}'\n")


@pytest.mark.parametrize("url", ["sqlite:gateway.db", "sqlite:./gateway.db", "sqlite://gateway.db"])
def test_a_relative_path_is_below_the_folder(setup: Setup, url: str) -> None:
    with_url(setup, url)
    assert setup.config().database_url == f"sqlite:{(setup.folder / 'gateway.db').resolve()}"


def test_none_is_no_database(setup: Setup) -> None:
    with_url(setup, "none")
    assert setup.config().database_url == ""


def test_what_came_with_the_package_keeps_its_files_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "gateway" / "bundled"
    monkeypatch.setattr("gateway.config.files.bundled", lambda: inside)
    monkeypatch.chdir(tmp_path)
    assert Files(inside / "routes.yaml", inside / "providers.yaml").home == tmp_path
    assert Files(tmp_path / "x" / "routes.yaml", inside / "providers.yaml").home == tmp_path / "x"


@pytest.mark.parametrize("url", [SERVER, "postgres://u@[::1]/x", "postgresql://h/x"])
def test_the_address_of_a_server_stays_as_it_is_and_is_not_shown(setup: Setup, url: str) -> None:
    with_url(setup, url)
    config = setup.config()
    assert config.database_url == url
    assert url not in repr(config)


@pytest.mark.parametrize(
    "url",
    [
        "gateway.db",
        "sqlite:",
        "sqlite:folder/",
        "mysql://u:secret-of-the-database@h/x",
        "postgresql:///x",
        "postgresql://u:secret-of-the-database@h",
        "postgresql://u:secret-of-the-database@h:0/x",
        "postgresql://u:secret-of-the-database@h:65536/x",
        "postgresql://u:secret-of-the-database@h:port/x",
        "postgresql://[::1/x",
    ],
)
def test_what_is_no_address_is_refused_at_its_line_without_its_password(setup: Setup, url: str) -> None:
    with_url(setup, url)
    [problem] = setup.problems()
    assert ":3:" in problem
    assert "postgresql://user:password@host:5432/name" in problem
    assert "secret-of-the-database" not in problem


def test_a_missing_package_is_named_with_how_to_install_it(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "find_spec", lambda name: None)
    with_url(setup, SERVER)
    [problem] = setup.problems()
    assert "asyncpg" in problem
    assert "pip install 'ai-service-gateway[postgres]'" in problem
    assert "secret-of-the-database" not in problem


@pytest.mark.parametrize(("days", "is_taken"), [(0, False), (1, True), (2, True), (36_500, True), (36_501, False)])
def test_rows_are_kept_a_day_at_least(setup: Setup, days: int, is_taken: bool) -> None:
    setup.routes("version: 1\n", f"version: 1\nstores: {{retention_days: {days}}}\n")
    if is_taken:
        assert setup.config().retention_days == days
    else:
        assert "retention_days" in setup.problems()[0]


def test_rows_are_kept_ninety_days_where_nothing_is_said(setup: Setup) -> None:
    assert setup.config().retention_days == 90
