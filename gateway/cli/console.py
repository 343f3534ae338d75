"""What commands share on a terminal: `--json`, colours only where they are seen, and how a command says it failed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from gateway.config.files import Files, find_files
from gateway.errors import ConfigError
from gateway.json import dumps

EXIT_REFUSED = 1  # the files are faulty, or a check found something
EXIT_MISUSE = 64  # sysexits.h, as of the others
EXIT_AWAY = 69  # nothing answers there
EXIT_DENIED = 77  # the key is not enough

FILES = click.argument("files", nargs=-1, type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Failed(click.ClickException):
    """A command cannot go on; the message says why, and what to do."""

    def __init__(self, message: str, status: int = EXIT_REFUSED) -> None:
        super().__init__(message)
        self.status = status


def print_json(value: Any) -> None:
    click.echo(dumps(value).decode())


def coloured(text: str, colour: str) -> str:
    """Return the text in a colour where standard output is a terminal and NO_COLOR is not set (no-color.org)."""
    return click.style(text, fg=colour) if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


def found_files(paths: tuple[Path, ...]) -> Files:
    """Return the two files of a configuration, as `gateway run` finds them. Fails with 64 where they are not there."""
    try:
        return find_files(paths, os.environ)
    except ConfigError as error:
        told = "; ".join(f"{problem.file}: {problem.message}" for problem in error.problems)
        raise Failed(told, EXIT_MISUSE) from error
