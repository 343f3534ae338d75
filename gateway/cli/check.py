"""`gateway check`: everything that is wrong with the configuration, each with its place, in one go."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import click

from gateway.cli.console import JSON
from gateway.config.document import Mark
from gateway.config.files import find_files
from gateway.config.load import Reading, read
from gateway.config.model import Config
from gateway.errors import ConfigError, Problem
from gateway.json import dumps

MAX_EXCERPT = 160  # of a line in characters, so that a file in one line stays readable

# Where a file is not YAML nobody knows which of its values are secrets: whatever looks like one is hidden.
_LOOKS_SECRET = re.compile(r"(?=[A-Za-z0-9_+/=-]*[0-9])(?=[A-Za-z0-9_+/=-]*[A-Za-z])[A-Za-z0-9_+/=-]{16,}")


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format", "style", type=click.Choice(["text", "json", "github"]), default="text", help="How to print it."
)
@JSON
def command(files: tuple[Path, ...], style: str, as_json: bool) -> int:
    """Check routes.yaml and providers.yaml together.

    FILES is a folder or the files themselves; left out, $GATEWAY_CONFIG_DIR, this folder, or the bundled defaults.
    Exits with 0 where the gateway would start, else with 1.
    """
    try:
        found = find_files(files, os.environ)
    except ConfigError as error:
        raise click.UsageError("; ".join(f"{problem.file}: {problem.message}" for problem in error.problems)) from error
    reading = read(found, os.environ)
    if as_json or style == "json":
        click.echo(dumps(_as_json(reading)).decode())
    elif style == "github":
        for problem in reading.problems:
            click.echo(_as_github(problem))
    else:
        _print_text(reading)
    return 0 if reading.config is not None else 1


# ---------------------------------------------------------------- text


def _print_text(reading: Reading) -> None:
    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for problem in reading.problems:
        word = "" if problem.severity == "error" else "warning: "
        place = f"{problem.file}:{problem.line}:{problem.column}:"
        click.echo(f"{_bold(place, is_coloured)} {word}{problem.message}")
        for line in excerpt(problem, reading):
            click.echo(line)
    errors = sum(problem.severity == "error" for problem in reading.problems)
    if reading.config is None:
        click.echo(f"{errors} {'problem' if errors == 1 else 'problems'}")
        return
    for line in summary(reading.config):
        click.echo(line)


def excerpt(problem: Problem, reading: Reading) -> list[str]:
    """Return the offending line and a caret below it, secrets hidden; nothing where there is no such line."""
    lines = reading.sources.get(problem.file, b"").decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if not 1 <= problem.line <= len(lines):
        return []
    line = _hidden(lines[problem.line - 1].removeprefix("\ufeff"), problem, reading)
    line = "".join(character if character.isprintable() else " " for character in line)
    start = max(0, problem.column - 1 - MAX_EXCERPT // 2)
    shown = line[start : start + MAX_EXCERPT]
    number = f"{problem.line:>5} | "
    return [f"{number}{shown}".rstrip(), " " * (len(number) + max(0, problem.column - 1 - start)) + "^"]


def _hidden(line: str, problem: Problem, reading: Reading) -> str:
    """Put as many `*` where a secret stands: the caret below stays true."""
    for mark in reading.secrets:
        if mark.file == problem.file and mark.line <= problem.line <= mark.end_line:
            line = _starred(line, mark, problem.line)
    if not reading.is_parsed:
        line = _LOOKS_SECRET.sub(lambda found: "*" * len(found[0]), line)
    return line


def _starred(line: str, mark: Mark, number: int) -> str:
    start = mark.column - 1 if number == mark.line else 0
    end = mark.end_column - 1 if number == mark.end_line else len(line)
    return line[:start] + "*" * (end - start) + line[end:]


def _bold(text: str, is_coloured: bool) -> str:
    return click.style(text, bold=True) if is_coloured else text


def summary(config: Config) -> list[str]:
    """Return one line for each provider: what it serves, or why it is off."""
    width = max((len(name) for name in config.providers), default=0)
    lines = [f"ok: {len(config.routes)} routes, {len(config.models)} models, {len(config.providers)} providers"]
    for provider in config.providers.values():
        operations = sorted({model.operation for model in provider.models.values()})
        word = "stands by for" if provider.is_standby else "serves"
        said = f"off, {provider.off_reason}" if provider.off_reason else f"{word} {', '.join(operations) or 'nothing'}"
        lines.append(f"  {provider.name:<{width}}  {said}")
    return lines


# ---------------------------------------------------------------- for machines


def _as_json(reading: Reading) -> dict[str, object]:
    config = reading.config
    return {
        "ok": config is not None,
        "digest": config.digest if config else None,
        "problems": [
            {
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "severity": problem.severity,
                "message": problem.message,
            }
            for problem in reading.problems
        ],
        "providers": {
            name: {"off_reason": provider.off_reason, "is_standby": provider.is_standby}
            for name, provider in (config.providers if config else {}).items()
        },
    }


def _as_github(problem: Problem) -> str:
    """A workflow command of GitHub Actions; see its documentation, "Setting an error message"."""
    place = f"file={_property(problem.file)},line={problem.line},col={problem.column}"
    return f"::{problem.severity} {place}::{_data(problem.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
