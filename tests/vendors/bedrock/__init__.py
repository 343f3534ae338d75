"""A strict fake of Amazon Bedrock's Converse: `BedrockServer`."""

from tests.vendors.bedrock.server import ACCESS_KEY, API_KEY, SECRET_KEY, BedrockServer

__all__ = ["ACCESS_KEY", "API_KEY", "SECRET_KEY", "BedrockServer"]
