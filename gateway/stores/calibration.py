"""How far a target's own counts of tokens are from the estimates, learnt from what its vendor reports."""

from __future__ import annotations

from collections import OrderedDict

LEAST, MOST = 0.5, 2.5  # tokenizers differ by less on ordinary text; what is beyond is no matter of tokenizers
NEWS = 0.1  # how much one answer moves a factor: about the last twenty tell
LEAST_TOKENS = 50  # below, what a vendor adds to each request outweighs the text
MAX_TARGETS = 1_000  # more than any configuration has; a reload may bring others


class Calibration:
    """A factor for each target: an average of actual / estimated tokens in which the last answers count most."""

    def __init__(self) -> None:
        self._factors: OrderedDict[str, float] = OrderedDict()  # the one that learnt last at the end

    def factor(self, target: str) -> float:
        """Return what to multiply an estimate with for this target; 1 until it has answered."""
        return self._factors.get(target, 1.0)

    def learn(self, target: str, estimated_tokens: int, actual_tokens: int) -> None:
        """Take in what one answer said. A short text, or a vendor that counted nothing, says nothing."""
        if estimated_tokens < LEAST_TOKENS or actual_tokens <= 0:
            return
        seen = min(MOST, max(LEAST, actual_tokens / estimated_tokens))
        known = self._factors.pop(target, 1.0)
        self._factors[target] = min(MOST, max(LEAST, known + NEWS * (seen - known)))
        if len(self._factors) > MAX_TARGETS:
            self._factors.popitem(last=False)
