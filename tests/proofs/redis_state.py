"""What stands in the Redis that processes count in: spent money, and what is held of it and of calls at once."""

from __future__ import annotations

from redis.asyncio import Redis

from tests.redis_server import RedisServer

SHARED_FIELDS = ("s", "number", "current", "previous")  # the others are what a process holds


async def counters(server: RedisServer) -> dict[str, dict[str, int]]:
    """Return every counter by its key, without the prefix that all share."""
    found: dict[str, dict[str, int]] = {}
    async with Redis(port=server.port) as client:
        async for key in client.scan_iter("{gateway}:*"):
            if await client.type(key) == b"hash":
                fields = await client.hgetall(key)
                found[_text(key).removeprefix("{gateway}:")] = {_text(name): int(of) for name, of in fields.items()}
    return found


async def held(server: RedisServer) -> int:
    """Return what all processes hold."""
    fields = [pair for counter in (await counters(server)).values() for pair in counter.items()]
    return sum(amount for name, amount in fields if name not in SHARED_FIELDS)


async def spent(server: RedisServer, limit: str) -> int:
    """Return what is spent of a limit's budgets, in nano-dollars."""
    return sum(
        fields.get("s", 0) for key, fields in (await counters(server)).items() if key.startswith(f"{limit}|usd/")
    )


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
