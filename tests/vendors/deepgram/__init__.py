"""A strict fake of the Deepgram API: `DeepgramServer`."""

from tests.vendors.deepgram.server import API_KEY, DeepgramServer

__all__ = ["API_KEY", "DeepgramServer"]
