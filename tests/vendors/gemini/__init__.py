"""A strict fake of the Gemini Developer API: `GeminiServer`."""

from tests.vendors.gemini.server import API_KEY, GeminiServer

__all__ = ["API_KEY", "GeminiServer"]
