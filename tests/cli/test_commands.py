"""What holds for every command: `--json`, help that says what it does, and completion by the shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from gateway.cli import COMMANDS, group
from tests.cli.calling import call
from tests.harness import ROOT


def every_command() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", one) for below, one in command.commands.items())
        else:
            yield name, command


EVERY = list(every_command())
IDS = [name for name, _ in EVERY]


@pytest.mark.parametrize(("name", "command"), EVERY, ids=IDS)
def test_every_command_prints_json_where_it_is_asked_to(name: str, command: click.Command) -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in options or name == "run"  # which prints no answer


@pytest.mark.parametrize(("name", "command"), EVERY, ids=IDS)
def test_every_command_says_what_it_does_and_what_each_option_is_for(name: str, command: click.Command) -> None:
    assert command.help
    assert command.help[0].isupper()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help or parameter.show_default, (name, parameter.opts)


def test_the_list_of_commands_is_in_order() -> None:
    assert list(COMMANDS) == sorted(COMMANDS)


def test_json_of_check_is_as_by_format() -> None:
    assert call("check", "--json").json == call("check", "--format", "json").json


def test_json_of_prices() -> None:
    rows = call("prices", "list", "--json").json["prices"]
    assert rows
    assert {tuple(row) for row in rows} == {("target", "price", "from")}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_that_calls_the_program(shell: str) -> None:
    done = call("completion", shell)
    assert done.status == 0
    assert f"_GATEWAY_COMPLETE={shell}_complete" in done.out
    assert call("completion", shell, "--json").json["script"] + "\n" == done.out


def test_another_shell_is_misuse() -> None:
    assert call("completion", "tcsh").status == 64


def complete(line: str) -> list[str]:
    """Return what bash would offer for a line, as its script asks the program."""
    words = line.split(" ")
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "_GATEWAY_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "gateway"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [item.split(",", 1)[1] for item in done.stdout.splitlines()]


def test_commands_and_options_are_completed() -> None:
    assert complete("gateway r") == ["reload", "rollback", "run"]
    assert complete("gateway plugins ") == ["list", "new", "show", "test"]
    assert "--key-file" in complete("gateway diff --")
    assert complete("gateway completion ") == ["bash", "zsh", "fish"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
def test_bash_takes_the_script() -> None:
    script = call("completion", "bash").out + "\ncomplete -p gateway\n"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert "_gateway_completion" in done.stdout, done.stderr
