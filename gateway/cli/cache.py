"""`gateway cache`: what answers a running gateway keeps, and how to be rid of some."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from gateway.cli.console import JSON, print_json
from gateway.cli.running import Reach, Running, find_all, reaching


@click.group("cache")
def command() -> None:
    """Say what answers a running gateway keeps, and purge some."""


@command.command("show")
@reaching
@JSON
def show(reach: Reach, as_json: bool) -> int:
    """Say how many answers are kept where by what runs on FILES, and how often they were given again."""
    found = [(running, running.ask("GET", "/admin/cache")) for running in find_all(reach)]
    if as_json:
        _print_json(found)
        return 0
    for running, kept in found:
        click.echo(running.name)
        for name in ("memory", "disk"):
            held = kept[name]
            if held is not None:
                size = f"{held['size_bytes']} of {held['max_bytes']} bytes"
                said = f"{held['entries']} answers, {size}, {held['hits']} hits, {held['evictions']} evictions"
                click.echo(f"  {name}: {said}")
        if kept["redis"] is not None:
            click.echo(f"  redis: {'here' if kept['redis']['is_here'] else 'away'}, {kept['redis']['hits']} hits")
    return 0


@command.command("purge")
@click.option("--key", "cache_key", help="Of one answer, as its header x-gateway-cache-key has it.")
@click.option("--tenant", help="What this tenant was answered.")
@click.option("--route", help='What this route answered, such as "POST /v1/chat/completions".')
@click.option("--all", "is_all", is_flag=True, help="Every answer that the admin key reaches.")
@reaching
@JSON
def purge(
    reach: Reach, cache_key: str | None, tenant: str | None, route: str | None, is_all: bool, as_json: bool
) -> int:
    """Drop the answers that agree with all that is given, in memory, on disk and in Redis."""
    given = {"cache_key": cache_key, "tenant": tenant, "route": route}
    query = {name: value for name, value in given.items() if value is not None}
    if bool(query) == is_all:
        raise click.UsageError("say which answers: --key, --tenant or --route, or --all for every one")
    path = f"/admin/cache?{urlencode(query)}" if query else "/admin/cache"
    gone = [(running, running.ask("DELETE", path)) for running in find_all(reach)]
    if as_json:
        _print_json(gone)
        return 0
    for running, counted in gone:
        counts = ", ".join(f"{count} in {name}" for name, count in counted.items() if count is not None)
        click.echo(f"{running.name}: purged {counts}")
    return 0


def _print_json(found: list[tuple[Running, Any]]) -> None:
    print_json({"gateways": [{"gateway": running.name, **told} for running, told in found]})
