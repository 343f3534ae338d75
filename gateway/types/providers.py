"""Who can serve: rows of the configuration, resolved at load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gateway.types.limits import Concurrency
from gateway.types.words import EMPTY, DropPolicy, Operation

if TYPE_CHECKING:
    from gateway.plugin import Plugin
    from gateway.types.choices import Place


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars for so many units; the large unit keeps list prices whole. None: not said, which is not free."""

    input_per_mtok: int | None = None
    cached_input_per_mtok: int | None = None
    cache_write_per_mtok: int | None = None
    output_per_mtok: int | None = None
    input_audio_per_mtok: int | None = None
    output_audio_per_mtok: int | None = None
    per_mchar: int | None = None
    per_audio_minute: int | None = None
    per_request: int | None = None
    tiers: tuple[Tier, ...] = ()  # ascending
    changes: tuple[Change, ...] = ()  # ascending

    def at(self, now_s: float, input_tokens: int) -> Price:
        """Return what holds at `now_s`, in seconds of the epoch, for a call with so much input."""
        if not self.tiers and not self.changes:
            return self
        price = self
        for change in self.changes:
            if change.from_s <= now_s:
                price = change.price
        now = price
        for tier in price.tiers:
            if tier.above_input_tokens < input_tokens:
                now = tier.price
        return now


@dataclass(frozen=True, slots=True)
class Tier:
    """The whole price, what it inherits included, of a call with more than so many input tokens."""

    above_input_tokens: int
    price: Price


@dataclass(frozen=True, slots=True)
class Change:
    """The whole price, what it inherits and its tiers included, from a moment on."""

    from_s: float  # of the epoch
    price: Price


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds of one attempt."""

    connect_s: float = 5.0
    first_byte_s: float = 30.0
    idle_s: float = 60.0
    total_s: float = 600.0
    first_content_s: float = float("inf")  # a route's failover has one, too

    def within(self, others: Timeouts) -> Timeouts:
        """Return the tighter of each."""
        return Timeouts(
            min(self.connect_s, others.connect_s),
            min(self.first_byte_s, others.first_byte_s),
            min(self.idle_s, others.idle_s),
            min(self.total_s, others.total_s),
            min(self.first_content_s, others.first_content_s),
        )


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a target is ejected, for how long, and how it comes back."""

    is_on: bool = True
    consecutive: int = 5  # so many failures in a row eject it
    error_percent: float = 50.0  # so does this share of failures within `window_s`, of at least `min_requests`
    window_s: float = 30.0
    min_requests: int = 20
    open_s: float = 1.0  # how long it is out at first; doubled each time, up to `max_open_s`
    max_open_s: float = 2.5  # a client is served by it again at most so long after it recovered
    return_s: float = 2.0  # how long the share of calls that it gets again grows
    max_ejected_percent: float = 100.0  # of a model's targets at once; never all


@dataclass(frozen=True, slots=True)
class ProbePolicy:
    """How a vendor is asked whether it is there, beside the calls: GET of a path that costs nothing."""

    path: str  # below the base URL, with its slash
    every_s: float = 1.0
    timeout_s: float = 5.0
    is_always: bool = False  # False: only while a target of it is ejected


@dataclass(frozen=True, slots=True)
class Model:
    """One row of a provider's `models`: what the vendor's model can do and what it costs."""

    name: str
    operation: Operation
    price: Price | None = None
    live_price: Price | None = None  # of sessions; None: they cost what recordings do
    price_from: str = ""  # where the price stands, for people
    formats: frozenset[str] = frozenset()  # of audio that speech can produce; empty: not restricted
    containers: frozenset[str] = frozenset()  # of audio that transcription takes; empty: not restricted
    max_chars: int | None = None  # of a text to be spoken
    max_bytes: int | None = None  # the same in UTF-8, where a vendor counts those
    max_upload_bytes: int | None = None
    max_audio_s: float | None = None  # of a recording to be written down
    convert: bool | None = None  # audio this cannot make in the format asked for is converted; None: the provider's
    max_output_tokens: int | None = None
    context_tokens: int | None = None  # of input and output together
    modalities: frozenset[str] = frozenset()  # of text image audio file, as input; empty: not restricted
    refuses: frozenset[str] = frozenset()  # parameters of a chat, under the names of `Chat`
    refuses_while_reasoning: frozenset[str] = frozenset()  # those refused unless the reasoning effort is none
    default_reasoning_effort: str = "none"  # the vendor's, where the client asks for none in particular
    drop: DropPolicy | None = None  # None: the provider's
    breaker: BreakerPolicy | None = None  # None: the provider's
    concurrency: Concurrency | None = None  # None: not limited for itself
    description: str | None = None
    options: Mapping[str, Any] = EMPTY  # the plugin's own
    timeouts: Timeouts | None = None  # None: the provider's


ProxyPolicy = Literal["none", "environment"]  # whether the proxies are used that the environment names


@dataclass(frozen=True, slots=True)
class Provider:
    """A row of providers.yaml, ready for use. `off_reason` is None where it can serve."""

    name: str
    plugin: Plugin
    base_url: str
    credentials: Mapping[str, str] = field(default=EMPTY, repr=False)
    headers: Mapping[str, str] = field(default=EMPTY, repr=False)
    secret_headers: frozenset[str] = frozenset()  # names of those among them that nobody else may see
    timeouts: Timeouts = Timeouts()
    models: Mapping[str, Model] = EMPTY
    prices: Mapping[str, Price] = EMPTY  # by names of models, for those that have no row
    options: Mapping[str, Any] = EMPTY  # the plugin's own keys, checked by its options_schema
    off_reason: str | None = None
    is_standby: bool = False  # serves a model only where no other provider of it is on
    drop: DropPolicy = "warn"
    convert: bool = False
    breaker: BreakerPolicy = BreakerPolicy()
    probe: ProbePolicy | None = None
    concurrency: Concurrency | None = None  # of all its models together; None: not limited
    proxy: ProxyPolicy = "none"
    warm_connections: int = 0  # idle ones that are kept open


@dataclass(frozen=True, slots=True)
class Target:
    """A provider and one of its models. `voices` maps logical names to the vendor's."""

    provider: Provider
    model: Model
    voices: Mapping[str, str] = EMPTY
    place: Place | None = None  # None: its model says no more than an order
    name: str = field(init=False, repr=False, compare=False)  # which a call asks for ten times

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.provider.name}/{self.model.name}")

    @property
    def breaker(self) -> BreakerPolicy:
        return self.model.breaker or self.provider.breaker

    @property
    def timeouts(self) -> Timeouts:
        """What its model's row says, else its provider's."""
        return self.model.timeouts or self.provider.timeouts

    def voice_for(self, voice: str) -> str | None:
        """Return the vendor's name of a logical voice, or None where this target has none for it."""
        return self.voices.get(voice)
