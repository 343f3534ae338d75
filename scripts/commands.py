"""Write docs/command-reference.md from the commands themselves: `make reference` does."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from gateway.cli import group

HEAD = """# Commands

Every command and option there is. Written from the commands by `make reference`; what they are for is in
[operations.md](operations.md).
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *sections(click.Context(group, info_name="gateway"))])


def sections(context: click.Context) -> Iterator[str]:
    """Yield a section for a command and each below it."""
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from sections(click.Context(below, parent=context, info_name=name))
    else:
        yield section(context)


def section(context: click.Context) -> str:
    """Return a command's section: how it is called, what it does, what it takes."""
    words = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
    parts = [
        f"## {context.command_path}",
        f"`{words}`",
        inspect.cleandoc(context.command.help or "").replace("\b\n", ""),
    ]
    options = [row for option in context.command.get_params(context) if (row := option.get_help_record(context))]
    rows = [f"| `{escaped(names)}` | {escaped(text)} |" for names, text in options if text and "--help" not in names]
    if rows:
        parts.append("\n".join(["| option | |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Return it as a cell of a table holds it."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
