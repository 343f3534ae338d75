"""The control endpoint `/__sim__/`, by which tests steer a simulator that runs in another process.

GET requests -> the records; POST faults <- a fault or a list of them; POST reset; POST refuse <- {"for_s": 0.5}.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.vendors.faults import fault_from

if TYPE_CHECKING:
    from tests.vendors.server import VendorServer

CONTROL_PREFIX = "/__sim__/"


async def control(server: VendorServer, request: web.BaseRequest) -> web.Response:
    """Carry out one control request; 400 says what was wrong with it."""
    command = f"{request.method} {request.path.removeprefix(CONTROL_PREFIX)}"
    body = await request.read()
    try:
        return _reply(_carry_out(server, command, json.loads(body) if body else None))
    except (ValueError, TypeError, KeyError) as error:
        return _reply({"error": str(error)}, status=400)


def _carry_out(server: VendorServer, command: str, argument: Any) -> Any:
    match command:
        case "GET requests":
            return [record.as_json() for record in server.requests]
        case "POST faults":
            entries = argument if isinstance(argument, list) else [argument]
            server.faults.add(*[fault_from(entry) for entry in entries])
            return {"added": len(entries)}
        case "POST reset":
            server.reset()
            return {}
        case "POST refuse":
            server.refuse_connections_soon(for_s=float(argument["for_s"]))
            return {}
    raise ValueError(f"unknown control command {command!r}")


def _reply(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(value).encode(), content_type="application/json")
