"""`gateway prices`: what each model costs and who says so, and prices.yaml brought up to date when it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.cli.console import JSON, print_json
from gateway.cli.price_data import UnreadableData, read_file, read_installed
from gateway.cli.price_file import Difference, UnwritableFile, changed, differences, write_atomically
from gateway.cli.price_rows import written
from gateway.config.document import Document
from gateway.config.files import bundled, find_files
from gateway.config.load import load
from gateway.config.price import KINDS
from gateway.config.schema import check, read_schema
from gateway.config.yaml import parse
from gateway.errors import ConfigError, Problem
from gateway.types import NANO_USD, Price

_FILES = click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))


@click.group("prices")
def command() -> None:
    """Say what models cost, and bring the price list up to date.

    FILES is a folder or the files themselves; left out, $GATEWAY_CONFIG_DIR, this folder, or the bundled defaults.
    """


# ---------------------------------------------------------------- list


@command.command("list")
@_FILES
@JSON
def list_prices(files: tuple[Path, ...], as_json: bool) -> int:
    """Print each target with the price that holds now and where it stands."""
    try:
        config = load(files, os.environ)
    except ConfigError as error:
        raise click.ClickException("the configuration is faulty; `gateway check` says where") from error
    now_s = datetime.now(UTC).timestamp()
    rows = [
        (
            f"{provider.name}/{model.name}",
            "unknown" if model.price is None else _shown(model.price, now_s),
            model.price_from,
        )
        for provider in config.providers.values()
        for model in provider.models.values()
    ]
    if as_json:
        print_json({"prices": [dict(zip(("target", "price", "from"), row, strict=True)) for row in rows]})
        return 0
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(2)]
    for target, price, origin in rows:
        click.echo(f"{target:<{widths[0]}}  {price:<{widths[1]}}  {origin}".rstrip())
    return 0


def _shown(price: Price, now_s: float) -> str:
    now = price.at(now_s, 0)
    fields = {field: key for key, field in KINDS.items() if key != "usd_per_audio_second"}
    named = [(key, getattr(now, field)) for field, key in fields.items()]
    parts = [f"{key} {_dollars(amount)}" for key, amount in named if amount is not None]
    parts += [f"(other above {tier.above_input_tokens} input tokens)" for tier in now.tiers]
    later = [change for change in price.changes if change.from_s > now_s]
    parts += [f"(other from {datetime.fromtimestamp(change.from_s, UTC).date()})" for change in later]
    return " ".join(parts)


def _dollars(nano: int) -> str:
    return f"{nano // NANO_USD}.{nano % NANO_USD:09d}".rstrip("0").removesuffix(".")


# ---------------------------------------------------------------- update


@command.command("update")
@_FILES
@click.option(
    "--from",
    "origin",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Data to read: a wheel or JSON file. Left out, the package genai-prices that is installed.",
)
@click.option("--check", "is_check", is_flag=True, help="Write nothing; exit with 1 where a price would change.")
@JSON
def update(files: tuple[Path, ...], origin: Path | None, is_check: bool, as_json: bool) -> int:
    """Show what differs from the data, and write prices.yaml beside providers.yaml."""
    today = datetime.now(UTC).date().isoformat()
    try:
        found = find_files(files, os.environ)
        data = read_installed() if origin is None else read_file(origin)
        text = found.prices.read_bytes().decode()
        document = _parsed(text, str(found.prices))
        differing = differences(document, data, today)
        after = changed(text, document, differing, data.source, today)
        _parsed(after, f"{found.prices} as it would be written")
    except ConfigError as error:
        raise click.UsageError("; ".join(f"{problem.file}: {problem.message}" for problem in error.problems)) from error
    except (UnreadableData, UnwritableFile, UnicodeDecodeError, OSError) as error:
        raise click.ClickException(str(error)) from error
    lines: list[str] = []
    for one in differing:
        before = document.value["sections"][one.section]
        lines += _told(one, f"{before['source']}, {before['date']}")
    count = sum(len(one.rows) for one in differing)
    if not as_json:
        click.echo("\n".join([f"source: {data.source}, read {today}", *lines]))
    told = f"{count} would change; nothing is written"
    if not is_check:
        try:
            write_atomically(found.own_prices, after)
        except OSError as error:
            raise click.ClickException(f"{found.own_prices} cannot be written: {error.strerror}") from error
        told = f"{count} changed; {found.own_prices} is written. A running gateway reads it at its next reload"
    if as_json:
        print_json({"source": data.source, "read": today, "changes": lines, "count": count, "is_written": not is_check})
    else:
        click.echo(told)
    return 1 if is_check and count else 0


def _parsed(text: str, name: str) -> Document:
    problems: list[Problem] = []
    document = parse(text.encode(), name, problems)
    if document is not None:
        check(document, document.value, read_schema(bundled() / "schemas" / "prices.schema.json"), problems)
    if problems or document is None:
        raise click.ClickException("\n".join(str(problem) for problem in problems))
    return document


def _told(one: Difference, before: str) -> Iterator[str]:
    if one.rows or one.left_out:
        yield f"{one.section} (was: {before})"
    for model, old, new in one.rows:
        if old is None and new is not None:
            yield f"  + {model}: {written(new)}"
        elif new is None and old is not None:
            yield f"  - {model}: {written(old)}"
        elif old is not None and new is not None:
            yield f"  ~ {model}: {written(old)} -> {written(new)}"
    if one.left_out:
        yield f"  left out, priced in no way that is counted here: {', '.join(one.left_out)}"
