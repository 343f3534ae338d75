"""What plugins and middlewares do while the files are compiled: somebody else's code, whose faults become problems."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from gateway.plugin import Inline, Loaded, PluginError, Worker, needed_credentials, voices_for
from gateway.types import Middleware, Provider

Answer = TypeVar("Answer")

# member of `Plugin` -> what it has to be, and how to tell
_SHAPES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "options_schema": ("a JSON Schema as a dict", lambda value: isinstance(value, Mapping)),
    "credentials": ("a tuple of names", lambda value: isinstance(value, tuple) and _are_texts(value)),
    "default_base_url": ("a text", lambda value: isinstance(value, str)),
    "backend": ("None, an Inline or a Worker", lambda value: value is None or isinstance(value, Inline | Worker)),
    "wire": ("a dict of operation to dialect", lambda value: isinstance(value, Mapping)),
    "default_voices": ("a dict of logical voice to the vendor's", lambda value: isinstance(value, Mapping)),
    "operations": ("a method", callable),
    "refusal": ("a method", callable),
    "build": ("a method", callable),
    "parse": ("a method", callable),
    "parse_error": ("a method", callable),
    "sign": ("a method", callable),
}


def build_middleware(loaded: Loaded, options: Mapping[str, Any]) -> Middleware:
    """Return the middleware that the factory makes of a route's options. Raises PluginError where it makes none."""
    built: Any = _run(loaded.file, lambda: loaded.value(options))
    if not callable(built):
        raise PluginError(
            f"{loaded.file}: MIDDLEWARE(options) returned {type(built).__name__}; "
            "it has to return the middleware: async def middleware(call, handler)"
        )
    middleware: Middleware = built
    return middleware


def check_plugin(loaded: Loaded, options: Mapping[str, Any]) -> None:
    """Raise PluginError unless each member is of its kind, and what is asked while compiling is answered."""
    plugin, file = loaded.value, loaded.file
    if isinstance(plugin, type):
        raise PluginError(f"{file}: PLUGIN is the class {plugin.__name__}; write PLUGIN = {plugin.__name__}()")
    for member, (shape, fits) in _SHAPES.items():
        if not fits(value := getattr(plugin, member)):
            raise PluginError(f"{file}: PLUGIN.{member} has to be {shape}, not {type(value).__name__}")
    operations = _run(file, plugin.operations)
    if not isinstance(operations, frozenset | set):
        raise PluginError(f"{file}: PLUGIN.operations() has to return a frozenset, not {type(operations).__name__}")
    needed: Any = _run(file, lambda: needed_credentials(plugin, options))
    if not isinstance(needed, tuple) or not _are_texts(needed):
        raise PluginError(f"{file}: PLUGIN.needs() has to return a tuple of names, not {type(needed).__name__}")


def check_voices(loaded: Loaded, provider: Provider) -> None:
    """Raise PluginError unless the plugin tells the voices of each of the provider's models."""
    for model in provider.models.values():
        voices: Any = _run(loaded.file, partial(voices_for, loaded.value, model))
        if not isinstance(voices, Mapping):
            raise PluginError(f"{loaded.file}: PLUGIN.voices_at() has to return a dict, not {type(voices).__name__}")


def _run(file: str, ask: Callable[[], Answer]) -> Answer:
    """Return what foreign code answers. Raises PluginError with the exception and the line it came from."""
    try:
        return ask()
    except (Exception, SystemExit) as error:  # foreign code: whatever it raises is a fault of the configuration
        root = file.removesuffix("__init__.py")
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(root)]
        place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else file
        raise PluginError(f"{place}: {type(error).__name__}: {error}") from error


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
