"""`gateway usage`: what was used and what it cost, by key, tenant, route, operation, provider, model or day."""

from __future__ import annotations

import csv
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gateway.cli.console import JSON
from gateway.config.load import load
from gateway.errors import ConfigError
from gateway.json import dumps
from gateway.stores.ledger import DIMENSIONS, LedgerAway, UsageRow, usage
from gateway.types import NANO_USD

COLUMNS = (
    "requests",
    "errors",
    "input_tokens",
    "output_tokens",
    "characters",
    "audio_seconds",
    "unpriced",
    "estimated",
    "cost_usd",
)


class Since(click.ParamType[str]):
    """A day such as 2026-11-25, or how many days back, such as 7d. In UTC, as the ledger is."""

    name = "day"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value:
            return ""
        if value.endswith("d") and value[:-1].isdecimal():
            return (datetime.now(UTC) - timedelta(days=min(int(value[:-1]), 36_500))).date().isoformat()
        try:
            return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).date().isoformat()
        except ValueError:
            self.fail(f"{value!r} is no day; write 2026-11-25, or 7d for the last seven days", param, ctx)


@click.command("usage")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--by", type=click.Choice(tuple(DIMENSIONS)), default="key", show_default=True, help="One line for each.")
@click.option("--since", type=Since(), default="", help="From this day on, in UTC; 7d: the last seven days.")
@click.option(
    "--format", "style", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print it."
)
@JSON
def command(files: tuple[Path, ...], by: str, since: str, style: str, as_json: bool) -> int:
    """Sum the ledger that stores.database_url of the configuration in FILES names.

    `unpriced` counts requests whose cost nobody knows: they are not part of `cost_usd`. `estimated` counts those whose
    vendor did not say what was used.
    """
    try:
        url = load(files, os.environ).database_url
    except ConfigError as error:
        raise click.ClickException(f"the configuration is refused:\n{error.message}") from error
    if not url:
        raise click.ClickException("there is no ledger: set stores.database_url in routes.yaml (DATABASE_URL)")
    try:
        rows = usage(url, by, since)
    except LedgerAway as error:
        raise click.ClickException(str(error)) from error
    printed = [(row.name, *_values(row)) for row in rows]
    if as_json or style == "json":
        click.echo(dumps([dict(zip((by, *COLUMNS), line, strict=True)) for line in printed]).decode())
    elif style == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows([(by, *COLUMNS), *printed])
    else:
        _print_table(by, printed)
    return 0


def _values(row: UsageRow) -> list[int | float | str]:
    """Money as text with all its nine decimals: a float would round it."""
    values: list[int | float | str] = [row.sums[name] for name in COLUMNS[:-1]]
    nano = int(row.sums["cost_nano_usd"])
    return [*values, f"{nano // NANO_USD}.{nano % NANO_USD:09d}"]


def _print_table(by: str, rows: list[tuple[int | float | str, ...]]) -> None:
    lines = [(by, *COLUMNS), *[(row[0] or "-", *[_shown(value) for value in row[1:]]) for row in rows]]
    widths = [max(len(str(line[at])) for line in lines) for at in range(len(COLUMNS) + 1)]
    for line in lines:
        first, *rest = (str(value) for value in line)
        numbers = (value.rjust(width) for value, width in zip(rest, widths[1:], strict=True))
        click.echo(f"{first.ljust(widths[0])}  {'  '.join(numbers)}")
    if not rows:
        click.echo("nothing yet")


def _shown(value: int | float | str) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
