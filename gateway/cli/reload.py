"""`gateway reload`: let a running gateway read its files again, and wait for what comes of it."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.console import JSON, coloured, print_json
from gateway.cli.running import Reach, Running, find_all, reaching


@click.command("reload")
@reaching
@JSON
def command(reach: Reach, as_json: bool) -> int:
    """Let the gateway that runs on FILES read them again; say what changed, or why they are refused.

    Exits with 0 where they were applied, 1 where they were refused and the old ones serve on, 69 where no gateway runs.
    `kill -HUP` does the same and does not wait.
    """
    outcomes = [(running, running.ask("POST", "/admin/config/reload")) for running in find_all(reach)]
    if as_json:
        print_json({"gateways": [{"gateway": running.name, **outcome} for running, outcome in outcomes]})
    else:
        for running, outcome in outcomes:
            _tell(running, outcome)
    return 0 if all(outcome["is_sound"] for _, outcome in outcomes) else 1


def _tell(running: Running, outcome: Any) -> None:
    if not outcome["is_sound"]:
        for problem in outcome["problems"]:
            click.echo(place(problem))
        click.echo(f"{coloured('refused', 'red')}: configuration {outcome['generation']} serves on ({running.name})")
        return
    for change in outcome["changes"] or ["nothing changed"]:
        click.echo(f"  {change}")
    click.echo(f"{coloured('applied', 'green')}: configuration {outcome['generation']} serves ({running.name})")


def place(problem: Any) -> str:
    """Return a problem with its place, where it has one."""
    if not problem["file"]:
        return str(problem["message"])
    return f"{problem['file']}:{problem['line']}:{problem['column']}: {problem['message']}"
