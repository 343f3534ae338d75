"""What an operator keeps secret, taken out of what a vendor says: some quote the key that they were sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from gateway.types import Provider

MIN_SECRET_CHARS = 8  # what is shorter may be a word, like a key for a server of one's own
MIN_SURE_CHARS = 16  # what is as long is no word: it is hidden in what was asked for too, not in errors alone


def secrets_of(provider: Provider, min_chars: int = MIN_SECRET_CHARS) -> list[str]:
    """Return what a provider is sent and nobody else may see: credentials, and the words of secret headers."""
    words = (word for name in provider.secret_headers for word in provider.headers[name].split())
    return [secret for secret in (*provider.credentials.values(), *words) if len(secret) >= min_chars]


def hidden(text: str, provider: Provider) -> str:
    """Return a vendor's text without what is secret."""
    for secret in secrets_of(provider):
        text = text.replace(secret, "[hidden]")
    return text


async def masked(chunks: AsyncIterator[bytes], provider: Provider, *, is_error: bool) -> AsyncIterator[bytes]:
    """Yield the bytes with stars in the place of what is secret, as many as there were: lengths that are told hold.

    No more is held back than the beginning of a secret at a chunk's end.
    """
    min_chars = MIN_SECRET_CHARS if is_error else MIN_SURE_CHARS
    secrets = [secret.encode() for secret in secrets_of(provider, min_chars)]
    held = b""
    async for chunk in chunks:
        data = held + chunk
        for secret in secrets:
            data = data.replace(secret, b"*" * len(secret))
        end = len(data) - _begun(data, secrets)
        held = data[end:]
        if end:
            yield data[:end]
    if held:
        yield held


def _begun(data: bytes, secrets: Sequence[bytes]) -> int:
    """Return how many bytes at the end may be the beginning of a secret."""
    return max(
        (
            count
            for secret in secrets
            for count in range(1, min(len(secret) - 1, len(data)) + 1)
            if data.endswith(secret[:count])
        ),
        default=0,
    )
