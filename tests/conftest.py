"""What holds for all tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from gateway.telemetry.logs import Lines
from tests.postgres_server import PostgresServer, postgres_server

# A machine that does something else besides is no fault of the code: a test's own timeout bounds it.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a mark that does not stand in the test's own file: scripts/test would not find it."""
    texts: dict[Path, str] = {}
    for item in items:
        for name in ("slow", "alone"):
            if item.get_closest_marker(name) is not None:
                text = texts.setdefault(item.path, item.path.read_text())
                assert f"pytest.mark.{name}" in text, f"{item.nodeid}: write pytest.mark.{name} in the file itself"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for all tests of this process; each takes a database of its own."""
    with postgres_server() as server:
        yield server


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """Give back the level that a configuration set, and what writes to this test's standard error: both are the
    process's, and others read the log."""
    logger, root = logging.getLogger("gateway"), logging.getLogger()
    level, handlers = logger.level, root.handlers[:]
    yield
    logger.setLevel(level)
    for handler in root.handlers[:]:
        if isinstance(handler, Lines) and handler not in handlers:
            root.removeHandler(handler)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database that is empty, each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'a folder' / 'what? 100% #1.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()
