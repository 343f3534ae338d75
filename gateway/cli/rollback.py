"""`gateway rollback`: let a running gateway serve by what it served by before; the files stay as they are."""

from __future__ import annotations

import click

from gateway.cli.console import JSON, coloured, print_json
from gateway.cli.running import Reach, find_all, reaching

MAX_SHOWN = 8  # changes of one configuration; --json has all that are kept


@click.command("rollback")
@reaching
@click.option("--to", "generation", default="", help="A configuration of the list. Left out: the one before.")
@click.option("--list", "is_list", is_flag=True, help="List the configurations that are kept, and change nothing.")
@JSON
def command(reach: Reach, generation: str, is_list: bool, as_json: bool) -> int:
    """Let the gateway that runs on FILES go back to the configuration before this one, at once.

    It is the former configuration itself, with the values that its variables had. The last four are kept, in the
    process. The files stay as they are: mend them, look at `gateway diff`, then reload. Exits with 0, or with 1 where
    there is nothing to go back to.
    """
    if is_list:
        return _list(reach, as_json)
    body = {"generation": generation} if generation else {}
    outcomes = [(running, running.ask("POST", "/admin/config/rollback", body)) for running in find_all(reach)]
    if as_json:
        print_json({"gateways": [{"gateway": running.name, **outcome} for running, outcome in outcomes]})
        return 0
    for running, outcome in outcomes:
        for change in outcome["changes"]:
            click.echo(f"  {change}")
        click.echo(f"{coloured('rolled back', 'green')}: configuration {outcome['generation']} serves ({running.name})")
    click.echo("the files are as they were: the next reload or start reads them")
    return 0


def _list(reach: Reach, as_json: bool) -> int:
    kept = [(running, running.ask("GET", "/admin/config/history")["history"]) for running in find_all(reach)]
    if as_json:
        print_json({"gateways": [{"gateway": running.name, "history": history} for running, history in kept]})
        return 0
    for running, history in kept:
        click.echo(running.name)
        for one in history:
            mark = coloured("*", "green") if one["is_current"] else " "
            click.echo(f"{mark} {one['generation']:<14} {one['applied_at']}  {one['how']}")
            for change in one["changes"][:MAX_SHOWN]:
                click.echo(f"      {change}")
            if len(one["changes"]) > MAX_SHOWN:
                click.echo(f"      and {len(one['changes']) - MAX_SHOWN} more")
    return 0
