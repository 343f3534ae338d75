"""The command `gateway`. One file a command, imported when called: `check` does not pay for a server's imports."""

from __future__ import annotations

import sys
from importlib import import_module

import click
from click.shell_completion import CompletionItem

EXIT_MISUSE = 64  # EX_USAGE of sysexits.h: told apart from 1, "the configuration is faulty"

COMMANDS = {  # each is `command` in the module of its name, but for MODULES
    "cache": "Say what answers a running gateway keeps, and purge some.",
    "check": "Say everything that is wrong with the configuration.",
    "completion": "Print what lets a shell complete commands.",
    "db": "Bring the database of ledger and keys up to date, or say how it is.",
    "demo": "A tour on this machine alone: speak, write it down, fail over, see the cost.",
    "diff": "Say what a reload would change.",
    "doctor": "Look for what is wrong around the gateway, each with its remedy.",
    "explain": "Say what would become of a request, and why; nobody is called.",
    "healthcheck": "Ask whether a gateway takes requests.",
    "import": "Take over the configuration of another gateway.",
    "init": "Write a configuration to begin with.",
    "keys": "Make, list, rotate, revoke and import keys of clients.",
    "plugins": "List, show, begin and test plugins.",
    "prices": "Say what models cost, and bring the price list up to date.",
    "providers": "Make a small real call to each provider.",
    "reload": "Let a running gateway read its files again, and wait for what comes of it.",
    "rollback": "Let a running gateway serve by what it served by before.",
    "run": "Serve.",
    "show": "Print every value of the configuration with its origin, masked.",
    "usage": "Say what was used and what it cost.",
    "version": "Print versions.",
}


MODULES = {"import": "importing"}  # where the command's name is a word of Python's


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = MODULES.get(cmd_name, cmd_name)
        command: click.Command = import_module(f"gateway.cli.{module}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete names of commands without importing any."""
        found = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return found or super().shell_complete(ctx, incomplete)

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
        return int(getattr(error, "status", error.exit_code))  # one of ours has its own
    except click.Abort:
        sys.stderr.write("stopped\n")
        return 130
    except BrokenPipeError:  # `gateway check | head`
        sys.stderr.close()
        return 1
    return status if isinstance(status, int) else 0
