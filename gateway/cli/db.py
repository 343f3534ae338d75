"""`gateway db`: the database that keeps the ledger and the keys, brought up to date and looked at."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import click

from gateway.cli.console import JSON, print_json
from gateway.config.load import load
from gateway.errors import ConfigError
from gateway.json import dumps
from gateway.stores.database import Database, LedgerAway, at_once
from gateway.stores.database.migrations import KNOWN
from gateway.stores.ledger.rows import counts

T = TypeVar("T")

EXIT_OLDER = 3  # its tables are older than this gateway's: `gateway db migrate`, or the next start, mends it
EXIT_NEWER = 4  # they are newer: this gateway cannot use them
EXIT_AWAY = 69  # EX_UNAVAILABLE of sysexits.h, as of `gateway run`

CONFIG = click.option("--config", type=click.Path(path_type=Path), help="Folder of routes.yaml and providers.yaml.")


@dataclass(frozen=True, slots=True)
class Status:
    database: str
    version: int  # 0: there are no tables yet
    known: int  # what this gateway has
    rows: int
    open_rows: int
    size_bytes: int


class _Away(click.ClickException):
    exit_code = EXIT_AWAY


@click.group("db")
def command() -> None:
    """The database that keeps the ledger and the keys. A gateway brings it up to date itself when it starts."""


@command.command("migrate")
@CONFIG
@JSON
def migrate(config: Path | None, as_json: bool) -> int:
    """Bring the tables up to date, making them where there are none; one process at a time does."""
    before, after = _asked(config, lambda database: database.migrate())
    if as_json:
        print_json({"before": before, "after": after})
        return 0
    click.echo(f"version {after}, as before" if before == after else f"version {before} became {after}")
    return 0


@command.command("status")
@CONFIG
@JSON
def status(config: Path | None, as_json: bool) -> int:
    """Say which version the tables have and how much is in them.

    Exit status: 0 they are this gateway's; 3 they are older or missing; 4 they are newer; 69 it cannot be reached.
    """
    found = _asked(config, look, read_only=True)
    if as_json:
        click.echo(dumps(asdict(found)).decode())
    else:
        click.echo(found.database)
        click.echo(f"version {found.version}, this gateway knows {found.known}")
        click.echo(f"{found.rows} rows, {found.open_rows} of them open; {found.size_bytes / 1e6:.1f} MB")
    if found.version < found.known:
        click.echo("older than this gateway: run gateway db migrate, or start the gateway", err=True)
        return EXIT_OLDER
    if found.version > found.known:
        click.echo("newer than this gateway: run the newer gateway", err=True)
        return EXIT_NEWER
    return 0


async def look(database: Database) -> Status:
    """Return how the database is. Raises LedgerAway."""
    version = await database.version()
    rows, open_rows = await database.run(counts()) if version else (0, 0)
    return Status(database.shown, version, KNOWN, rows, open_rows, await database.size_bytes())


def _asked(config: Path | None, ask: Callable[[Database], Awaitable[T]], *, read_only: bool = False) -> T:
    try:
        url = load([config] if config is not None else [], os.environ).database_url
    except ConfigError as error:
        raise click.ClickException(f"the configuration is refused:\n{error.message}") from error
    if not url:
        raise click.ClickException("there is no database: set stores.database_url in routes.yaml (DATABASE_URL)")
    try:
        return at_once(url, ask, read_only=read_only)
    except LedgerAway as error:
        raise _Away(str(error)) from error
