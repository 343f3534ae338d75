"""A process of its own that writes rows to the ledger at an URL until it is killed: `kept_open` of them stay open.

It says `written` when the database has them; or, "at once", `told` when the ledger has been told of them.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

from gateway.stores.ledger import Ledger
from tests.stores.entries import done, entry


async def main(url: str, count: int, kept_open: int, when: str = "written") -> None:
    ledger = Ledger()
    await ledger.start(url, retention_days=36_500)

    async def one(at: int) -> None:
        number, instance = ledger.numbered()
        await ledger.open(replace(entry(), id=number, instance=instance))
        if at >= kept_open:
            ledger.settle(replace(done(), id=number, instance=instance))

    await asyncio.gather(*(one(at) for at in range(count)))
    if when == "at once":
        print("told", flush=True)
        await asyncio.sleep(600)
    while ledger.waiting:
        await asyncio.sleep(0.01)
    print("written", flush=True)
    await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:]))
