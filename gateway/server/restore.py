"""Limits begin with what the ledger says was used: at a start, when one is new, and when Redis lost its counters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from gateway.config.model import Config
from gateway.middlewares.auth import declared
from gateway.middlewares.claims import is_per_target
from gateway.services import Services
from gateway.stores.ledger import Entry, LedgerAway
from gateway.stores.ledger.used import AMOUNTS, Used, used_by
from gateway.stores.limits import Claim, Forgotten, Meter, meters_of, periods
from gateway.types import SHADOW, Client, Limit

_DIMENSIONS = {"model": "requested_model"}  # the others are called alike in both
_AMOUNTS = {"money": "cost_nano_usd"}
MIN_WINDOW_S = 60  # shorter windows are over before the process is back

Span = tuple[float | None, float | None]  # from, and until; None: ever
UsedBetween = Callable[[float | None, float | None], Awaitable[Sequence[Used]]]
Restored = tuple[Claim, int, bool]  # the amount, and whether it belongs to the window before the running one


class Restorer:
    """Looks in the ledger for what was used of the limits in `config`, which is the one that serves."""

    def __init__(self, config: Config, services: Services) -> None:
        self.config = config
        self._keys = services.keys
        self._limiter = services.limiter
        self._ledger = services.ledger

    async def begin(self) -> None:
        """Let the counters of this process begin with what the ledger says, and those in Redis wherever they are gone,
        and where a process died. Raises LedgerAway."""
        self._limiter.restore = self._money
        self._limiter.dead = self._dead
        self._limiter.shared.call_me(self._ledger.name)
        self._ledger.on_crashed = self._charge
        await self._charge(self._ledger.recovered)
        for claim, amount, is_before in await self._found(self._ledger.used):
            self._limiter.local.restore(claim, amount, is_previous_window=is_before)

    async def follow(self, config: Config) -> None:
        """Let limits that `config` adds begin with what was used before, and serve by it from now on."""
        added = _counters(config) - _counters(self.config)
        self.config = config
        if not added:
            return
        await self._ledger.flush()
        rows = [
            row
            for row in await self._found(self._ledger.used)
            if added & {(row[0].meter.id, ""), (row[0].meter.id, row[0].subject)}
        ]
        for claim, amount, is_before in rows:
            if claim.meter.kind == "money" or not self._limiter.local.is_counted(claim):
                self._limiter.local.restore(claim, amount, is_previous_window=is_before)
        await self._limiter.shared.begin_with(_of_money(rows))

    async def _found(self, used: UsedBetween) -> list[Restored]:
        now, clients = self._limiter.now(), (*declared(self.config.keys).values(), *self._keys.limited())
        general = [row async for row in restored(self.config, used, now)]
        return [*general, *[row async for row in restored_of_keys(clients, used, now)]]

    async def _money(self, mark: Callable[[], None]) -> list[tuple[Claim, int]]:
        try:
            async with self._ledger.as_of(mark):
                return _of_money(await self._found(self._ledger.used))
        except LedgerAway as error:
            raise Forgotten(f"it is empty, and what it has to begin with cannot be looked up: {error}") from error

    async def _dead(self, names: list[str]) -> list[str]:
        try:
            return await self._ledger.dead(names)
        except LedgerAway:
            return []  # their leases end by themselves

    async def _charge(self, crashed: Sequence[Entry]) -> None:
        """Tell Redis what dead processes' requests are charged; the counters in a process died with it."""
        if not self.config.redis_url or not crashed:
            return

        async def among(since: float | None, until: float | None) -> list[Used]:
            start, end = since or 0.0, until or float("inf")
            return used_by(entry for entry in crashed if start <= entry.started_at < end)

        for claim, amount in _of_money(await self._found(among)):
            self._limiter.shared.spent_elsewhere(claim, amount)


def _of_money(rows: Iterable[Restored]) -> list[tuple[Claim, int]]:
    return [(claim, amount) for claim, amount, _ in rows if claim.meter.kind == "money"]


def _counters(config: Config) -> set[tuple[str, str]]:
    """Return the meters that there are, each with its subject where it is of one key alone."""
    own = {
        (meter.id, f"key={client.name}")
        for client in declared(config.keys).values()
        for limit in client.limits
        for meter in meters_of(limit)
    }
    return own | {(meter.id, "") for limit in _limits(config) for meter in meters_of(limit)}


async def restored(config: Config, used_between: UsedBetween, now: float) -> AsyncIterator[Restored]:
    """Yield what was used of each meter that looks back, in its running period, or its windows."""
    for limit in _limits(config):
        for meter in meters_of(limit):
            for start, end in _spans(meter, now):
                for claim, amount in _sums(limit, meter, await used_between(start, end), config):
                    yield claim, amount, end is not None


async def restored_of_keys(clients: Iterable[Client], used_between: UsedBetween, now: float) -> AsyncIterator[Restored]:
    """Yield the same of keys' own limits. The ledger is asked once for each span, however many keys there are."""
    limits = {client.name: client.limits for client in clients if client.limits}
    distinct = {id(limit): limit for held in limits.values() for limit in held}
    meters: dict[int, dict[Span, list[Meter]]] = {}  # of a limit: span -> those that look back so far
    for number, limit in distinct.items():
        by_span = meters.setdefault(number, {})
        for meter in meters_of(limit):
            for span in _spans(meter, now):
                by_span.setdefault(span, []).append(meter)
    for span in {span for by_span in meters.values() for span in by_span}:
        for key, amounts in _by_key(await used_between(*span), limits).items():
            for meter in (meter for limit in limits[key] for meter in meters[id(limit)].get(span, ())):
                if amount := amounts[_amount(meter)]:
                    yield Claim(meter, f"key={key}", 0), amount, span[1] is not None


def _spans(meter: Meter, now: float) -> list[Span]:
    """Between which moments the ledger has to be asked; what is over, or about to be, is not restored."""
    if meter.kind == "money":
        return [(periods.began_at(meter.period, now), None)]
    if meter.kind == "window" and meter.window_s >= MIN_WINDOW_S:
        began = now - now % meter.window_s
        return [(began, None), (began - meter.window_s, began)]
    return []


def _by_key(rows: Sequence[Used], wanted: Container[str]) -> dict[str, dict[str, int]]:
    """Return the sums of each key that is wanted."""
    sums: dict[str, dict[str, int]] = {}
    for row in rows:
        key = row.values["key"]
        if key in wanted:
            own = sums.setdefault(key, dict.fromkeys(AMOUNTS, 0))
            for name in AMOUNTS:
                own[name] += row.amounts[name]
    return sums


def _amount(meter: Meter) -> str:
    return _AMOUNTS.get(meter.kind) or str(meter.unit)


def _limits(config: Config) -> list[Limit]:
    """All limits, each once; those by address are not in the ledger, which keeps none."""
    quotas = {route.quota.name: route.quota for route in config.routes if route.quota is not None}
    return [limit for limit in (*quotas.values(), *config.limits) if "address" not in (*limit.per, *limit.only)]


def _sums(limit: Limit, meter: Meter, rows: Sequence[Used], config: Config) -> Iterator[tuple[Claim, int]]:
    own = {route.name for route in config.routes if route.quota is not None and route.quota.name == limit.name}
    sums: dict[str, int] = {}
    for row in rows:
        if limit not in config.limits and row.values["route"] not in own:
            continue
        if row.values["key"] == SHADOW and not is_per_target(limit):
            continue  # nobody's limit counted it
        if not all(_is_among(_value(row, name), patterns) for name, patterns in limit.only.items()):
            continue
        subject = " ".join(f"{name}={_value(row, name)}" for name in limit.per) or "all"
        sums[subject] = sums.get(subject, 0) + row.amounts[_amount(meter)]
    for subject, amount in sums.items():
        if amount:
            yield Claim(meter, subject, 0), amount


def _value(row: Used, name: str) -> str:
    return row.values[_DIMENSIONS.get(name, name)]


def _is_among(value: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)
