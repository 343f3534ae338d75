"""The house keeps its shape: imports point one way, I/O stays at the edges, and the engine knows no vendor.

The rules are docs and design in one; a new module has to be placed in `FLOORS` before it may import anything of ours.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up. A module imports from the floors below its own, and from within its own part; parts that share a
# floor do not know each other. The longest prefix decides, so `gateway.config.model` lies lower than `gateway.config`.
FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"gateway"}),  # gateway/__init__.py: a name and nothing else
    frozenset({"gateway.types"}),
    frozenset({"gateway.errors"}),
    frozenset(
        {
            "gateway.chain",
            "gateway.flow",
            "gateway.sse",
            "gateway.json",
            "gateway.plugin",
            "gateway.live",
            "gateway.audio",
        }
    )
    | frozenset({"gateway.routes", "gateway.worker", "gateway.websocket"}),
    frozenset({"gateway.config.names", "gateway.config.quantities"}),  # "did you mean"; 60/minute and 5 USD/day
    frozenset({"gateway.sigv4"}),  # for the plugins whose vendor has requests signed so
    frozenset({"gateway.shape", "gateway.template"}),  # what a prompt route is made of
    frozenset({"gateway.config.model"}),  # values only: what every part above is configured by
    frozenset({"gateway.stores", "gateway.telemetry"}),
    frozenset({"gateway.dialects", "gateway.upstream", "gateway.issuers"}),
    frozenset({"gateway.services"}),  # holds the stores and the upstream, and is handed to the middlewares
    frozenset({"gateway.middlewares"}),
    frozenset({"gateway.config"}),  # checks names against the plugins, dialects and middlewares there are
    frozenset({"gateway.snapshot", "gateway.decode"}),
    frozenset({"gateway.explain"}),
    frozenset({"gateway.admin"}),
    frozenset({"gateway.server"}),
    frozenset({"gateway.cli"}),
    frozenset({"gateway.__main__"}),
)

# Named for the type checker only; nothing is imported when the program runs.
FOR_TYPES_ONLY = {("gateway.types.providers", "gateway.plugin")}  # a provider holds its plugin

PLUGIN_MAY_IMPORT = (
    "gateway.types",
    "gateway.errors",
    "gateway.flow",
    "gateway.sse",
    "gateway.json",
    "gateway.audio",
    "gateway.plugin",
    "gateway.live",
    "gateway.sigv4",
)

HTTP_LIBRARIES = {"aiohappyeyeballs", "aiohttp", "aiohttp_cors", "httptools"}
MAY_SPEAK_HTTP = ("gateway.server", "gateway.upstream", "gateway.services", "gateway.admin")
NETWORK_MODULES = HTTP_LIBRARIES | {"http.client", "httpx", "requests", "socket", "ssl", "urllib.request", "urllib3"}

# The core dependencies of pyproject.toml as they are imported; yarl and multidict are parts of aiohttp's API.
DECLARED = HTTP_LIBRARIES | {"click", "jinja2", "jsonschema", "limits", "multidict", "orjson", "yaml", "yarl"}
DECLARED |= {
    "prometheus_async",
    "prometheus_client",
    "psutil",
    "referencing",
}  # the last is where jsonschema keeps references
DECLARED |= {"sentencex"}  # imported where a text is cut
DECLARED |= {"av", "redis"}  # of the extra `audio`; without it nothing is converted from codec to codec
DECLARED |= {"asyncpg"}  # of the extra `postgres`, where a URL of it is configured
DECLARED |= {"cryptography", "jwt"}  # of the extra `jwt`, where an issuer of tokens is configured
DECLARED |= {"opentelemetry"}  # of the extra `otel`, where a collector is configured
DECLARED |= {"numpy"}  # of the extra `semantic`, where a cache is told to look for what is similar
DECLARED |= {"botocore"}  # of the extra `aws`; whose plugins need it are off without it

VENDORS = re.compile(
    r"openai|anthropic|claude|google|deepgram|elevenlabs|bedrock|azure|mistral|openrouter|assemblyai|cartesia|vertex_?ai"
    r"|(?<![a-z])(?:amazon|aws|cohere|gcp|gemini|gpt|groq|ollama|polly|vllm|whisper|xai)(?![a-z])"
)

# Protocols of the operating system, not settings: these names are not ours to put into YAML.
SYSTEM_VARIABLES = {"CREDENTIALS_DIRECTORY", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "NO_COLOR", "WATCHDOG_USEC"}
SYSTEM_VARIABLES |= {"XDG_RUNTIME_DIR"}  # a folder for the sockets of the user who is logged in
SYSTEM_VARIABLES |= {"WATCHDOG_PID"}


# ---------------------------------------------------------------- reading source


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def imports(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """Yield (module, line, is it for the type checker only), also from inside functions."""
    type_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = "." * node.level + (node.module or "")
            below = [f"{package}.{alias.name}" for alias in node.names]
            names = [name if is_module(name) else package for name in below]
        else:
            continue
        for name in names:
            yield name, node.lineno, id(node) in type_only


def is_within(module: str, part: str) -> bool:
    return module == part or module.startswith(part + ".")


def place(module: str) -> tuple[int, str] | None:
    """Return (floor, part) of one of our modules, None where nobody placed it. `gateway` itself is no prefix."""
    found = [
        (len(part), floor, part)
        for floor, parts in enumerate(FLOORS)
        for part in parts
        if module == part or (part != "gateway" and is_within(module, part))
    ]
    return max(found)[1:] if found else None


def engine_faults(module: str, source: str) -> list[str]:
    here = place(module)
    if here is None:
        return [f"{module} is on no floor: place it in FLOORS"]
    faults = []
    for name, line, for_types in imports(ast.parse(source)):
        where = f"{module}:{line}"
        if name.startswith("."):
            faults.append(f"{where} imports relatively")
        elif name.split(".")[0] in HTTP_LIBRARIES and not any(is_within(module, part) for part in MAY_SPEAK_HTTP):
            faults.append(f"{where} imports {name}; HTTP belongs in {', '.join(MAY_SPEAK_HTTP)}")
        elif is_within(name, "plugins") or is_within(name, "tests"):
            faults.append(f"{where} imports {name}; plugins are found by file, never by name")
        elif is_within(name, "gateway") and not (for_types and (module, name) in FOR_TYPES_ONLY):
            there = place(name)
            if there is None:
                faults.append(f"{where} imports {name}, which is on no floor: place it in FLOORS")
            elif there[1] != here[1] and there[0] >= here[0]:
                faults.append(f"{where} imports {name}: {there[1]} is not below {here[1]}")
    return faults


def plugin_faults(module: str, source: str) -> list[str]:
    """Return what is wrong. A plugin of several files reaches its own by `from .part import`: its name is not fixed."""
    own = ".".join(module.split(".")[:2])
    faults = []
    for name, line, _ in imports(ast.parse(source)):
        where = f"{module}:{line}"
        if name.startswith(".."):
            faults.append(f"{where} imports {name}: plugins do not know each other")
        elif any(is_within(name, network) for network in NETWORK_MODULES):
            faults.append(f"{where} imports {name}: a plugin translates, the engine sends")
        elif is_within(name, "gateway") and not any(is_within(name, allowed) for allowed in PLUGIN_MAY_IMPORT):
            faults.append(f"{where} imports {name}; a plugin may import {', '.join(PLUGIN_MAY_IMPORT)}")
        elif is_within(name, "plugins") and not is_within(name, own):
            faults.append(f"{where} imports {name}: plugins do not know each other")
    return faults


def words(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield every identifier and string with its line; not docstrings, which may cite where a format comes from."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                yield text, line
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                yield name, line
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, line
            case ast.alias(name=name, asname=asname):
                yield f"{name} {asname or ''}", line


def vendors_named(module: str, source: str) -> list[str]:
    """Return every place that names a vendor. Which dialect a module asks `gateway.dialects` for is named there too."""
    faults = [f"the name of {module}"] if VENDORS.search(module) else []
    for text, line in words(ast.parse(source)):
        if found := VENDORS.search(text.lower()):
            faults.append(f"{module}:{line} names {found.group()!r} in {text[:60]!r}")
    return faults


def variables_read(source: str) -> list[str]:
    """Return the names of environment variables that are spelled out in calls and subscripts of the environment."""
    names = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Subscript(value=holder, slice=ast.Constant(value=str(name))) if "environ" in ast.unparse(holder):
                names.append(name)
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if re.search(
                r"\benviron(ment)?\b|getenv", ast.unparse(function)
            ):
                names.append(name)
    return names


# ---------------------------------------------------------------- the rules


@pytest.mark.parametrize("path", sources("gateway"), ids=module_of)
def test_the_engine_imports_only_downwards(path: Path) -> None:
    assert engine_faults(module_of(path), path.read_text()) == []


@pytest.mark.parametrize("path", sources("plugins"), ids=module_of)
def test_a_plugin_imports_the_vocabulary_and_nothing_that_sends(path: Path) -> None:
    assert plugin_faults(module_of(path), path.read_text()) == []


@pytest.mark.parametrize("path", sources("gateway"), ids=module_of)
def test_the_engine_names_no_vendor_outside_its_dialects(path: Path) -> None:
    if not is_within(module_of(path), "gateway.dialects"):
        assert vendors_named(module_of(path), path.read_text()) == []


@pytest.mark.parametrize("path", sources("gateway") + sources("plugins"), ids=module_of)
def test_names_of_settings_in_the_environment_stand_in_yaml_only(path: Path) -> None:
    assert set(variables_read(path.read_text())) <= SYSTEM_VARIABLES


def test_the_engine_needs_no_module_that_is_not_declared() -> None:
    known = {"gateway"} | DECLARED | sys.stdlib_module_names
    for path in sources("gateway"):
        foreign = {name.split(".")[0] for name, _, _ in imports(ast.parse(path.read_text()))} - known
        assert not foreign, (
            f"{module_of(path)} imports {foreign}: declare it in pyproject.toml and here, with its reason"
        )


# ---------------------------------------------------------------- the rules bite


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gateway.types", "from gateway.errors import GatewayError"),
        ("gateway.sse", "from gateway import json"),  # the same floor
        ("gateway.dialects.native", "from gateway.upstream import Upstream"),
        ("gateway.middlewares.auth", "def f():\n    import gateway.server"),
        ("gateway.chain", "import aiohttp"),
        ("gateway.telemetry.metrics", "from aiohttp import web"),
        ("gateway.server.app", "import plugins.openai"),
        ("gateway.server.app", "from . import front"),
        ("gateway.newcomer", ""),
        ("gateway.chain", "if TYPE_CHECKING:\n    from gateway.snapshot import Snapshot"),
    ],
)
def test_a_wrong_import_of_the_engine_is_seen(module: str, source: str) -> None:
    assert engine_faults(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gateway.errors", "import gateway.types"),
        ("gateway.dialects.native", "from gateway import json, sse\nfrom gateway.dialects.fields import Fields"),
        ("gateway.upstream.http", "import aiohttp"),
        ("gateway.middlewares.quota", "from gateway.config.model import Config"),
        ("gateway.types.providers", "if TYPE_CHECKING:\n    from gateway.plugin import Plugin"),
    ],
)
def test_a_right_import_of_the_engine_passes(module: str, source: str) -> None:
    assert engine_faults(module, source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import aiohttp",
        "import socket",
        "import urllib.request",
        "from gateway.upstream import Upstream",
        "from gateway import services",
        "from plugins import anthropic",
        "from ..anthropic import PLUGIN",
    ],
)
def test_a_wrong_import_of_a_plugin_is_seen(source: str) -> None:
    assert plugin_faults("plugins.openai", source)


def test_a_plugin_may_import_its_own_package_and_the_vocabulary() -> None:
    source = "import json\nfrom gateway.types import Call\nfrom gateway.audio import wav\nfrom .chat import say"
    assert plugin_faults("plugins.sandbox.speech", source) == []


@pytest.mark.parametrize(
    "source",
    [
        "OpenAIError = 1",
        "def to_aws(): ...",
        "x = {'provider': 'deepgram'}",
        "from gateway.dialects import OpenAIChat",
        "call(gemini=1)",
    ],
)
def test_a_vendor_in_the_engine_is_seen(source: str) -> None:
    assert vendors_named("gateway.server.app", source)


@pytest.mark.parametrize(
    "source", ['"""As OpenAI\'s API has it."""', "x = 1  # Anthropic's 32 MB", "draws = laws = 'flaws'"]
)
def test_a_vendor_may_be_cited_where_nothing_runs(source: str) -> None:
    assert vendors_named("gateway.server.app", source) == []


@pytest.mark.parametrize(
    "source", ["os.environ['X_KEY']", "os.environ.get('X_KEY', '')", "os.getenv('X_KEY')", "environ.pop('X_KEY')"]
)
def test_a_variable_of_the_environment_that_code_names_is_seen(source: str) -> None:
    assert variables_read(source) == ["X_KEY"]
