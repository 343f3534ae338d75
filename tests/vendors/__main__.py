"""Runs a simulator as a process: `python -m tests.vendors openai --port 0` prints its base URL, then serves."""

from __future__ import annotations

import argparse
import asyncio
import signal
from importlib import import_module

from tests.vendors.server import VendorServer

# Imported when asked for: Google's own schemas alone take two seconds.
VENDORS = {
    "anthropic": "tests.vendors.anthropic:AnthropicServer",
    "azure": "tests.vendors.openai.azure:AzureServer",
    "bedrock": "tests.vendors.bedrock:BedrockServer",
    "deepgram": "tests.vendors.deepgram:DeepgramServer",
    "elevenlabs": "tests.vendors.elevenlabs:ElevenLabsServer",
    "gemini": "tests.vendors.gemini:GeminiServer",
    "google_stt": "tests.vendors.google_stt:GoogleSttServer",
    "google_tts": "tests.vendors.google_tts:GoogleTtsServer",
    "openai": "tests.vendors.openai:OpenAIServer",
    "polly": "tests.vendors.polly:PollyServer",
}


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.vendors", description=__doc__)
    parser.add_argument("vendor", choices=sorted(VENDORS))
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--event-interval-ms", type=float, default=0.0, help="pause between streamed events")
    options = parser.parse_args()
    module, _, name = VENDORS[options.vendor].partition(":")
    kind: type[VendorServer] = getattr(import_module(module), name)
    server = kind(port=options.port, event_interval_s=options.event_interval_ms / 1000)
    asyncio.run(_serve(server))


async def _serve(server: VendorServer) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with server:
        print(server.base_url, flush=True)
        await stop.wait()


if __name__ == "__main__":
    main()
