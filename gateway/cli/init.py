"""`gateway init`: a folder with a configuration to begin with. Asks on a terminal, else takes options."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import click

from gateway.cli.console import EXIT_MISUSE, JSON, Failed, coloured, print_json
from gateway.cli.starter import Bundled, Wanted, providers_yaml, routes_yaml, variables
from gateway.config.dotenv import read_dotenv
from gateway.config.files import PROVIDERS, ROUTES, bundled, find_files
from gateway.config.load import read
from gateway.config.names import unknown

LOOPBACK = ("127.", "localhost", "[::1]")
KEY_BYTES = 32  # of a key that is made here: 256 bits, as of those that the store makes
IGNORED = ".env\ndata/\n"  # what does not belong into version control


@click.command("init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option(
    "--provider", "providers", multiple=True, help="A vendor to begin with; may be repeated. none: no vendor."
)
@click.option("--listen", default="", help="Address and port. [default: 127.0.0.1:8001]")
@click.option("--ledger/--no-ledger", "has_ledger", default=True, help="Keep usage and keys in data/gateway.db.")
@click.option("--key", "key_name", default="", help="Make a key of this name; from then on every client needs one.")
@click.option("--force", is_flag=True, help="Write over routes.yaml and providers.yaml that are there.")
@JSON
def command(
    folder: Path,
    providers: tuple[str, ...],
    listen: str,
    has_ledger: bool,
    key_name: str,
    force: bool,
    as_json: bool,
) -> int:
    """Write routes.yaml and providers.yaml, commented, into FOLDER, and .env with the variables that they need.

    It serves at once, by the voices and the sandbox of this machine until vendors have their keys. On a terminal what
    is not given is asked for. Nothing that is there is written over without --force; .env is only added to.
    """
    source = Bundled.read()
    _check_free(folder, force)
    values: dict[str, str] = {}
    if not providers and sys.stdin.isatty() and not as_json:
        providers, values = _asked(source)
    wanted = Wanted(_checked(source, providers), listen, has_ledger)
    is_open = bool(listen) and not listen.startswith(LOOPBACK)
    if key_name or is_open:
        values["API_KEYS"] = f"{key_name or 'app'}:gw_{secrets.token_urlsafe(KEY_BYTES)}"
    texts = {ROUTES: routes_yaml(source, wanted), PROVIDERS: providers_yaml(source, wanted)}
    _check(texts)
    names = variables(source, wanted.providers)
    written = write_configuration(folder, texts, {**dict.fromkeys(names, ""), **values}, force=force)
    if as_json:
        print_json({"folder": str(folder), "files": written, "providers": list(wanted.providers), "variables": names})
        return 0
    click.echo(f"{coloured('written', 'green')}: {', '.join(written)} in {folder}")
    empty = [name for name in names if not values.get(name)]
    if empty:
        click.echo(f"set in {folder / '.env'}: {', '.join(empty)}; until then those vendors are off")
    if "API_KEYS" in values:
        click.echo(f"clients need the key that stands in {folder / '.env'} as API_KEYS, behind the name")
    click.echo(f"next: gateway run {folder}")
    return 0


def _asked(source: Bundled) -> tuple[tuple[str, ...], dict[str, str]]:
    """Ask which vendors, and for what they need."""
    vendors = {vendor.name: vendor for vendor in source.vendors()}
    click.echo("Vendors, each off until its variables are set:")
    for vendor in vendors.values():
        click.echo(f"  {vendor.name:<14} {', '.join(vendor.operations)}")
    while True:
        text = click.prompt("Which, with commas (none: this machine alone)", default="none")
        names = tuple(name.strip() for name in text.split(",") if name.strip())
        if not (strange := [name for name in names if name not in vendors and name != "none"]):
            break
        click.echo(f"there is no {strange[0]!r}{unknown(strange[0], vendors)}")
    values = {}
    for variable in variables(source, names):
        is_secret = not variable.endswith(("URL", "REGION", "ID", "LOCATION"))
        said = "not shown" if is_secret else "shown"
        values[variable] = click.prompt(
            f"{variable} (empty: later; {said})", default="", show_default=False, hide_input=is_secret
        )
    return names or ("none",), values


def _checked(source: Bundled, names: tuple[str, ...]) -> tuple[str, ...]:
    known = [vendor.name for vendor in source.vendors()]
    if names == ("none",):
        return ()
    for name in names:
        if name not in known:
            raise Failed(f"there is no provider {name!r} to begin with{unknown(name, known)}", EXIT_MISUSE)
    return tuple(dict.fromkeys(names))


def _check(texts: dict[str, str]) -> None:
    """Nothing is written that `gateway check` would refuse: what --listen says may be no address."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _put(folder, texts)
        problems = read(find_files([folder], os.environ), {}).problems
        errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise Failed(f"this would not be sound: {'; '.join(problem.message for problem in errors)}", EXIT_MISUSE)


def _check_free(folder: Path, force: bool) -> None:
    there = [name for name in (ROUTES, PROVIDERS) if (folder / name).exists()]
    if there and not force:
        raise Failed(f"{' and '.join(there)} in {folder} would be written over; name another folder, or --force")


def write_configuration(folder: Path, texts: dict[str, str], values: dict[str, str], *, force: bool) -> list[str]:
    """Write the files, add `values` to .env, and return the names of what was written. Fails where files are there."""
    _check_free(folder, force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = _put(folder, texts)
        if _add_to_env(folder / ".env", values):
            written.append(".env")
        if not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text(IGNORED)
            written.append(".gitignore")
    except OSError as error:
        raise Failed(f"{error.filename} cannot be written: {error.strerror}") from error
    return written


def _put(folder: Path, texts: dict[str, str]) -> list[str]:
    for name, text in texts.items():
        (folder / name).write_text(text)
    if "prompt: prompts/" not in texts[ROUTES]:
        return list(texts)
    shutil.copytree(bundled() / "prompts", folder / "prompts", dirs_exist_ok=True)
    return [*texts, "prompts/"]


def _add_to_env(path: Path, values: dict[str, str]) -> bool:
    """Add the variables that the file does not have, and let nobody else read it. Say whether any was added."""
    had = read_dotenv(path, [])
    added = {name: value for name, value in values.items() if name not in had}
    if not added:
        return False
    before = path.read_text() if path.exists() else ""
    glue = "\n" * bool(before and not before.endswith("\n"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(before + glue + "".join(f"{name}={_quoted(value)}\n" for name, value in added.items()))
    path.chmod(0o600)
    return True


def _quoted(value: str) -> str:
    if value.isascii() and all(character.isalnum() or character in "-_.:/+=" for character in value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
