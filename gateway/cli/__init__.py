"""The command `gateway`. One file a command, imported when called: `check` does not pay for a server's imports."""

from __future__ import annotations

import sys
from importlib import import_module

import click

EXIT_MISUSE = 64  # EX_USAGE of sysexits.h: told apart from 1, "the configuration is faulty"

COMMANDS = {  # each is `command` in the module of its name
    "check": "Say everything that is wrong with the configuration.",
    "run": "Serve.",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"gateway.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ai-service-gateway", prog_name="gateway")
def group() -> None:
    """One gateway for language models, text-to-speech and speech-to-text."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status: 64 where it was called wrongly."""
    try:
        status = group.main(arguments, prog_name="gateway", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return EXIT_MISUSE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        sys.stderr.write("stopped\n")
        return 130
    except BrokenPipeError:  # `gateway check | head`
        sys.stderr.close()
        return 1
    return status if isinstance(status, int) else 0
