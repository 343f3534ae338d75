"""A strict fake of the ElevenLabs API: `ElevenLabsServer`."""

from tests.vendors.elevenlabs.server import API_KEY, ElevenLabsServer

__all__ = ["API_KEY", "ElevenLabsServer"]
