"""A strict fake of the OpenAI API: `OpenAIServer`."""

from tests.vendors.openai.server import API_KEY, OpenAIServer

__all__ = ["API_KEY", "OpenAIServer"]
