"""What `gateway run` says when it serves: where, who does what, who is off and why, and lines to paste."""

from __future__ import annotations

from gateway import __version__
from gateway.config.model import Config
from gateway.snapshot import Snapshot

OPERATIONS = ("chat", "embeddings", "speech", "transcription")


def banner(snapshot: Snapshot, base_url: str) -> str:
    """Return the lines to print; one of them holds the base URL."""
    config = snapshot.config
    lines = [f"AI service gateway {__version__} serves at {base_url}   (OpenAI clients: base_url={base_url}/v1)", ""]
    lines += [f"  {operation:14} {_served_by(config, operation)}" for operation in OPERATIONS]
    off = [
        f"  {name}: off, {provider.off_reason}" for name, provider in config.providers.items() if provider.off_reason
    ]
    return "\n".join([*lines, "", *off, "", *_to_paste(config, base_url), ""])


def _served_by(config: Config, operation: str) -> str:
    """The models of an operation with the targets that serve them, first choice first."""
    rows = [
        f"{alias.pattern} → {', '.join(target.name for target in alias.targets)}"
        for alias in config.models
        if alias.operation == operation and alias.targets and "*" not in alias.pattern
    ]
    return ("\n" + " " * 17).join(rows) if rows else "nobody"


def _to_paste(config: Config, base_url: str) -> list[str]:
    """A line for each operation that has a route and a model without a key."""
    paths = {route.dialect: route.path for route in config.routes}
    models: dict[str, str] = {}
    for alias in config.models:
        if alias.targets and "*" not in alias.pattern:
            models.setdefault(alias.operation, alias.pattern)
    lines = ["Try it:"]
    if "openai.chat" in paths and "chat" in models:
        body = f'{{"model": "{models["chat"]}", "messages": [{{"role": "user", "content": "What is this gateway?"}}]}}'
        lines.append(f"  curl {base_url}{paths['openai.chat']} -d '{body}'")
    if "openai.speech" in paths and "speech" in models:
        body = f'{{"model": "{models["speech"]}", "voice": "nova", "input": "The gateway speaks."}}'
        lines.append(f"  curl {base_url}{paths['openai.speech']} -o speech.mp3 -d '{body}'")
    if "openai.transcription" in paths and "transcription" in models:
        path = f"{base_url}{paths['openai.transcription']}"
        lines.append(f"  curl {path} -F model={models['transcription']} -F file=@speech.mp3")
    return lines
