"""What a vendor's voices can do, and why a text to be spoken asks too much of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.types import Speech

PCM_RATE_HZ = 24_000  # what pcm is unless a rate was asked for: OpenAI's clients take it for granted


@dataclass(frozen=True, slots=True)
class Ability:
    """`rates_hz`: each format with its sample rates, the usual one first. Speeds are factors; None: none but 1."""

    rates_hz: Mapping[str, tuple[int, ...]]
    min_speed: float | None = None
    max_speed: float | None = None
    takes_ssml: bool = False

    def rate_hz(self, speech: Speech) -> int:
        """Return the sample rate that the answer is to have: the one asked for, else the format's usual one."""
        if speech.sample_rate_hz is not None:
            return speech.sample_rate_hz
        return PCM_RATE_HZ if speech.format == "pcm" else self.rates_hz[speech.format][0]

    def refusal(self, speech: Speech) -> str | None:
        """Return why these voices cannot speak this, or None where it can."""
        rates = self.rates_hz.get(speech.format)
        if rates is None:
            return f"has no format {speech.format}; it has {', '.join(sorted(self.rates_hz))}"
        rate_hz = self.rate_hz(speech)
        if rate_hz not in rates:
            listed = ", ".join(str(rate) for rate in sorted(rates))
            return f"has no {speech.format} at {rate_hz} Hz; it has {listed} Hz"
        if speech.is_ssml and not self.takes_ssml:
            return "takes no SSML"
        return self._speed_refusal(speech.speed)

    def _speed_refusal(self, speed: float) -> str | None:
        if speed == 1.0:
            return None
        if self.min_speed is None or self.max_speed is None:
            return f"speaks at its own speed only, not at {speed:g} times that"
        if not self.min_speed <= speed <= self.max_speed:
            return f"speaks at {self.min_speed:g} to {self.max_speed:g} times its speed, not at {speed:g}"
        return None
