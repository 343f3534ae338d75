"""The words that are no values: names of kinds, the empty mapping, the unit of money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

Operation = Literal[
    "chat", "embeddings", "speech", "transcription", "realtime", "models", "voices", "tokens", "proxy", "pipeline"
]  # realtime: a spoken conversation; tokens: of a chat's input; proxy: whatever a vendor's own endpoint does; pipeline:
# several of these, one after another
Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error"]
DropPolicy = Literal["warn", "reject"]  # a parameter that a model cannot take: leave it out and say so, or refuse
RecordingInput = Literal["file", "raw", "url"]  # a form's file, the body itself, or an address for the vendor
TranscriptFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]


class _Empty(Mapping[str, Any]):
    """No entries. Hashable, which a dataclass of Python 3.11 asks of a default, and `MappingProxyType` is not there."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __hash__(self) -> int:
        return 0


EMPTY: Mapping[str, Any] = _Empty()

NANO_USD = 1_000_000_000  # money is integers of this many parts of a dollar, everywhere
