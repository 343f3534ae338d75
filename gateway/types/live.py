"""Audio while it is being spoken: what a client asks of one socket, and what is kept of it while it is open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

LiveKind = Literal["listen", "speak", "converse"]  # speech comes in, text does, or both go both ways
Signal = Literal["flush", "clear", "end"]  # what was given is to be worked off now, or forgotten; nothing more comes

STEP_SECONDS = 10.0  # of audio, held at once by the limits that count it
STEP_CHARACTERS = 1_000  # of text to be spoken: a minute
STEP_TOKENS = 2_000  # of each direction of a conversation: what a turn of some length takes
BYTES_PER_SAMPLE = {"linear16": 2, "mulaw": 1, "alaw": 1}


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole message of a WebSocket. Text is valid UTF-8."""

    data: bytes = field(repr=False)
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Say:
    """A piece of text to be spoken."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer what was said in a conversation: `said` are (who, what), the oldest first."""

    said: tuple[tuple[str, str], ...] = field(repr=False)
    instructions: str = field(default="", repr=False)
    voice: str = ""
    is_spoken: bool = True


LiveItem = bytes | Say | Respond | Signal  # what a client's message means; bytes are audio


class Line(Protocol):
    """The connection of a session to whoever serves it."""

    takes_frames: bool  # the client's messages as they are, not what they mean

    async def send(self, item: Frame | LiveItem) -> None:
        """Pass on what the client sent; waits while the other side takes nothing. Raises UpstreamCut."""
        ...

    def send_now(self, frame: Frame) -> bool:
        """Pass a message on without waiting; False where that is not possible just now."""
        ...

    async def end(self) -> None:
        """Say that nothing more comes, and let the other side finish."""
        ...

    async def close(self, code: int = 1001, reason: str = "") -> None:
        """Hang up. Closing twice does no harm."""
        ...


Growing = Literal["seconds", "characters", "tokens"]
Cover = Callable[[Growing], Awaitable[float]]
_STEPS: dict[Growing, float] = {
    "seconds": STEP_SECONDS,
    "characters": STEP_CHARACTERS,
    "tokens": 2 * STEP_TOKENS,
}


class Session:
    """What one live call has used so far, and what of that its limits have granted.

    Limits are asked for a step at a time (STEP_*), before what goes beyond is passed on. Tokens are only known once the
    vendor has counted them, so that what it says may be beyond.
    """

    __slots__ = ("_granted", "characters", "covers", "line", "seconds", "tokens")

    def __init__(self) -> None:
        self.line: Line | None = None
        self.seconds = 0.0  # of audio that went to whoever serves
        self.characters = 0  # of text that did
        self.tokens = 0  # that the vendor has counted
        self.covers: list[Cover] = []  # each holds another step, and returns how much of one it got
        self._granted = dict(_STEPS)

    def fits(self, seconds: float, characters: int = 0) -> bool:
        """Whether so much more is granted already."""
        granted = self._granted
        return self.seconds + seconds <= granted["seconds"] and self.characters + characters <= granted["characters"]

    async def use(self, seconds: float, characters: int = 0) -> None:
        """Count what is about to be passed on. Raises RateLimited, BudgetExceeded or LimitsAway, and counts nothing."""
        while self.seconds + seconds > self._granted["seconds"]:
            await self._cover("seconds")
        while self.characters + characters > self._granted["characters"]:
            await self._cover("characters")
        self.count(seconds, characters)

    def count(self, seconds: float, characters: int) -> None:
        """Count what fits and is passed on."""
        self.seconds += seconds
        self.characters += characters

    async def spent(self, seconds: float, tokens: int) -> None:
        """Note what the vendor says was used in all. Raises what `use` does, after the fact."""
        self.seconds = max(self.seconds, seconds)
        self.tokens = max(self.tokens, tokens)
        while self.tokens > self._granted["tokens"]:
            await self._cover("tokens")
        await self.use(0.0)

    async def _cover(self, what: Growing) -> None:
        part = 1.0
        for cover in self.covers:
            part = min(part, await cover(what))
        self._granted[what] += _STEPS[what] * part


@dataclass(frozen=True, slots=True)
class Live:
    """A session of live audio, as its client opened it."""

    kind: LiveKind
    query: str = field(default="", repr=False)  # the client's own, without what carries keys
    encoding: str = ""  # linear16, mulaw, alaw or another; "": in a container, which says it
    sample_rate_hz: int | None = None
    channels: int = 1
    language: str | None = None
    voice: str = ""  # of a session that speaks, as a logical name or the vendor's; "": the one its model is
    speed: float = 1.0
    has_interim: bool = False  # results that may change are wanted as well
    step: Growing | None = None  # what is claimed for; None: for all that the session may use at first
    session: Session = field(default_factory=Session, repr=False, compare=False)

    @property
    def bytes_per_s(self) -> int:
        """Of the audio that comes in; 0 where only its decoder can tell."""
        return BYTES_PER_SAMPLE.get(self.encoding, 0) * (self.sample_rate_hz or 0) * self.channels
