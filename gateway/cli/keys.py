"""`gateway keys`: the keys in the ledger's database. What changes here a running gateway follows within a second."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import JSON
from gateway.cli.key_words import limits_from, tags_from
from gateway.config.load import load
from gateway.config.model import Config
from gateway.dialects.signatures import pair_of
from gateway.errors import ConfigError
from gateway.json import dumps, loads
from gateway.stores.keys.facts import facts, in_utc, state
from gateway.stores.keys.store import KeyStore, StoredKey, UnknownKey
from gateway.stores.keys.terms import NOTHING, TermFault, write_limits, write_tags
from gateway.stores.ledger import LedgerAway
from gateway.types import KeyRole, Scopes

OPERATIONS = ("chat", "embeddings", "speech", "transcription", "realtime")


class Expiry(click.ParamType[float]):
    """A day such as 2027-01-31, at whose beginning in UTC the key ends, or a number of days from now, such as 90d."""

    name = "day"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            if value.endswith("d") and value[:-1].isdecimal():
                return (datetime.now(UTC) + timedelta(days=int(value[:-1]))).timestamp()
            return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no day; write 2027-01-31, or 90d for ninety days from now", param, ctx)


def told(command: Callable[..., int]) -> Callable[..., int]:
    """Say what went wrong in one line."""

    @wraps(command)
    def wrapped(*args: Any, **options: Any) -> int:
        try:
            return command(*args, **options)
        except ConfigError as error:
            raise click.ClickException(f"the configuration is refused:\n{error.message}") from error
        except (LedgerAway, UnknownKey) as error:
            raise click.ClickException(str(error)) from error

    return wrapped


def loaded(config: Path | None) -> Config:
    """Return the configuration; one without a database is refused."""
    found = load([config] if config is not None else [], os.environ)
    if not found.database_url:
        raise click.ClickException("there is no store for keys: set stores.database_url in routes.yaml (DATABASE_URL)")
    return found


def store(config: Path | None) -> KeyStore:
    return KeyStore(loaded(config).database_url)


def as_limits(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> str:
    try:
        return write_limits(limits_from(words))
    except TermFault as error:
        raise click.BadParameter(str(error), ctx, param) from error


def as_tags(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> str:
    try:
        return write_tags(tags_from(words))
    except TermFault as error:
        raise click.BadParameter(str(error), ctx, param) from error


CONFIG = click.option("--config", type=click.Path(path_type=Path), help="Folder of routes.yaml and providers.yaml.")


@click.group("keys")
def command() -> None:
    """Keys of clients. Each is shown once, when it is made; only its SHA-256 is kept."""


@command.command("create")
@click.argument("name")
@click.option("--tenant", help="Whose it is: who shares its cache. Left out: the name.")
@click.option("--route", "routes", multiple=True, help="A path it is for; * stands for any text. May be repeated.")
@click.option("--operation", "operations", multiple=True, type=click.Choice(OPERATIONS), help="An operation it is for.")
@click.option("--model", "models", multiple=True, help="A model it is for; * stands for any text.")
@click.option("--provider", "providers", multiple=True, help="A provider it may be served by.")
@click.option(
    "--role",
    type=click.Choice(["user", "operator", "admin"]),
    default="user",
    show_default=True,
    help="user calls models; operator also sees /admin; admin also changes it.",
)
@click.option("--expires", type=Expiry(), help="The day at whose beginning (UTC) it ends, or 90d.")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    callback=as_limits,
    help="requests=60/minute, tokens, characters, audio_seconds, concurrent=5, 'budget=5 USD/day'. May be repeated.",
)
@click.option("--tag", "tags", multiple=True, callback=as_tags, help="name=value, kept with each of its requests.")
@CONFIG
@JSON
@told
def create(
    name: str,
    tenant: str | None,
    routes: tuple[str, ...],
    operations: tuple[str, ...],
    models: tuple[str, ...],
    providers: tuple[str, ...],
    role: KeyRole,
    expires: float | None,
    limits: str,
    tags: str,
    config: Path | None,
    as_json: bool,
) -> int:
    """Make a key called NAME and print it, this once."""
    scopes = Scopes(routes, operations, models, providers)
    key, secret = store(config).create(name, tenant or name, scopes, expires, time.time(), role, limits, tags)
    _print_secret(key, secret, as_json)
    return 0


@command.command("list")
@CONFIG
@JSON
@told
def list_keys(config: Path | None, as_json: bool) -> int:
    """List all keys, without their secrets."""
    _, keys = store(config).since(0)
    keys.sort(key=lambda key: key.created_at)
    if as_json:
        click.echo(dumps([_facts(key) for key in keys]).decode())
    for key in () if as_json else keys:
        click.echo(f"{key.id}  {_state(key):<28}  {key.name}  (tenant {key.tenant}){_scopes(key)}{_terms(key)}")
    if not keys and not as_json:
        click.echo("no keys yet; make one: gateway keys create NAME")
    return 0


@command.command("show")
@click.argument("key")
@CONFIG
@JSON
@told
def show(key: str, config: Path | None, as_json: bool) -> int:
    """Print what is known of KEY, an id or a name, as JSON with and without --json."""
    click.echo(dumps(_facts(store(config).show(key))).decode())
    return 0


@command.command("rotate")
@click.argument("key")
@CONFIG
@JSON
@told
def rotate(key: str, config: Path | None, as_json: bool) -> int:
    """Give KEY another secret and print it, this once; the old one ends within a second."""
    _print_secret(*store(config).rotate(key), as_json)
    return 0


@command.command("revoke")
@click.argument("key")
@CONFIG
@JSON
@told
def revoke(key: str, config: Path | None, as_json: bool) -> int:
    """End KEY for good, everywhere within a second."""
    revoked = store(config).revoke(key, time.time())
    click.echo(dumps(_facts(revoked)).decode() if as_json else f"{revoked.id} ({revoked.name}) is revoked")
    return 0


@command.command("pair")
@click.argument("key")
@CONFIG
@JSON
@told
def pair(key: str, config: Path | None, as_json: bool) -> int:
    """Print the access key id and the secret access key with which a client signs requests as KEY.

    KEY is the id or name of a key in the store, or the name of one in routes.yaml. Both follow from the key and from
    keys.signing_secret: they stay the same until one of the two changes.
    """
    found = load([config] if config is not None else [], os.environ)
    if not found.keys.signing_secret:
        raise click.ClickException("there is no keys.signing_secret in routes.yaml; make one: openssl rand -hex 24")
    made = pair_of(found.keys.signing_secret, *_digest_and_id(key, found))
    if as_json:
        click.echo(dumps(asdict(made)).decode())
        return 0
    click.echo(f"access_key_id      {made.access_key_id}\nsecret_access_key  {made.secret_access_key}")
    return 0


def _digest_and_id(key: str, config: Config) -> tuple[bytes, str]:
    """Return the digest of a key and its id in the store, "" for one of routes.yaml. Raises UnknownKey, LedgerAway."""
    for static in config.keys.static:
        if static.name == key:
            return static.digest, ""
    if not config.database_url:
        raise UnknownKey(f"no key in routes.yaml is called {key!r}, and there is no store (stores.database_url)")
    held = KeyStore(config.database_url).show(key)
    if held.revoked_at is not None:
        raise UnknownKey(f"the key {held.id} ({held.name}) is revoked")
    return held.digest, held.id


@command.command("set")
@click.argument("key")
@click.option("--limit", "limits", multiple=True, callback=as_limits, help="A limit, as `create` takes it.")
@click.option("--no-limits", is_flag=True, help="Take its limits away.")
@click.option("--tag", "tags", multiple=True, callback=as_tags, help="name=value.")
@click.option("--no-tags", is_flag=True, help="Take its tags away.")
@CONFIG
@JSON
@told
def set_terms(
    key: str, limits: str, no_limits: bool, tags: str, no_tags: bool, config: Path | None, as_json: bool
) -> int:
    """Give KEY these limits, or these tags, in the place of all that it has; what is not named stays. Prints JSON."""
    has_limits, has_tags = limits != NOTHING, tags != NOTHING
    if not (has_limits or no_limits or has_tags or no_tags) or (has_limits and no_limits) or (has_tags and no_tags):
        raise click.UsageError("give --limit or --no-limits, --tag or --no-tags")

    def change(found: StoredKey) -> StoredKey:
        return replace(
            found,
            limits=limits if has_limits or no_limits else found.limits,
            tags=tags if has_tags or no_tags else found.tags,
        )

    keys = store(config)
    changed = keys.change(keys.show(key).id, change)
    click.echo(dumps(_facts(changed)).decode())
    return 0


@command.command("import")
@click.argument("file")
@CONFIG
@JSON
@told
def import_file(file: str, config: Path | None, as_json: bool) -> int:
    """Take the keys of FILE (.jsonl, .json or .csv; - is standard input), all of them or none.

    Each has a name and either `sha256`, the secret's SHA-256 in hexadecimal, or `key`, the secret; it may have tenant,
    role, routes, operations, models, providers, expires, limits and tags, as in routes.yaml.
    """
    from gateway.cli.keys_import import import_keys  # the other commands do without the admin API's schemas

    count = import_keys(file, loaded(config))
    click.echo(dumps({"imported": count}).decode() if as_json else f"{count} key{'s' * (count != 1)} imported")
    return 0


def _print_secret(key: StoredKey, secret: str, as_json: bool) -> None:
    if as_json:
        click.echo(dumps({**_facts(key), "key": secret}).decode())
        return
    click.echo(secret)
    click.echo(f"{key.id} ({key.name}): this is shown once; what is kept is its SHA-256", err=True)


def _facts(key: StoredKey) -> dict[str, object]:
    return facts(key, time.time())


def _state(key: StoredKey) -> str:
    said = state(key, time.time())
    if key.revoked_at is not None:
        return f"{said} {in_utc(key.revoked_at)}"
    if key.expires_at is None:
        return said
    return f"{said} {'until ' * (said == 'valid')}{in_utc(key.expires_at)}"


def _scopes(key: StoredKey) -> str:
    parts = [f"{name}: {', '.join(values)}" for name in Scopes.__slots__ if (values := getattr(key.scopes, name))]
    return f" for {'; '.join(parts)}" if parts else ""


def _terms(key: StoredKey) -> str:
    limits, tags = loads(key.limits), loads(key.tags)
    limited = "; ".join(f"{name} {_words(value)}" for name, value in limits.items())
    return f", limited to {limited}" * bool(limits) + "".join(f" [{name}={value}]" for name, value in tags.items())


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
