"""`gateway import`: the configuration of another gateway as ours, and a list of what could not be carried."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from gateway.cli.console import EXIT_MISUSE, JSON, Failed, coloured, print_json
from gateway.cli.init import write_configuration
from gateway.cli.litellm_models import Rows
from gateway.cli.litellm_routes import EVERYTHING, routes_of
from gateway.cli.litellm_source import Left, Notes, Secrets, Taker
from gateway.cli.starter import Bundled
from gateway.config.files import PROVIDERS, ROUTES, Files
from gateway.config.load import read
from gateway.config.yaml import parse
from gateway.errors import Problem

HEADER = """# {what}
#
# Written by `gateway import litellm` from {file}. `gateway check` says what is wrong, docs/configuration-reference.md
# which keys there are. Secrets stand in .env.
"""
NOT_SET = "not-set-but-long-enough"  # for a secret; an address that is not set leaves its provider off
_ADDRESS = re.compile(r"(?:BASE|URL|HOST|ENDPOINT)", re.IGNORECASE)
WHAT = {ROUTES: "Which endpoints exist, and who serves a model.", PROVIDERS: "Who can serve."}


@dataclass(frozen=True, slots=True)
class Imported:
    """The two files' texts, the variables for `.env`, and what could not be carried."""

    texts: dict[str, str]
    variables: dict[str, str]
    left: list[Left]
    models: int
    providers: int


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write each list out where it stands: nobody edits `*id001`."""
        return True


@click.group("import")
def command() -> None:
    """Take over the configuration of another gateway."""


@command.command("litellm")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--into", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder to write."
)
@click.option("--force", is_flag=True, help="Write over routes.yaml and providers.yaml that are there.")
@JSON
def litellm(file: Path, folder: Path, force: bool, as_json: bool) -> int:
    """Write routes.yaml, providers.yaml and .env from FILE, LiteLLM's config.yaml, and list what could not be carried.

    Carried are models with their vendors, addresses, keys, prices and limits, fallbacks, aliases, the master key,
    cache, budget, timeouts and Redis. What is written is sound; what has no counterpart is told with its line.
    """
    imported = converted(file)
    written = write_configuration(folder, imported.texts, imported.variables, force=force)
    if as_json:
        facts: dict[str, Any] = {"folder": str(folder), "files": written}
        facts |= {"models": imported.models, "providers": imported.providers}
        print_json({**facts, "not_carried": [asdict(one) for one in imported.left]})
        return 0
    click.echo(f"{imported.models} models, {imported.providers} providers: {', '.join(written)} in {folder}")
    if imported.left:
        click.echo(f"{coloured('not carried', 'yellow')}:")
    for one in imported.left:
        click.echo(f"  {file}:{one.line}: {one.what}: {one.why}")
    unset = [name for name, value in imported.variables.items() if not value and not os.environ.get(name)]
    if unset:
        click.echo(f"set in the environment or in {folder / '.env'}: {', '.join(unset)}")
    click.echo(f"next: gateway check {folder}, gateway run {folder}")
    return 0


def converted(file: Path) -> Imported:
    """Return what FILE becomes. Fails with 64 where it is no configuration of LiteLLM."""
    problems: list[Problem] = []
    try:
        document = parse(file.read_bytes(), str(file), problems)
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}", EXIT_MISUSE) from error
    if document is None:
        raise Failed("\n".join(str(problem) for problem in problems), EXIT_MISUSE)
    if not isinstance(document.value.get("model_list"), list):
        raise Failed(f"{file} has no model_list: it is no config.yaml of LiteLLM's proxy", EXIT_MISUSE)
    notes, secrets = Notes(document), Secrets()
    whole = Taker(notes, document.value, ())
    rows = Rows(Bundled.read(), notes, secrets)
    for line in whole.each("model_list"):
        rows.read(line)
    if not rows.rows:
        told = "\n".join(f"{file}:{one.line}: {one.what}: {one.why}" for one in notes.told())
        raise Failed(f"no model of {file} can be carried:\n{told}")
    routes = routes_of(whole, rows, notes, secrets)
    variables = {**dict.fromkeys(secrets.named, ""), **secrets.values}
    providers = {"version": 1, "providers": rows.rows}
    errors = _errors(_texts(file, routes, providers), variables)
    if any("has a budget but" in error for error in errors):
        fault = next(error for error in errors if "has a budget but" in error)
        notes.leave(("litellm_settings", "max_budget"), fault.partition(": ")[2])
        del routes["limits"][EVERYTHING]
        errors = _errors(_texts(file, routes, providers), variables)
    if errors:
        told = "\n".join(errors)
        raise Failed(f"what would be written is not sound, and nothing is:\n{told}")
    return Imported(_texts(file, routes, providers), variables, notes.told(), len(routes["models"]), len(rows.rows))


def _texts(file: Path, routes: dict[str, Any], providers: dict[str, Any]) -> dict[str, str]:
    values = {ROUTES: {key: value for key, value in routes.items() if value not in ({}, [])}, PROVIDERS: providers}
    return {name: HEADER.format(what=WHAT[name], file=file.name) + _dumped(value) for name, value in values.items()}


def _dumped(value: Any) -> str:
    text: str = yaml.dump(
        value, None, _Dumper, sort_keys=False, width=1000, allow_unicode=True, default_flow_style=None
    )
    return text


def _errors(texts: dict[str, str], variables: dict[str, str]) -> list[str]:
    """Return what `gateway check` would refuse of these files, once their variables are set."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, text in texts.items():
            (folder / name).write_text(text)
        known = {name: value or NOT_SET for name, value in variables.items() if value or not _ADDRESS.search(name)}
        problems = read(Files(folder / ROUTES, folder / PROVIDERS), known).problems
    return [f"{Path(one.file).name}: {one.message}" for one in problems if one.severity == "error"]
