"""`gateway diff`: what a reload would change, in words."""

from __future__ import annotations

import click

from gateway.cli.console import JSON, Failed, coloured, print_json
from gateway.cli.reload import place
from gateway.cli.running import Reach, find, reaching

EXIT_SAME, EXIT_DIFFERENT, EXIT_TROUBLE = 0, 1, 2  # as of diff(1)


@click.command("diff")
@reaching
@JSON
def command(reach: Reach, as_json: bool) -> int:
    """Compare FILES with the configuration that the gateway running on them serves by.

    The running process reads them, with its own environment: what is told is what `gateway reload` would do. Exits with
    0 where nothing would change, 1 where something would, 2 where the files are faulty or no gateway answers.
    """
    try:
        outcome = find(reach).ask("GET", "/admin/config/diff")
    except Failed as error:
        raise Failed(error.message, EXIT_TROUBLE) from error
    if as_json:
        print_json(outcome)
    else:
        for problem in outcome["problems"]:
            click.echo(place(problem))
        for change in outcome["changes"]:
            click.echo(change)
        if not outcome["is_sound"]:
            click.echo(
                f"{coloured('refused', 'red')}: a reload would be; configuration {outcome['generation']} would serve on"
            )
    if not outcome["is_sound"]:
        return EXIT_TROUBLE
    return EXIT_DIFFERENT if outcome["changes"] else EXIT_SAME
