"""`gateway version`: of the gateway, of Python, and of what it stands on."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version

import click

from gateway import __version__
from gateway.cli.console import JSON, print_json

DISTRIBUTION = "ai-service-gateway"
_EXTRA = re.compile(r"extra == ['\"](\w+)['\"]")


@click.command("version")
@JSON
def command(as_json: bool) -> int:
    """Print the versions of the gateway, of Python and of the packages it uses, with the extras they belong to."""
    packages = versions()
    if as_json:
        print_json(
            {
                "version": __version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "packages": {name: {"version": found, "extra": extra} for name, found, extra in packages},
            }
        )
        return 0
    click.echo(f"gateway {__version__}")
    click.echo(f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}")
    for name, found, extra in packages:
        click.echo(f"  {name} {found or 'not installed'}{f' (extra {extra})' if extra else ''}")
    return 0


def versions() -> list[tuple[str, str | None, str | None]]:
    """Return (package, its version or None, the extra that wants it or None) of all that the distribution names."""
    found: dict[str, tuple[str, str | None, str | None]] = {}
    for requirement in requires(DISTRIBUTION) or []:
        name = re.split(r"[<>=!~;\[ (]", requirement, maxsplit=1)[0]
        extra = match[1] if (match := _EXTRA.search(requirement)) else None
        found.setdefault(name, (name, _version(name), extra))
    return list(found.values())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
