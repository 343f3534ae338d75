"""`gateway plugins`: which there are, what one takes, the beginning of one's own, and whether it keeps the contract."""

from __future__ import annotations

import asyncio
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from gateway.cli.conformance import CHECKS, Nonconforming, contract_faults
from gateway.cli.console import EXIT_MISUSE, EXIT_REFUSED, JSON, Failed, coloured, found_files, print_json
from gateway.cli.plugin_case import read_case
from gateway.config.files import plugin_folders
from gateway.config.names import unknown
from gateway.plugin import Inline, Loaded, PluginError, available, load_middleware, load_plugin

SCAFFOLD = Path(__file__).parent / "scaffold"
CASES = ".cases"  # of `mine.py` stand in `mine.cases/`
KINDS = ("chat", "speech", "middleware")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

_CONFIG = click.option("--config", type=click.Path(path_type=Path), help="Folder of routes.yaml and providers.yaml.")


@click.group("plugins")
def command() -> None:
    """Vendors and rules in Python files: the bundled ones, and those in plugins/ beside the YAML."""


# ---------------------------------------------------------------- list, show


@command.command("list")
@_CONFIG
@JSON
def list_plugins(config: Path | None, as_json: bool) -> int:
    """List plugins and middlewares, where each is and what it can do. Exits with 1 where one does not load."""
    folders = _folders(config)
    rows = [_row(name, folders) for name in available(folders)]
    if as_json:
        print_json({"plugins": rows})
    else:
        width = max((len(row["name"]) for row in rows), default=0)
        for row in rows:
            said = coloured(row["fault"], "red") if row["fault"] else ", ".join(row["operations"]) or "middleware"
            click.echo(f"{row['name']:<{width}}  {said}  {row['file']}")
    return EXIT_REFUSED if any(row["fault"] for row in rows) else 0


@command.command("show")
@click.argument("name")
@_CONFIG
@JSON
def show(name: str, config: Path | None, as_json: bool) -> int:
    """Print what the plugin NAME does, needs and takes as `options`."""
    loaded = _loaded(name, _folders(config))
    plugin = loaded.value
    if callable(plugin) and not hasattr(plugin, "operations"):
        facts: dict[str, Any] = {"name": name, "kind": "middleware", "file": loaded.file, "about": plugin.__doc__}
    else:
        facts = {"name": name, "kind": "plugin", "file": loaded.file, **_facts(plugin)}
    if as_json:
        print_json(facts)
        return 0
    for key, value in facts.items():
        if key != "options":
            click.echo(f"{key}: {', '.join(value) if isinstance(value, list) else value or 'none'}")
    for line in _options(facts.get("options", {})):
        click.echo(line)
    return 0


def _row(name: str, folders: Sequence[Path]) -> dict[str, Any]:
    try:
        loaded = _load(name, folders)
    except PluginError as error:
        return {"name": name, "kind": None, "file": "", "operations": [], "fault": error.message}
    is_plugin = hasattr(loaded.value, "operations")
    operations = sorted(loaded.value.operations()) if is_plugin else []
    kind = "plugin" if is_plugin else "middleware"
    return {"name": name, "kind": kind, "file": loaded.file, "operations": operations, "fault": None}


def _facts(plugin: Any) -> dict[str, Any]:
    backend = "over HTTP" if plugin.backend is None else "in this process"
    if plugin.backend is not None and not isinstance(plugin.backend, Inline):
        backend = "in subprocesses"
    return {
        "operations": sorted(plugin.operations()),
        "reached": backend,
        "credentials": list(plugin.credentials),
        "default_base_url": plugin.default_base_url or None,
        "speaks": sorted(set(plugin.wire.values())),
        "voices": sorted(plugin.default_voices),
        "options": _plain(plugin.options_schema.get("properties", {})),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _options(options: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in options.items():
        words = schema.get("enum")
        kind = " | ".join(map(str, words)) if words else schema.get("type", "")
        default = f" (default {schema['default']})" if "default" in schema else ""
        yield f"options.{name}: {kind}{default}: {schema.get('description', '')}".replace(": :", ":")


# ---------------------------------------------------------------- new


@command.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), default="chat", show_default=True, help="What it is to do.")
@_CONFIG
@JSON
def new(name: str, kind: str, config: Path | None, as_json: bool) -> int:
    """Write the beginning of a plugin, or of a middleware, with exchanges that `plugins test` plays.

    It goes into plugins/ beside the YAML: NAME.py, and its cases into NAME.cases/. What is there is not written over.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise Failed(f"{name!r} is no name for a plugin: small letters, digits and _, a letter first", EXIT_MISUSE)
    found = found_files((config,) if config is not None else ())
    if found.home != found.routes.parent:  # the bundled files of a package: nothing is looked for beside them
        raise Failed("plugins stand beside a configuration of your own; begin one: gateway init")
    folder = found.home / "plugins"
    words = {
        "name": name,
        "class_name": "".join(part.capitalize() for part in name.split("_")),
        "function_name": name,
        "host": name.replace("_", "-"),
    }
    files = {folder / f"{name}.py": f"{kind}.py.txt"}
    files |= {
        folder / f"{name}{CASES}" / f"{path.name.split('.')[1]}.yaml": path.name
        for path in sorted(SCAFFOLD.glob(f"{kind}.*.yaml.txt"))
    }
    if there := [str(path) for path in (*files, folder / name) if path.exists()]:
        raise Failed(f"{there[0]} is there already; take another name, or move it away")
    try:
        for path, template in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text((SCAFFOLD / template).read_text().format(**words))
    except OSError as error:
        raise Failed(f"{error.filename} cannot be written: {error.strerror}") from error
    if as_json:
        print_json({"files": [str(path) for path in files]})
        return 0
    for path in files:
        click.echo(str(path))
    click.echo(
        f"next: gateway plugins test {name}" if kind != "middleware" else f"next: name it at a route, {_link(name)}"
    )
    return 0


def _link(name: str) -> str:
    return f"middlewares: [{{name: {name}, after: auth}}]"


# ---------------------------------------------------------------- test


@command.command("test")
@click.argument("name")
@_CONFIG
@click.option("--cases", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Left out: NAME.cases/.")
@JSON
def test(name: str, config: Path | None, cases: Path | None, as_json: bool) -> int:
    """Check that the plugin NAME keeps the contract, and play the exchanges of its cases, without a network.

    The vendor's answers are parsed whole, cut in two at every byte, and ended early at every byte. The format of a case
    stands in docs/plugins.md. Exits with 1 where something fails.
    """
    loaded = _loaded(name, _folders(config))
    if not hasattr(loaded.value, "operations"):
        raise Failed(f"{loaded.file} is a middleware: gateway check makes it, and a route shows what it does")
    results = [("the contract", fault) for fault in contract_faults(loaded)] or [("the contract", "")]
    folder = cases or _cases_of(loaded, name)
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    for file in files:
        results += _played(file, loaded)
    failed = [what for what, fault in results if fault]
    if as_json:
        found = [{"what": what, "fault": fault or None} for what, fault in results]
        print_json({"is_ok": not failed, "cases": len(files), "checks": found})
        return EXIT_REFUSED if failed else 0
    for what, fault in results:
        click.echo(f"{coloured('failed', 'red')} {what}: {fault}" if fault else f"{coloured('ok    ', 'green')} {what}")
    if not files:
        click.echo(f"there are no cases; put exchanges with the vendor into {folder}/, as docs/plugins.md has them")
    return EXIT_REFUSED if failed else 0


def _cases_of(loaded: Loaded, name: str) -> Path:
    file = Path(loaded.file)
    return (file.parent.parent if file.name == "__init__.py" else file.parent) / f"{name}{CASES}"


def _played(file: Path, loaded: Loaded) -> list[tuple[str, str]]:
    """Return (what was checked, what is wrong or "")."""
    try:
        case = read_case(file, loaded.value)
    except (ValueError, TypeError, LookupError, OSError, yaml.YAMLError) as error:
        return [(file.stem, f"{file}: {error}")]
    found = []
    for what, check in CHECKS.items():
        try:
            asyncio.run(_run(check, case))
            found.append((f"{file.stem}: {what}", ""))
        except Nonconforming as fault:
            found.append((f"{file.stem}: {what}", str(fault)))
    return found


async def _run(check: Any, case: Any) -> None:
    try:
        await check(case)
    except Nonconforming:
        raise
    except Exception as error:  # a plugin is foreign code: whatever it raises is what is looked for
        raise Nonconforming(f"raises {type(error).__name__}: {error}; it may raise errors of gateway.errors") from error


# ---------------------------------------------------------------- finding them


def _folders(config: Path | None) -> tuple[Path, ...]:
    return plugin_folders(found_files((config,) if config is not None else ()))


def _loaded(name: str, folders: Sequence[Path]) -> Loaded:
    names = available(folders)
    if name not in names:
        raise Failed(f"there is no plugin {name!r}{unknown(name, names)}", EXIT_MISUSE)
    try:
        return _load(name, folders)
    except PluginError as error:
        raise Failed(error.message) from error


def _load(name: str, folders: Sequence[Path]) -> Loaded:
    """Return the plugin or the middleware of that name. Raises PluginError."""
    try:
        return load_plugin(name, folders)
    except PluginError as error:
        if "it defines MIDDLEWARE" not in error.message:
            raise
        return load_middleware(name, folders)
