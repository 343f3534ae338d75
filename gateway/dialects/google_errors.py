"""The errors of Google Cloud's voice dialects: `google.rpc.Status`, with the fields under their own names there."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from gateway.dialects.gemini_errors import encode_json_error
from gateway.dialects.voicing import renamed
from gateway.errors import GatewayError

NAMES: Mapping[str, str] = {
    "voice": "voice.name",
    "input": "input.text",
    "response_format": "audioConfig.audioEncoding",
    "file": "audio.content",
}


class GoogleErrors:
    def encode_error(self, error: GatewayError, request_id: str, *, started: bool) -> bytes:
        told = copy.copy(error)
        told.message, told.param = renamed(error, NAMES)
        return encode_json_error(told, request_id)
