"""The admin API for the operator of this machine: on a socket in the file system, without a key.

Who may open the socket is who runs the process; `gateway reload`, `diff` and others ask there. It is an application
of its own: what is trusted here cannot be reached over the network by whatever mistake.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from gateway import json
from gateway.config.files import Files
from gateway.config.runtime import NoFolder, own_folder, remove_dead, socket_path
from gateway.dialects.openai_errors import encode_json_error
from gateway.errors import GatewayError
from gateway.server.app import Gateway
from gateway.stores.keys.store import EVERY_TENANT
from gateway.telemetry.logs import LOGGER
from gateway.types import Client, Head

OPERATOR = Client("operator of this machine", EVERY_TENANT, role="admin")


class Control:
    """Serves on the socket of this process, from `open` to `aclose`. Where that is not possible the log says why, and
    the gateway serves all the same."""

    def __init__(self, files: Files, environ: Mapping[str, str], pid: int | None = None) -> None:
        """`pid` is the process that an operator knows, where it is another than this one."""
        self._pid = pid or os.getpid()
        self._files = files
        self._environ = environ
        self._runner: web.AppRunner | None = None
        self._path: Path | None = None

    async def open(self, gateway: Gateway) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", lambda request: _answer(request, gateway))
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            folder = own_folder(self._environ)
            remove_dead(folder)
            path = socket_path(folder, self._files, self._pid)
            await web.UnixSite(self._runner, str(path)).start()
            path.chmod(0o600)
            self._path = path
        except (NoFolder, OSError) as error:
            LOGGER.warning("commands such as `gateway reload` cannot find this process; use --url: %s", error)

    async def aclose(self) -> None:
        runner, self._runner = self._runner, None
        path, self._path = self._path, None
        if runner is not None:
            await runner.cleanup()
        if path is not None:
            path.unlink(missing_ok=True)


async def _answer(request: web.Request, gateway: Gateway) -> web.Response:
    headers = {name.lower(): value for name, value in request.headers.items()}
    head = Head("control", request.method, request.path, dict(request.query), headers, "")
    try:
        admitted = gateway.admin.admit_known(OPERATOR, head, gateway.snapshot)
        answer = await gateway.admin.answer(admitted, head, await request.read())
    except GatewayError as error:
        return _json(error.status, encode_json_error(error, head.id))
    return _json(admitted.route.status, json.dumps(answer))


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
