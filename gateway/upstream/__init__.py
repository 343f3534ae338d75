"""The only way out: `Upstream.send`."""

from gateway.upstream.send import Upstream

__all__ = ["Upstream"]
