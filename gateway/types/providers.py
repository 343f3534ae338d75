"""Who can serve: rows of the configuration, resolved at load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.types.words import EMPTY, DropPolicy, Operation

if TYPE_CHECKING:
    from gateway.plugin import Plugin


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars for so many units; the large unit keeps list prices whole. None: not said, which is not free."""

    input_per_mtok: int | None = None
    cached_input_per_mtok: int | None = None
    cache_write_per_mtok: int | None = None
    output_per_mtok: int | None = None
    per_mchar: int | None = None
    per_audio_minute: int | None = None
    per_request: int | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    connect_s: float = 5.0
    first_byte_s: float = 30.0
    idle_s: float = 60.0
    total_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Model:
    """One row of a provider's `models`: what the vendor's model can do and what it costs."""

    name: str
    operation: Operation
    price: Price | None = None
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
    description: str | None = None
    options: Mapping[str, Any] = EMPTY  # the plugin's own


@dataclass(frozen=True, slots=True)
class Provider:
    """A row of providers.yaml, ready for use. `off_reason` is None where it can serve."""

    name: str
    plugin: Plugin
    base_url: str
    credentials: Mapping[str, str] = field(default=EMPTY, repr=False)
    headers: Mapping[str, str] = field(default=EMPTY, repr=False)
    timeouts: Timeouts = Timeouts()
    models: Mapping[str, Model] = EMPTY
    options: Mapping[str, Any] = EMPTY  # the plugin's own keys, checked by its options_schema
    off_reason: str | None = None
    is_standby: bool = False  # serves a model only where no other provider of it is on
    drop: DropPolicy = "warn"
    convert: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A provider and one of its models. `voices` maps logical names to the vendor's."""

    provider: Provider
    model: Model
    voices: Mapping[str, str] = EMPTY

    @property
    def name(self) -> str:
        return f"{self.provider.name}/{self.model.name}"

    def voice_for(self, voice: str) -> str | None:
        """Return the vendor's name of a logical voice, or None where this target has none for it."""
        return self.voices.get(voice)
