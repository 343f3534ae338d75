"""`gateway doctor`: everything around the gateway that is wrong or soon will be, each with its remedy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from gateway.cli import checks
from gateway.cli.checks import Finding
from gateway.cli.console import EXIT_REFUSED, FILES, JSON, coloured, found_files, print_json
from gateway.config.files import Files
from gateway.config.load import read

COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}


@click.command("doctor")
@FILES
@click.option("--offline", is_flag=True, help="Make no connection to vendors.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(0.1, 60), default=3.0, show_default=True, help="Seconds.")
@JSON
def command(files: tuple[Path, ...], offline: bool, timeout_s: float, as_json: bool) -> int:
    """Look at the installation, the configuration, the address, the ledger, Redis, the process and the network.

    Of a vendor only the connection is tried: `gateway providers test` makes a call. Exits with 1 where something is an
    error; a warning is none.
    """
    found = list(_findings(found_files(files), offline, timeout_s))
    if as_json:
        print_json({"is_well": not _errors(found), "findings": [asdict(one) for one in found]})
    else:
        for one in found:
            click.echo(f"{coloured(f'{one.severity:<8}', COLOURS[one.severity])} {one.about}: {one.message}")
            if one.remedy:
                click.echo(f"         → {one.remedy}")
    return EXIT_REFUSED if _errors(found) else 0


def _findings(files: Files, offline: bool, timeout_s: float) -> Iterator[Finding]:
    yield from checks.packages()
    reading = read(files, os.environ)
    yield from checks.configuration(reading)
    yield from checks.secrets(files)
    yield from checks.limits_of_the_process()
    config = reading.config
    if config is None:
        return
    yield from checks.models(config)
    yield from checks.process(files, config.server)
    yield from checks.database(config)
    yield from checks.redis(config)
    if not offline:
        yield from checks.reachable(config.providers.values(), timeout_s)


def _errors(found: list[Finding]) -> int:
    return sum(one.severity == "error" for one in found)
