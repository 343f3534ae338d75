"""Commands as tests call them: within the test's process, which is quick, beside a gateway in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from gateway.cli import main


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def call(*arguments: object) -> Done:
    """Run `gateway ARGUMENTS…` to its end."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return Done(status, out.getvalue(), err.getvalue())


async def called(*arguments: object) -> Done:
    """Run it in a thread, while the test's loop goes on: one call at a time."""
    return await asyncio.to_thread(call, *arguments)
