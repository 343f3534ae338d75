"""`gateway providers`: whether those who serve do."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from pathlib import Path

import click

from gateway.cli.console import EXIT_MISUSE, EXIT_REFUSED, JSON, Failed, coloured, print_json
from gateway.cli.trial import Trial, chosen, tried
from gateway.config.load import load
from gateway.config.model import Config
from gateway.config.names import unknown
from gateway.errors import ConfigError
from gateway.types import NANO_USD


@click.group("providers")
def command() -> None:
    """Whether those who serve do."""


@command.command("test")
@click.argument("names", nargs=-1)
@click.option("--config", type=click.Path(path_type=Path), help="Folder of routes.yaml and providers.yaml.")
@click.option("--all", "is_all", is_flag=True, help="Every model; left out, the cheapest of each operation.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 600), default=30.0, show_default=True, help="Seconds."
)
@JSON
def test(names: tuple[str, ...], config: Path | None, is_all: bool, timeout_s: float, as_json: bool) -> int:
    """Make one small real call to each provider that is on, or to NAMES: providers, or provider/model.

    It costs what the vendor charges for a few words, one second of audio, or one embedding, and is in no ledger. Exits
    with 1 where a call failed, each with its remedy.
    """
    try:
        found = load([config] if config is not None else [], os.environ)
    except ConfigError as error:
        raise Failed(f"the configuration is refused:\n{error.message}") from error
    _check(found, names)
    targets = chosen(found, names, is_all=is_all)
    if not targets:
        raise Failed("no provider is on; set the credentials of one (gateway check says which)")
    trials = asyncio.run(tried(targets, timeout_s))
    if as_json:
        print_json({"is_ok": all(one.is_ok for one in trials), "calls": [asdict(one) for one in trials]})
    else:
        _print(trials)
    return 0 if all(one.is_ok for one in trials) else EXIT_REFUSED


def _check(config: Config, names: tuple[str, ...]) -> None:
    known = {*config.providers, *(f"{row.name}/{model}" for row in config.providers.values() for model in row.models)}
    for name in names:
        if name not in known:
            raise Failed(f"there is no provider or model {name!r}{unknown(name, known)}", EXIT_MISUSE)


def _print(trials: list[Trial]) -> None:
    width = max(len(one.target) for one in trials)
    for one in trials:
        word = coloured("ok    ", "green") if one.is_ok else coloured("failed", "red")
        click.echo(f"{word} {one.target:<{width}}  {one.operation}: {one.message}{_figures(one)}")
        if one.remedy:
            click.echo(f"       → {one.remedy}")


def _figures(trial: Trial) -> str:
    if trial.first_content_s is None or trial.total_s is None:
        return ""
    cost = trial.cost_nano_usd
    priced = "no price" if cost is None else f"{cost / NANO_USD:.6f} USD"
    return f" (first content {trial.first_content_s:.2f} s, whole {trial.total_s:.2f} s, {priced})"
