"""`gateway show`: the configuration as it comes out of the files, each value with where it is from."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import EXIT_REFUSED, FILES, JSON, coloured, found_files, print_json
from gateway.config.effective import Value, effective
from gateway.config.load import read

MAX_PATH, MAX_VALUE = 60, 60  # characters of a column; what is longer pushes the next one


@click.command("show")
@FILES
@click.option("--only", "prefix", default="", help="What begins with this, such as server or routes[0].")
@JSON
def command(files: tuple[Path, ...], prefix: str, as_json: bool) -> int:
    """Print every value of the configuration in FILES, secrets masked, with its origin.

    A value is from a line of a file, where need be from a variable of the environment or of .env, from `defaults` for
    all routes, or is a default that nobody wrote. What runs is at `gateway diff`. Exits with 1 where the files are
    faulty: `gateway check` says where.
    """
    found = found_files(files)
    reading = read(found, os.environ)
    values = [one for one in effective(reading, found, os.environ) if _is_within(one.path, prefix)]
    if as_json:
        print_json({"is_sound": reading.config is not None, "values": [asdict(one) for one in values]})
    else:
        _print(values)
    if reading.config is None:
        click.echo("the files are faulty; `gateway check` says where", err=True)
        return EXIT_REFUSED
    if not values:
        click.echo(f"nothing begins with {prefix!r}; without --only everything is shown", err=True)
        return EXIT_REFUSED
    return 0


def _is_within(path: str, prefix: str) -> bool:
    rest = path.removeprefix(prefix)
    return not prefix or (path.startswith(prefix) and (not rest or rest[0] in ".["))


def _print(values: list[Value]) -> None:
    width = min(MAX_PATH, max((len(one.path) for one in values), default=0))
    for one in values:
        shown = _shown(one.value)
        click.echo(f"{one.path:<{width}}  {shown:<{MAX_VALUE // 2}}  {coloured(one.origin, 'cyan')}")


def _shown(value: Any) -> str:
    match value:
        case None | "":
            text = '""' if value == "" else "none"
        case bool():
            text = "true" if value else "false"
        case list():
            text = f"[{', '.join(_shown(item) for item in value)}]"
        case dict():
            text = "{}"
        case _:
            text = " ".join(str(value).split())
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"
