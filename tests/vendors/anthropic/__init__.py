"""A strict fake of Anthropic's Messages API: `AnthropicServer`."""

from tests.vendors.anthropic.server import API_KEY, AnthropicServer

__all__ = ["API_KEY", "AnthropicServer"]
