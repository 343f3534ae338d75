"""`gateway completion`: what lets a shell complete commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gateway.cli.console import JSON, Failed, print_json

VARIABLE = "_GATEWAY_COMPLETE"  # click's own name for the program `gateway`
PROGRAM = "gateway"


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@JSON
def command(shell: str, as_json: bool) -> int:
    """Print the script for SHELL. In bash: eval "$(gateway completion bash)", best in ~/.bashrc.

    In zsh the same with zsh, in ~/.zshrc; in fish: gateway completion fish > ~/.config/fish/completions/gateway.fish
    """
    from gateway.cli import group

    kind = get_completion_class(shell)
    if kind is None:
        raise Failed(f"click knows no completion for {shell}")
    script = kind.source_template % kind(group, {}, PROGRAM, VARIABLE).source_vars()
    if as_json:
        print_json({"shell": shell, "script": script})
    else:
        click.echo(script)
    return 0
