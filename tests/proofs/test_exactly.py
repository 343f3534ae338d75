"""A limit of k admits exactly k of a thousand at once: in memory, and in processes on Redis, SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.postgres_server import PostgresServer
from tests.proofs.exactly import exactly
from tests.redis_server import redis_server

pytestmark = [
    pytest.mark.alone,
    pytest.mark.timeout(300),  # a busy machine may take its time, and no limit may be off by one for it
]


async def test_in_memory(tmp_path: Path) -> None:
    assert await exactly(tmp_path, None, f"sqlite:{tmp_path / 'gateway.db'}", 1, 1) == []


async def test_four_processes_on_one_redis_and_one_file(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis:
        assert await exactly(tmp_path, redis, f"sqlite:{tmp_path / 'gateway.db'}", 4, 1) == []


async def test_three_processes_on_one_redis_and_one_postgresql(tmp_path: Path, postgres: PostgresServer) -> None:
    async with redis_server(tmp_path) as redis:
        assert await exactly(tmp_path, redis, postgres.new_database(), 3, 1) == []
