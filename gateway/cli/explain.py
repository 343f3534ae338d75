"""`gateway explain`: what would become of a request, and why. The running gateway tells; nobody is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gateway.cli.console import EXIT_REFUSED, JSON, Failed, coloured, print_json
from gateway.cli.running import Reach, find, reaching
from gateway.json import loads
from gateway.types import NANO_USD


@click.command("explain")
@reaching
@click.argument("method", type=click.Choice(["GET", "POST"], case_sensitive=False))
@click.argument("path")
@click.option("--model", help="The model that is asked for; else the body says.")
@click.option("--key", help="Whose key comes with it: an id of `gateway keys list`, or a name of routes.yaml.")
@click.option("--body", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Of JSON; -: read.")
@click.option("--header", "headers", multiple=True, help="Such as 'cache-control: no-cache'; more than once for more.")
@click.option("--seconds", type=float, help="How long the recording is that is sent to be written down.")
@JSON
def command(
    reach: Reach,
    method: str,
    path: str,
    model: str | None,
    key: str | None,
    file: Path | None,
    headers: tuple[str, ...],
    seconds: float | None,
    as_json: bool,
) -> int:
    """Say what the gateway that runs on FILES would do with a request, and why.

    The route and its chain, whose request it is, what limits leave, whether the answer is kept, who would be asked in
    which order, why the others would not, and what each is expected to cost. Exits with 0 where it would be answered,
    with 1 where it would be refused.
    """
    question: dict[str, Any] = {"method": method.upper(), "path": path, "body": _body(file, model)}
    question |= {"key": key} if key is not None else {}
    question |= {"headers": _headers(headers)} if headers else {}
    question |= {"seconds": seconds} if seconds is not None else {}
    told = find(reach).ask("POST", "/admin/explain", question)
    if as_json:
        print_json(told)
    else:
        for line in lines(told):
            click.echo(line)
    return EXIT_REFUSED if "status" in told["answer"] else 0


def _body(file: Path | None, model: str | None) -> dict[str, Any]:
    """Return what is sent; without a file the gateway takes a short one of the route's kind."""
    named = {"model": model} if model is not None else {}
    if file is None:
        return named
    try:
        body = loads(file.read_bytes())
    except ValueError as error:
        raise Failed(f"{file} is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise Failed(f"{file} holds no JSON object; it has to be what a client sends")
    return body | named


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for line in given:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise click.UsageError(f"--header {line!r} is none; write 'name: value'")
        found[name.strip().lower()] = value.strip()
    return found


def lines(told: Any) -> list[str]:
    """Return the explanation for a terminal, in the order in which things would happen."""
    found = [f"config    {told['config']}"]
    if told["route"] is not None:
        route = told["route"]
        found.append(f"route     {route['name']}, {route['dialect']} ({route['operation']})")
    if told["chain"]:
        found.append(f"chain     {' > '.join(told['chain'])}")
    if "client" in told:
        found.append(f"client    {told['client']['name']} of {told['client']['tenant']}")
    if "model" in told:
        found.append(f"model     {told['model']}")
    found += [f"limit     {_limit(limit)}" for limit in told.get("limits", ())]
    if "cache" in told:
        key = f", key {told['cache']['key']}" if "key" in told["cache"] else ""
        found.append(f"cache     {told['cache']['result']}{key}")
    if "parts" in told:
        found.append(f"parts     {told['parts']}, of which the first is told here")
    prices = told.get("prices", {})
    for number, name in enumerate(told.get("targets", ()), 1):
        cost = prices.get(name)
        price = "no price" if cost is None else f"about {cost / NANO_USD:.6f} USD"
        spare = "" if number <= told["attempts"] else ", beyond failover.attempts"
        found.append(f"{'target' if number == 1 else 'then':<10}{name}, {price}{spare}")
    found += [f"dropped   {one['target']}: {one['reason']}" for one in told.get("dropped", ())]
    answer = told["answer"]
    if "status" in answer:
        found.append(f"{coloured('refused', 'red')}   {answer['status']} {answer['code']}: {answer['message']}")
    else:
        found.append(f"{coloured('answered', 'green')}  by {answer['from']}")
    return found


_WINDOWS = {1: "second", 60: "minute", 3_600: "hour", 86_400: "day"}


def _limit(limit: Any) -> str:
    scale = {"budget": NANO_USD, "audio_ms": 1000}.get(limit["unit"], 1)
    unit = {"budget": "USD", "audio_ms": "audio seconds"}.get(limit["unit"], limit["unit"])
    left, amount, needs = (limit[name] / scale for name in ("left", "amount", "needs"))
    if limit["window_s"]:
        per = " per " + _WINDOWS.get(limit["window_s"], f"{limit['window_s']} s")
    else:
        per = f" per {limit['period']}" if limit["period"] not in (None, "total") else ""
    return f"{limit['limit']} of {limit['of']}: takes {needs:g}, which leaves {left:g} of {amount:g} {unit}{per}"
