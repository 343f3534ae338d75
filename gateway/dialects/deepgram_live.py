"""What Deepgram's live sockets have in common (vendors.md 7, from deepgram-sdk 7.17.0 on 2026-11-23)."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.dialects.live import NotRendered, text_frame
from gateway.dialects.openai_errors import encode_json_error
from gateway.errors import GatewayError
from gateway.types import Frame

_SCHEMES = ("token", "bearer")


class DeepgramLive(NotRendered):
    def subprotocol(self, offered: Sequence[str]) -> tuple[str, str]:
        return offered_key(offered)

    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        return error_frame(error).data if started else encode_json_error(error, request_id)


def offered_key(offered: Sequence[str]) -> tuple[str, str]:
    """Browsers cannot set headers: they offer the subprotocol `token`, and their key as if it were a second one."""
    if len(offered) == 2 and offered[0].lower() in _SCHEMES:
        return offered[0], offered[1]
    return "", ""


def error_frame(error: GatewayError) -> Frame:
    """Return `Error`, as the SDK's models have it."""
    return text_frame({"type": "Error", "variant": error.code, "description": error.message})
