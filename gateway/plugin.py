"""What a provider plugin is, and how one is found.

A plugin is a Python file or package that defines `PLUGIN`, an object of the shape below. It translates to and from one
vendor's wire format and does nothing else: no I/O, no clock, no state. Files are looked for in `plugins/` beside the
operator's YAML, then among the bundled ones, and are read again at every reload.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import math
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

from gateway.errors import GatewayError, UpstreamMalformed
from gateway.types import Call, Chat, Event, Model, Operation, Provider, Target, UpstreamRequest, UpstreamResponse


@dataclass(frozen=True, slots=True)
class Inline:
    """The provider lives inside the gateway's own process: `answer` stands where a vendor's server would, and `live`
    where its live endpoint would: what is written to it comes in, what it says comes out."""

    answer: Callable[[UpstreamRequest], Awaitable[UpstreamResponse]]
    live: Callable[[UpstreamRequest, AsyncIterator[bytes]], AsyncIterator[bytes]] | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """The provider lives in subprocesses; each runs `python -m gateway.worker FILE`, which says what FILE defines."""

    file: str
    requires: tuple[str, ...] = ()  # importable modules without which the provider is off
    install_hint: str = ""  # what to install to have them


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and for how many seconds it holds from now on."""

    value: str = field(repr=False)
    lasts_s: float


@dataclass(frozen=True, slots=True)
class AskToken:
    """How a short-lived token is asked for, given the time in seconds since 1970, and how the answer to that is read.

    `read` raises UpstreamMalformed. The engine sends the request, keeps the token, and puts it among the credentials as
    `access_token` before `sign`.
    """

    request: Callable[[Provider, float], UpstreamRequest]
    read: Callable[[bytes], Token]


@dataclass(frozen=True, slots=True)
class Found:
    """Credentials that were found, and for how many seconds they hold from now on; None: until they are refused."""

    credentials: Mapping[str, str] = field(repr=False)
    lasts_s: float | None = None


@runtime_checkable
class Plugin(Protocol):
    """One vendor's wire format."""

    options_schema: Mapping[str, Any]  # JSON Schema of the plugin's own keys (`options`) in providers.yaml
    credentials: tuple[str, ...]  # names of the credentials without which a provider of this kind is off
    default_base_url: str  # "" where the operator has to give one
    backend: Inline | Worker | None  # None: the vendor is reached over HTTP
    wire: Mapping[Operation, str]  # the dialect that is this vendor's own wire format, where there is one
    default_voices: Mapping[str, str]  # logical voice -> the vendor's; routes.yaml overrides
    # Optional, see `lacking`: `lacks: frozenset[str]`, the fields of `Chat` and `Speech` its format cannot express.
    # Optional: `voice_facts: Mapping[str, VoiceFact]`, what is known of the vendor's voices, for the lists of voices;
    # `system: str`, the vendor in OpenTelemetry (`gen_ai.provider.name`), where that is not the provider's own name;
    # `live: LiveWire`, how it serves sockets of live audio, see gateway/live.py;
    # `short_names: frozenset[str]`, those of `default_voices` that are other names of its own voices, not logical.

    def operations(self) -> frozenset[Operation]:
        """What this plugin can do at all."""
        ...

    def refusal(self, call: Call, target: Target) -> str | None:
        """Return why this target cannot serve this call ("has no format opus"), or None where it can."""
        ...

    def build(self, call: Call, target: Target) -> UpstreamRequest:
        """Translate the call. Raises GatewayError where the vendor cannot express it."""
        ...

    def parse(self, call: Call, response: UpstreamResponse) -> AsyncIterator[Event]:
        """Yield the answer's events as they arrive, ending with `Done` once the vendor's own end mark was read.

        Raises UpstreamCut, UpstreamMalformed, or what `parse_error` returns for an error inside a 200.
        """
        ...

    def parse_error(self, status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
        """Say what a non-2xx answer means: whose fault, whether to go elsewhere, when to come back."""
        ...

    def sign(self, request: UpstreamRequest, target: Target) -> UpstreamRequest:
        """Add the credentials to a request that is otherwise complete."""
        ...


def needed_credentials(plugin: Plugin, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the credentials without which a provider with these options is off: `Plugin.credentials`.

    A plugin of which it depends on the options says so by `needs(options) -> tuple[str, ...]`.
    """
    needs: Callable[[Mapping[str, Any]], tuple[str, ...]] | None = getattr(plugin, "needs", None)
    return needs(options) if needs is not None else plugin.credentials


def is_native(call: Call, target: Target) -> bool:
    """Say whether the client's dialect is the wire format that this target takes.

    A plugin that has more than one wire format for an operation says so itself, by `speaks(call, target) -> bool`.
    """
    plugin = target.provider.plugin
    speaks: Callable[[Call, Target], bool] | None = getattr(plugin, "speaks", None)
    return speaks(call, target) if speaks is not None else plugin.wire.get(call.operation) == call.dialect


def lacking(call: Call, target: Target) -> frozenset[str]:
    """Return the fields of `Chat` and `Speech` that the vendor's format cannot express: `Plugin.lacks`.

    A plugin of which it depends on the target says so by `lacks_at(call, target) -> frozenset[str]`.
    """
    plugin = target.provider.plugin
    lacks_at: Callable[[Call, Target], frozenset[str]] | None = getattr(plugin, "lacks_at", None)
    return lacks_at(call, target) if lacks_at is not None else getattr(plugin, "lacks", frozenset())


def carried(call: Call, target: Target) -> Container[str]:
    """Return the names in `Chat.extra` that `build` writes out: all for a client of the same wire format, else none.

    A plugin that carries some of another dialect's says so by `carries(call, target) -> frozenset[str]`.
    """
    if is_native(call, target):
        return call.body.extra if isinstance(call.body, Chat) else ()
    carries: Callable[[Call, Target], frozenset[str]] | None = getattr(target.provider.plugin, "carries", None)
    return carries(call, target) if carries is not None else ()


def voices_for(plugin: Plugin, model: Model) -> Mapping[str, str]:
    """Return logical voice -> the vendor's for one model: `Plugin.default_voices`.

    A plugin whose models have different voices says so by `voices_at(model) -> Mapping[str, str]`.
    """
    voices_at: Callable[[Model], Mapping[str, str]] | None = getattr(plugin, "voices_at", None)
    return voices_at(model) if voices_at is not None else plugin.default_voices


def asks_token(provider: Provider) -> AskToken | None:
    """Return how this provider's tokens are asked for: the plugin's optional `token(provider) -> AskToken | None`."""
    token: Callable[[Provider], AskToken | None] | None = getattr(provider.plugin, "token", None)
    return token(provider) if token is not None else None


def finds_credentials(provider: Provider) -> Callable[[Provider], Found] | None:
    """Return how this provider's credentials are found: the plugin's optional `find_credentials(provider) -> Found`.

    It may read files and ask services, so that the engine runs it in a thread, before the first `sign` and whenever
    what it found ends or is refused. Raises UpstreamRefusedUs where there are none.
    """
    find: Callable[[Provider], Found] | None = getattr(provider.plugin, "find_credentials", None)
    return find


def takes_urls(target: Target) -> bool:
    """Say whether the vendor fetches a recording by its address: the plugin's optional `takes_urls: bool`."""
    return bool(getattr(target.provider.plugin, "takes_urls", False))


async def read_all(response: UpstreamResponse, limit_bytes: int) -> bytes:
    """Return a whole body of at most `limit_bytes`. Raises UpstreamMalformed where there is more."""
    parts: list[bytes] = []
    size = 0
    async for chunk in response.chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > limit_bytes:
            raise UpstreamMalformed(f"the answer is larger than {limit_bytes} bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the wait a vendor asks for: `retry-after-ms`, or `retry-after` in seconds or as a date (RFC 9110, 10.2.3).

    A date is read against the answer's own `date`, so that no clock is needed.
    """
    for read in (_of_milliseconds, _of_seconds_or_date):
        try:
            wait_s = read(headers)
        except (ValueError, TypeError, OverflowError):  # TypeError: one of two dates is without a zone
            continue  # a wait that cannot be read is a wait that was not given
        if wait_s is not None and math.isfinite(wait_s):
            return max(0.0, wait_s)
    return None


def _of_milliseconds(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after-ms")
    return None if text is None else float(text) / 1000


def _of_seconds_or_date(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "").strip()
    if not text or text[0].isdigit() or text[0] in "+-.":
        return float(text) if text else None
    wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
    return wait.total_seconds()


# ---------------------------------------------------------------- finding and loading

MEMBERS = (  # of `Plugin`; a test holds the two together
    "options_schema",
    "credentials",
    "default_base_url",
    "backend",
    "wire",
    "default_voices",
    "operations",
    "refusal",
    "build",
    "parse",
    "parse_error",
    "sign",
)
MAX_SOURCE_BYTES = 4_194_304  # a translator has some hundred lines; more is some other folder


class PluginError(GatewayError):
    """A plugin is missing, does not run, or does not define what it has to."""

    code = "plugin_error"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a plugin's module defines, the file it came from, and the SHA-256 of its source."""

    value: Any
    file: str
    digest: str


def load_plugin(name: str, folders: Sequence[Path]) -> Loaded:
    """Return the `PLUGIN` of the first `<folder>/<name>.py` or `<folder>/<name>/` there is. Raises PluginError."""
    loaded = _load(name, folders, "PLUGIN")
    lacking = [member for member in MEMBERS if not hasattr(loaded.value, member)]
    if lacking:
        raise PluginError(f"{loaded.file}: PLUGIN lacks {', '.join(lacking)}; gateway/plugin.py says what each is")
    return loaded


def load_middleware(name: str, folders: Sequence[Path]) -> Loaded:
    """Return the `MIDDLEWARE` factory of the first file or folder of that name. Raises PluginError."""
    loaded = _load(name, folders, "MIDDLEWARE")
    if not callable(loaded.value):
        raise PluginError(f"{loaded.file}: MIDDLEWARE has to be a function of the options that returns the middleware")
    return loaded


def available(folders: Sequence[Path]) -> list[str]:
    """Return the names of what may be plugins or middlewares."""
    files = [file.stem for folder in folders for file in folder.glob("*.py")]
    packages = [file.parent.name for folder in folders for file in folder.glob("*/__init__.py")]
    return sorted({name for name in (*files, *packages) if not name.startswith("_")})


def _load(name: str, folders: Sequence[Path], attribute: str) -> Loaded:
    for folder in folders:
        for file in (folder / f"{name}.py", folder / name / "__init__.py"):
            if file.is_file():
                return _read(name, file, attribute)
    places = " or ".join(str(folder) for folder in folders)
    raise PluginError(f"there is no {name}.py in {places}")


def _read(name: str, file: Path, attribute: str) -> Loaded:
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    try:
        if sum(part.stat().st_size for part in files) > MAX_SOURCE_BYTES:
            raise PluginError(f"{file} and what lies beside it is larger than {MAX_SOURCE_BYTES} bytes")
        source = b"\0".join(part.read_bytes() for part in files)
    except OSError as error:
        raise PluginError(f"{error.filename} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(source).hexdigest()
    module = _run(f"plugins.{name}", str(file), digest)
    if not hasattr(module, attribute):
        other = "MIDDLEWARE" if attribute == "PLUGIN" else "PLUGIN"
        hint = f", it defines {other}" if hasattr(module, other) else ""
        raise PluginError(f"{file} does not define {attribute}{hint}")
    return Loaded(getattr(module, attribute), str(file), digest)


@lru_cache(maxsize=64)  # by content: a reload of unchanged files runs nothing again, and old versions do not pile up
def _run(module_name: str, file: str, digest: str) -> ModuleType:
    """Run a plugin as a fresh module. Raises PluginError with the exception and the line it came from."""
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if f"{name}.".startswith(f"{module_name}.")}
    if before:
        _forget_bytecode(Path(file))
    module = _module(module_name, file)
    _ensure_parent(module_name.partition(".")[0])
    sys.modules[module_name] = module  # dataclasses, and a package's imports of its own parts, look it up there
    try:
        if module.__spec__ is not None and module.__spec__.loader is not None:
            module.__spec__.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # foreign code: whatever it raises is a fault of the configuration
        for name in [name for name in sys.modules if f"{name}.".startswith(f"{module_name}.")]:
            del sys.modules[name]
        sys.modules.update(before)
        raise PluginError(f"{_place_of(error, file)}: {type(error).__name__}: {error}") from error
    return module


def _module(module_name: str, file: str) -> ModuleType:
    folder = [str(Path(file).parent)] if Path(file).name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(module_name, file, submodule_search_locations=folder)
    if spec is None:
        raise PluginError(f"{file} is not a Python file")
    return importlib.util.module_from_spec(spec)


def _ensure_parent(name: str) -> None:
    """`from . import part` asks for the module above all plugins, which no installed gateway has: make it, empty."""
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        parent = ModuleType(name)
        parent.__path__ = []
        sys.modules[name] = parent


def _forget_bytecode(file: Path) -> None:
    """Compiled files are told apart by size and whole seconds: two edits within one would not be seen."""
    importlib.invalidate_caches()
    for part in file.parent.rglob("*.py") if file.name == "__init__.py" else [file]:
        with suppress(OSError):  # a folder that cannot be written to has no compiled files of ours
            Path(importlib.util.cache_from_source(str(part))).unlink()


def _place_of(error: BaseException, file: str) -> str:
    """Return `file:line` of the innermost line of the plugin's own that was running."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}:{error.lineno}"
    root = file.removesuffix("__init__.py")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(root)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else file
