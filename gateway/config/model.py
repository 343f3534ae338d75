"""The configuration as one frozen value: what `load` returns and `build_snapshot` reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.errors import Problem
from gateway.shape import Shape
from gateway.template import Template
from gateway.types import EMPTY, Middleware, Operation, Price, Provider, RecordingInput, Target


@dataclass(frozen=True, slots=True)
class Cors:
    """Which browsers' origins may call; "*" alone means any, and then never with credentials."""

    origins: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age_s: int = 600


@dataclass(frozen=True, slots=True)
class Server:
    """How the gateway listens. What is here but `listen` changes with a reload."""

    host: str = "127.0.0.1"
    port: int = 8001
    cors: Cors = Cors()
    max_body_bytes: int = 33_554_432  # the largest body a vendor takes: Anthropic's 32 MB
    max_upload_bytes: int = 26_214_400  # OpenAI's 25 MB
    head_timeout_s: float = 15.0
    body_timeout_s: float = 120.0
    write_timeout_s: float = 60.0  # a client that reads nothing for so long is given up
    shutdown_s: float = 30.0
    gzip_min_bytes: int | None = 1024  # JSON answers from this size are compressed; None: never
    metrics: bool = True
    log_level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True)
class Key:
    """A key that YAML declares; only its SHA-256 is kept."""

    name: str
    tenant: str
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keys:
    anonymous: Literal["never", "loopback", "always"] = "never"
    static: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelAlias:
    """A model as clients name it. `pattern` may hold `*`, and then a target's model may be `*` too: see `resolve`."""

    pattern: str
    operation: Operation
    targets: tuple[Target, ...]  # in the operator's order, without those that are off
    off: tuple[tuple[str, str], ...] = ()  # (target, why it is off)
    description: str | None = None
    is_listed: bool = True


@dataclass(frozen=True, slots=True)
class Budget:
    limit_nano_usd: int
    window: Literal["hour", "day", "month", "total"]


@dataclass(frozen=True, slots=True)
class Quota:
    """Limits for each key, or each client address where there is no key."""

    requests: tuple[str, ...] = ()  # "60/minute", as the package `limits` reads it
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Cache:
    ttl_s: float
    max_entry_bytes: int = 8_388_608


@dataclass(frozen=True, slots=True)
class Failover:
    attempts: int = 3
    first_content_s: float = 30.0


@dataclass(frozen=True, slots=True)
class UserMiddleware:
    """A middleware of the operator's own: `plugins/<name>.py` defines `MIDDLEWARE`; `after` names a link of ORDER."""

    name: str
    after: str
    link: Middleware = field(repr=False)  # as its factory made it of the options
    options: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class LongInput:
    """How a text that no model can hold is made to fit: cut into pieces, each condensed by a chat of its own."""

    field: str
    max_chars: int  # what the prompt takes as it stands
    summarise: Template
    piece_chars: int
    max_pieces: int
    summary_tokens: int


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template that is an endpoint: what it takes, what it asks, and what shape the answer has."""

    file: str
    template: Template
    input: Shape
    system: Template | None = None
    model: str | None = None
    settings: Mapping[str, Any] = EMPTY  # fields of `Chat`
    output: Shape | None = None  # None: the text as it comes
    is_strict: bool | None = None
    is_repaired: bool = True
    fallback: Any = None  # None: there is none
    long_input: LongInput | None = None
    max_cost_nano_usd: int | None = None


@dataclass(frozen=True, slots=True)
class Allowed:
    """One vendor endpoint that a pass-through may reach. A `*` in `segments` is any one segment."""

    provider: str
    method: str
    segments: tuple[str, ...]

    @property
    def path(self) -> str:
        return "/".join(self.segments)


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP endpoint. A part of the chain that is None is not in it."""

    method: str
    path: str  # may hold {placeholders}, each a path segment or its beginning
    dialect: str
    model: str | None = None  # used where the client names none
    auth: Literal["required", "none"] = "required"
    quota: Quota | None = None
    cache: Cache | None = None
    failover: Failover = Failover()
    total_s: float | None = None  # deadline of a whole call
    middlewares: tuple[UserMiddleware, ...] = ()
    is_verbatim: bool = True  # False: always translate, even where client and vendor speak the same
    inputs: frozenset[RecordingInput] = frozenset({"file"})  # how recordings may come in
    prompt: Prompt | None = None
    allow: tuple[Allowed, ...] = ()  # what may pass through
    price: Price | None = None  # of a request that passes through

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything both YAML files say, resolved."""

    server: Server
    keys: Keys
    providers: Mapping[str, Provider]
    models: tuple[ModelAlias, ...]  # exact names before patterns, longer patterns first
    routes: tuple[Route, ...]
    cache_max_bytes: int = 67_108_864
    redis_url: str = field(default="", repr=False)  # may hold a password; "": request limits are each process's own
    digest: str = ""  # of all files read, with what was substituted: 8 hex digits
    files: tuple[str, ...] = ()
    warnings: tuple[Problem, ...] = ()
    voices: Mapping[str, Mapping[str, str]] = EMPTY  # provider -> logical voice -> the vendor's, as routes.yaml says
