"""The configuration as one frozen value: what `load` returns and `build_snapshot` reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gateway.errors import Problem
from gateway.shape import Shape
from gateway.template import Template
from gateway.types import (
    EMPTY,
    Choice,
    Concurrency,
    KeyRole,
    Limit,
    Middleware,
    Operation,
    Price,
    Provider,
    RecordingInput,
    Scopes,
    Target,
    Timeouts,
)


@dataclass(frozen=True, slots=True)
class Cors:
    """Which browsers' origins may call; "*" alone means any, and then never with credentials."""

    origins: tuple[str, ...] = ()
    allow_credentials: bool = False
    max_age_s: int = 600


@dataclass(frozen=True, slots=True)
class Server:
    """How the gateway listens. What is here but `listen` and `workers` changes with a reload."""

    host: str = "127.0.0.1"
    port: int = 8001
    cors: Cors = Cors()
    max_body_bytes: int = 33_554_432  # the largest body a vendor takes: Anthropic's 32 MB
    max_upload_bytes: int = 26_214_400  # OpenAI's 25 MB
    head_timeout_s: float = 15.0
    body_timeout_s: float = 120.0
    write_timeout_s: float = 60.0  # a client that reads nothing for so long is given up
    shutdown_s: float = 30.0
    shutdown_grace_s: float = 2.0  # after SIGTERM: a balancer takes so long to see that this is not ready
    gzip_min_bytes: int | None = 1024  # JSON answers from this size are compressed; None: never
    metrics: bool = True
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    concurrency: Concurrency | None = None  # None: not limited
    workers: int = 1  # processes that serve; more than one share the address under a supervisor


@dataclass(frozen=True, slots=True)
class Traces:
    """Where spans are sent, how many, under which names, and whether vendors are told their place in a trace."""

    endpoint: str = ""  # of a collector, OTLP over HTTP; "": nowhere
    headers: Mapping[str, str] = field(default=EMPTY, repr=False)  # to the collector; may hold a key
    sample: float = 1.0  # share of the traces that begin here; one that a caller began is recorded where he says so
    conventions: Literal["latest", "legacy", "both"] = "latest"
    forward: bool = True
    service: str = "ai-service-gateway"


@dataclass(frozen=True, slots=True)
class Logs:
    sample: float = 1.0  # share of the calls that went well whose lines are written


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What the gateway tells of itself, and whom."""

    traces: Traces = Traces()
    logs: Logs = Logs()


@dataclass(frozen=True, slots=True)
class LogContent:
    """What a route has logged of what is said: the beginning of each text, without what may be a secret."""

    max_chars: int = 2000
    redact: tuple[re.Pattern[str], ...] = ()  # what is taken out beside what is known


@dataclass(frozen=True, slots=True)
class Key:
    """A key that YAML declares; only its SHA-256 is kept."""

    name: str
    tenant: str
    digest: bytes = field(repr=False)
    scopes: Scopes = Scopes()  # noqa: RUF009  # frozen
    expires_at: float | None = None  # seconds of the epoch
    role: KeyRole = "user"
    limits: tuple[Limit, ...] = ()
    tags: str = "{}"  # JSON


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Which claim of a token says what; dots reach into objects. "": none does."""

    name: str = "sub"
    tenant: str = ""
    role: str = ""
    routes: str = ""
    operations: str = ""
    models: str = ""
    providers: str = ""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens (JWT) are taken for keys. Without `public_key` and `secret` its keys are fetched."""

    name: str
    url: str  # exactly as its tokens have it in `iss`
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    jwks_url: str = ""  # "": its discovery document says it
    public_key: str = ""  # PEM
    secret: bytes = field(default=b"", repr=False)
    leeway_s: int = 30
    claims: ClaimNames = ClaimNames()
    roles: Mapping[str, KeyRole] = EMPTY  # a value of the claim `claims.role` -> the role
    tenant: str = ""  # where no claim says it; "": each bearer is his own


@dataclass(frozen=True, slots=True)
class Keys:
    anonymous: Literal["never", "loopback", "always"] = "never"
    static: tuple[Key, ...] = ()
    is_until_keys: bool = False  # `anonymous` ends with the store's first key
    issuers: tuple[Issuer, ...] = ()
    signing_secret: str = field(default="", repr=False)  # from which the secrets of access keys are made; "": none are


@dataclass(frozen=True, slots=True)
class ModelAlias:
    """A model as clients name it. `pattern` may hold `*`, and then a target's model may be `*` too: see `resolve`."""

    pattern: str
    operation: Operation
    targets: tuple[Target, ...]  # in the operator's order, without those that are off
    off: tuple[tuple[str, str], ...] = ()  # (target, why it is off)
    description: str | None = None
    is_listed: bool = True
    choice: Choice | None = None  # None: in the operator's order, and nothing else


@dataclass(frozen=True, slots=True)
class Semantic:
    """Answers are given for questions that are `threshold` or more similar to the answered one, by their embeddings."""

    model: str  # an alias of operation embeddings
    threshold: float  # cosine, 1: the same direction
    max_questions: int = 1_000
    timeout_s: float = 2.0  # of the embedding; then the vendor is asked without it
    is_paced: bool = False


@dataclass(frozen=True, slots=True)
class Cache:
    """What a route keeps of its answers, for how long, and when it gives them again."""

    ttl_s: float
    max_entry_bytes: int = 8_388_608
    max_ttl_s: float = 86_400.0  # the longest that a client may ask for
    stale_while_revalidate_s: float = 0.0  # after ttl_s
    stale_if_error_s: float = 0.0  # after ttl_s
    has_original_pace: bool = False
    semantic: Semantic | None = None


@dataclass(frozen=True, slots=True)
class CacheStores:
    """Where all routes' answers are kept."""

    max_bytes: int = 67_108_864  # of memory
    disk_folder: Path | None = None
    disk_max_bytes: int = 1_073_741_824
    redis_url: str = field(default="", repr=False)  # "": no process shares its answers


Fault = Literal["context_window", "content_policy"]  # of a request, for which another model may be named


@dataclass(frozen=True, slots=True)
class Hold:
    """How much of an answer is kept back, so that another can still take its place: what is first over ends it."""

    events: int | None = None  # of content
    for_s: float | None = None  # from the first content on
    is_all: bool = False
    max_bytes: int = 4_194_304


@dataclass(frozen=True, slots=True)
class Hedge:
    """When a second target is asked beside the first."""

    after_s: float | None  # None: the time within which 95 % of the target's first contents came
    max_percent: float = 5.0  # of the route's calls


@dataclass(frozen=True, slots=True)
class Failover:
    attempts: int = 3
    first_content_s: float = 30.0
    backoff_s: float = 0.5  # before the first repetition at most; doubles
    max_wait_s: float = 10.0  # between two attempts
    retry_percent: float = 20.0  # of all requests may have a further attempt that fails
    repeat: Literal["always", "unsent"] = "always"  # what the vendor may have done already
    hold: Hold | None = None
    hedge: Hedge | None = None
    is_continued: bool = False  # a text that breaks off goes on at the next target
    fallbacks: Mapping[str, Mapping[str, str]] = EMPTY  # fault -> model or pattern -> the model that serves it then


@dataclass(frozen=True, slots=True)
class LongText:
    """How a text is spoken that is too long for its targets: `ahead` parts are made beside the one that is heard."""

    ahead: int = 2
    caches_sentences: bool = False  # each sentence is a part, and kept by itself


@dataclass(frozen=True, slots=True)
class LongRecordings:
    """How a recording is written down that is too long for its targets: in pieces, so many at once."""

    at_once: int = 4
    piece_s: float = 600.0  # at most, whatever a target takes


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
class Step:
    """One operation of a pipeline. `templates` read the fields and `text`, which is what the step before gave."""

    operation: Literal["transcription", "chat", "speech"]
    model: str
    templates: Mapping[str, Template]  # language prompt | system message | voice instructions language
    settings: Mapping[str, Any] = EMPTY  # of `Chat` or `Speech`


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Operations that are one endpoint: each is given what the one before it gave."""

    steps: tuple[Step, ...]
    fields: Mapping[str, str | None] = EMPTY  # what a client may send beside its input -> the default, None: it has to


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
class LiveLimits:
    """How large, how long and how fast a route's live sessions may be."""

    frame_bytes: int = 1_048_576  # of a message, either way
    queue_bytes: int = 65_536  # of messages that the other side has not taken yet; beyond it nothing more is read
    idle_s: float = 60.0  # without any message, either way
    total_s: float = 3600.0
    ping_s: float = 20.0  # of silence, after which a side is asked whether it is there; 0: never


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP endpoint. A part of the chain that is None is not in it."""

    method: str
    path: str  # may hold {placeholders}, each a path segment or its beginning
    dialect: str
    model: str | None = None  # used where the client names none
    auth: Literal["required", "none"] = "required"
    quota: Limit | None = None
    cache: Cache | None = None
    is_coalesced: bool = False  # identical calls in flight share one
    failover: Failover = Failover()
    total_s: float | None = None  # deadline of a whole call
    timeouts: Timeouts | None = None  # of each attempt; the tighter of these and the target's hold
    middlewares: tuple[UserMiddleware, ...] = ()
    is_verbatim: bool = True  # False: always translate, even where client and vendor speak the same
    inputs: frozenset[RecordingInput] = frozenset({"file"})  # how recordings may come in
    log_content: LogContent | None = None  # None: nothing that is said is logged
    long_text: LongText | None = LongText()  # None: a text that is too long for a target passes it over
    long_recordings: LongRecordings | None = LongRecordings()  # None: one too long for a target passes it over
    prompt: Prompt | None = None
    pipeline: Pipeline | None = None
    allow: tuple[Allowed, ...] = ()  # what may pass through
    price: Price | None = None  # of a request that passes through
    live: LiveLimits | None = None  # of a route whose dialect is one of live audio

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the YAML files say, resolved."""

    server: Server
    keys: Keys
    providers: Mapping[str, Provider]
    models: tuple[ModelAlias, ...]  # exact names before patterns, longer patterns first
    routes: tuple[Route, ...]
    limits: tuple[Limit, ...] = ()
    webhook: str = field(default="", repr=False)  # where alerts are posted; may hold a token; "": nowhere
    # Models that limits and failover name in place of others -> their targets.
    substitutes: Mapping[str, tuple[Target, ...]] = EMPTY
    cache_stores: CacheStores = CacheStores()  # frozen
    redis_url: str = field(default="", repr=False)  # may hold a password; "": limits are each process's own
    # sqlite: and an absolute path, or postgresql://…, which may hold a password; "": there is no ledger
    database_url: str = field(default="", repr=False)
    retention_days: int = 90  # rows of the ledger are kept so long; the days' sums stay
    digest: str = ""  # of all files read, with what was substituted: 8 hex digits
    files: tuple[str, ...] = ()
    digests: Mapping[str, str] = EMPTY  # file -> 16 hex digits of its content
    secret_files: tuple[str, ...] = ()  # that ${file:…} read
    warnings: tuple[Problem, ...] = ()
    telemetry: Telemetry = Telemetry()
    # provider -> logical voice -> the vendor's, as routes.yaml says; under `*` another logical one for everybody
    voices: Mapping[str, Mapping[str, str]] = EMPTY

    def targets(self) -> Iterator[Target]:
        """Yield all that may be asked: what the models name, and every model of a provider that is on. Some twice."""
        for alias in self.models:
            yield from alias.targets
        for provider in self.providers.values():
            if provider.off_reason is None:
                yield from (Target(provider, model) for model in provider.models.values())
