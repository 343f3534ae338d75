"""With which code of WebSocket a client's socket is closed for an error. The table is docs/live-audio.md's."""

from __future__ import annotations

from gateway import websocket as ws
from gateway.errors import (
    ClientError,
    GatewayError,
    GoingAway,
    LedgerFull,
    LimitsAway,
    Overloaded,
    StoreUnavailable,
    TooLarge,
    UpstreamError,
    WrongFrame,
)

_CODES: tuple[tuple[type[GatewayError] | tuple[type[GatewayError], ...], int], ...] = (  # the first that fits
    (GoingAway, ws.GOING_AWAY),
    (TooLarge, ws.TOO_LARGE),
    (WrongFrame, ws.UNTAKEN),
    ((LimitsAway, Overloaded, StoreUnavailable, LedgerFull), ws.TRY_LATER),
    (ClientError, ws.POLICY),
    (UpstreamError, ws.BAD_GATEWAY),
)


def code_of(error: GatewayError) -> int:
    """Return the code of a close frame to the client: what is the gateway's own fault is 1011."""
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), ws.FAULT)
