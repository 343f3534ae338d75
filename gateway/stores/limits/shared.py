"""Counters that processes share, in Redis: one script call a request, in which all claims are granted or none.

What was used is told to Redis beside the requests, gathered; while Redis is away it waits here, one number a counter.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import secrets
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.stores.ending import end
from gateway.stores.limits import periods, scripts
from gateway.stores.limits.local import Refused, States
from gateway.stores.limits.meters import Claim, State

if TYPE_CHECKING:
    from redis.asyncio import Redis

LOGGER = logging.getLogger("gateway")

BUDGET_S = 0.05  # what a request may wait for Redis, connection included
BEAT_S = 0.5  # how often a process says that it lives, and looks for a Redis that is away
LEASE_S = 10  # what a process holds counts for so long after it was last heard of
RESTORE_S = 10.0  # for the ledger to be read after Redis lost its counters
GATHER_S = 0.01  # settlements, for which nobody waits, gather so long
MAX_CONNECTIONS = 50  # a call takes well under a millisecond; more than this would only queue in Redis
BURY_EVERY = 10  # beats, between two looks for processes that have died: at the first after a connection, too
MAX_BATCH = 200  # counters in one script call: a long one would hold up all others
DAY_S = 86_400

# What the ledger says is spent in the running periods, exactly as of when it calls its argument; None where there is
# none. Raises Forgotten where it cannot be read.
Restore = Callable[[Callable[[], None]], Awaitable[Sequence[tuple[Claim, int]] | None]]
Dead = Callable[[list[str]], Awaitable[list[str]]]  # those of the names whose processes are known not to live
Counter = tuple[str, str, int, int]  # key, kind, number of the window, seconds
Place = int | str  # of a claim that was granted: the number of its window, or its key with its period


class Forgotten(Exception):
    """Redis was emptied, or what it has to begin with cannot be read; the message says which."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What Redis has to be told of one counter: what is no longer held, and what was used."""

    claim: Claim
    held: int
    used: int


class SharedCounters:
    """Counts in the Redis that `use` names; `reserve` returns None where there is none, or it is away."""

    def __init__(
        self, now: Callable[[], float], restore: Restore, on_spent: Callable[[Claim, int, int], None], dead: Dead
    ) -> None:
        self._now = now
        self._restore = restore
        self._on_spent = on_spent
        self._dead = dead
        self._me = secrets.token_hex(8)
        self._beats = 0  # since it is here
        self._url = ""
        self._redis: Redis | None = None
        self._is_here = False
        self._is_told = True  # whether the log has said so
        self._owed: dict[Counter, Owed] = {}
        self._unsure: dict[Counter, Owed] = {}  # the batch that was sent last, until its answer came
        self._holding: dict[str, int] = {}  # key -> what this process holds of it in Redis
        self._asking: Tally[str] = Tally()  # keys of which more is being asked for
        self._doubtful: set[str] = set()  # keys of which Redis may hold more for this process than it knows
        self._batch = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._changes: set[asyncio.Task[None]] = set()
        self.living = 1  # processes, as last heard

    @property
    def is_wanted(self) -> bool:
        return bool(self._url)

    @property
    def is_here(self) -> bool:
        return self._is_here

    def call_me(self, name: str) -> None:
        """Name this process as `dead` will be asked for it. Before the first use."""
        self._me = f"{name}/{self._me}"

    def use(self, url: str) -> None:
        """Count at `url` from now on, "" for nowhere. Connects beside the requests, which do not wait for it."""
        if url == self._url:
            return
        old, self._redis = self._redis, None
        self._url, self._is_here = url, False
        change = asyncio.ensure_future(self._change(old, url))
        self._changes.add(change)
        change.add_done_callback(self._changes.discard)

    async def settled(self, within_s: float) -> None:
        """Wait until it is connected, or known to be away, for at most so long."""
        if self._changes:
            await asyncio.wait(self._changes, timeout=within_s)

    async def reserve(self, claims: Sequence[Claim]) -> tuple[Refused | None, States] | None:
        """Grant all claims or none, and say what is left of each."""
        if not self._is_here:
            return None
        keys = [self._key(claim) for claim in claims]
        arguments: list[Any] = [self._me, LEASE_S]
        for claim in claims:
            meter = claim.meter
            arguments += [meter.kind, claim.amount, meter.amount, int(claim.is_soft), self._seconds(claim)]
        answer = await self._ask(keys, claims, arguments)
        if answer is None:
            return None
        refused, wait_ms, self.living, *rows = answer
        states = [(claim, self._state(claim, *rows[3 * at : 3 * at + 2])) for at, claim in enumerate(claims)]
        if refused:
            wait_s = {-1: None, -2: states[refused - 1][1].reset_s}.get(wait_ms, wait_ms / 1000)
            return Refused(claims[refused - 1], wait_s), states
        for at, ((claim, state), key) in enumerate(zip(states, keys, strict=True)):
            if claim.meter.kind == "window":
                state.place = rows[3 * at + 2]
            else:
                state.place = key
                self._holding[key] = self._holding.get(key, 0) + claim.amount
        return None, states

    async def _ask(self, keys: list[str], claims: Sequence[Claim], arguments: list[Any]) -> list[int] | None:
        """Run the script. Where its answer does not come, what it may have done is put right at a beat."""
        holding = [key for key, claim in zip(keys, claims, strict=True) if claim.meter.kind != "window"]
        self._asking.update(holding)
        try:
            async with asyncio.timeout(BUDGET_S):
                answer: list[int] = await self._run(scripts.RESERVE, [scripts.LIVING, scripts.WARM, *keys], arguments)
        except asyncio.CancelledError:
            self._doubtful.update(holding)
            raise
        except _failures() as error:
            self._doubtful.update(holding)
            self._lost(error)
            return None
        finally:
            self._asking.subtract(holding)
        if answer[0] == -1:  # flushed: the next beat restores what the ledger knows
            self._lost(Forgotten("it has forgotten its counters"))
            return None
        return answer

    def _state(self, claim: Claim, left: int, reset_ms: int) -> State:
        if claim.meter.kind == "money":
            return State(left, periods.ends_in_s(claim.meter.period, self._now()))
        return State(left, reset_ms / 1000)

    def settle(self, claim: Claim, place: Place, used: int) -> None:
        """Tell Redis what was used in the place of what is held there, when it can be told."""
        meter = claim.meter
        if meter.kind == "window":
            number = place if isinstance(place, int) else 0
            if used == claim.amount:
                return
            self._owe((self._key(claim), meter.kind, number, meter.window_s), claim, claim.amount, used)
        else:
            self._owe((str(place), meter.kind, 0, self._seconds(claim)), claim, claim.amount, used)

    def spent_elsewhere(self, claim: Claim, used: int) -> None:
        """Tell Redis of money that was spent while it was away, of which it holds nothing."""
        if used:
            self._owe((self._key(claim), claim.meter.kind, 0, self._seconds(claim)), claim, 0, used)

    async def aclose(self) -> None:
        self.use("")
        await asyncio.gather(*self._changes, return_exceptions=True)

    # ------------------------------------------------------------ connecting

    async def _change(self, old: Redis | None, url: str) -> None:
        if self._task is not None:
            await self._flush()
            await end(self._task)
            self._task, self._is_here = None, False  # it may have beaten once more
        if old is not None:
            await old.aclose(close_connection_pool=True)
        if not url or url != self._url:
            return
        # The package takes longer to import than a request may wait for Redis.
        library = await asyncio.to_thread(importlib.import_module, "redis.asyncio")
        retry = await asyncio.to_thread(importlib.import_module, "redis.asyncio.retry")
        backoff = await asyncio.to_thread(importlib.import_module, "redis.backoff")
        # Its own defaults wait for 5 s and try again ten times; closing a connection waits for the connect timeout too.
        pool = library.BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=BUDGET_S,
            socket_timeout=BUDGET_S,
            socket_connect_timeout=BUDGET_S,
            retry=retry.Retry(backoff.NoBackoff(), 0),
        )
        self._redis = library.Redis(connection_pool=pool)
        self._is_told = False
        await self._beat()
        self._task = asyncio.create_task(self._keep_up(), name="shared limits")

    async def _keep_up(self) -> None:
        """Beat, and tell Redis what is owed, until cancelled."""
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + BEAT_S
        while True:
            try:
                async with asyncio.timeout(max(0.0, beat_at - loop.time())):
                    await self._wake.wait()
            except TimeoutError:
                await self._beat()
                beat_at = loop.time() + BEAT_S
            if (self._owed or self._unsure) and self._is_here:
                await asyncio.sleep(GATHER_S)
                self._wake.clear()
                await self._flush()
            else:
                self._wake.clear()

    async def _beat(self) -> None:
        try:
            async with asyncio.timeout(10 * BUDGET_S):
                is_warm, self.living = await self._run(
                    scripts.BEAT, [scripts.LIVING, scripts.WARM], [self._me, LEASE_S]
                )
            if not is_warm:
                await self._warm_up()
            async with asyncio.timeout(10 * BUDGET_S):
                await self._true_up()
            if not self._is_here:
                self._beats = 0
            if self._beats % BURY_EVERY == 0:
                await self._bury()
        except _failures() as error:
            self._lost(error)
            return
        self._beats += 1
        if not self._is_here:
            LOGGER.warning("redis is here: limits are counted in it, together with other processes")
        self._is_here, self._is_told = True, False

    async def _warm_up(self) -> None:
        """Begin the counters anew, with what the ledger says was spent. What is owed by then is in that already."""
        known: dict[Counter, Owed] = {}

        def mark() -> None:
            known.update(self._owed)

        async with asyncio.timeout(RESTORE_S):
            rows = await self._restore(mark)
        await self._begin_with(rows or (), is_all=True)
        if rows is not None:
            self._drop(known)
        self._doubtful.update(self._holding)  # what is under way is held again

    async def begin_with(self, rows: Sequence[tuple[Claim, int]]) -> None:
        """Let budgets that are new begin with what was spent; those that others have begun are left as they are."""
        if not self._is_here or not rows:
            return  # they begin with all others, when it comes back
        try:
            await self._begin_with(rows, is_all=False)
        except _failures() as error:
            self._lost(error)

    async def _begin_with(self, rows: Sequence[tuple[Claim, int]], *, is_all: bool) -> None:
        keys = [self._key(claim) for claim, _ in rows]
        arguments = [value for claim, spent in rows for value in (spent, self._seconds(claim))]
        async with asyncio.timeout(10 * BUDGET_S):
            await self._run(scripts.RESTORE, [scripts.WARM, *keys], [int(is_all), *arguments])

    async def _bury(self) -> None:
        """Let nothing count any more that dead processes hold, where that can be told before their lease is over."""
        async with asyncio.timeout(10 * BUDGET_S):
            members = [_text(member) for member in await self._run(scripts.LIVING_NAMES, [scripts.LIVING], [])]
        of: dict[str, list[str]] = {}
        for member in members:
            of.setdefault(member.partition("/")[0], []).append(member)
        if dead := await self._dead(list(of)):
            async with asyncio.timeout(10 * BUDGET_S):
                await self._run(scripts.BURY, [scripts.LIVING], [member for name in dead for member in of[name]])

    def _drop(self, known: Mapping[Counter, Owed]) -> None:
        """Owe no more what the ledger has told, nor hold what was held for it. What was sent before is older still."""
        for counter, told in (*self._unsure.items(), *known.items()):
            self._let_go(counter, told.held)
        self._unsure = {}
        for counter, told in known.items():
            owed = self._owed.pop(counter)
            rest = Owed(owed.claim, owed.held - told.held, owed.used - told.used)
            if rest.held or rest.used:
                self._owed[counter] = rest

    def _let_go(self, counter: Counter, held: int) -> None:
        key, kind, _, _ = counter
        if kind == "window" or not held:
            return
        left = self._holding.get(key, 0) - held
        if left > 0:
            self._holding[key] = left
        else:
            self._holding.pop(key, None)

    async def _true_up(self) -> None:
        keys = [key for key in self._doubtful if not self._asking[key]]
        if keys and not self._unsure:
            values = [self._holding.get(key, 0) for key in keys]
            await self._run(scripts.TRUE_UP, keys, [self._me, *values])
            self._doubtful.difference_update(keys)
        self._asking = +self._asking  # forgets the keys of which nothing is asked

    def _lost(self, error: BaseException) -> None:
        self._is_here = False
        if not self._is_told:
            reason = str(error) if isinstance(error, Forgotten) else type(error).__name__
            LOGGER.warning("redis is away (%s): each limit holds as its while_away says", reason)
            self._is_told = True

    # ------------------------------------------------------------ what is owed

    def _owe(self, counter: Counter, claim: Claim, held: int, used: int) -> None:
        was = self._owed.get(counter)
        if was is not None:
            held, used = was.held + held, was.used + used
        self._owed[counter] = Owed(claim, held, used)
        self._wake.set()

    async def _flush(self) -> None:
        """Send what is owed. A batch whose answer was lost is sent again as it was: its number counts once."""
        while self._is_here and (self._unsure or self._owed):
            if not self._unsure:
                self._unsure = dict(list(self._owed.items())[:MAX_BATCH])
                for counter in self._unsure:
                    del self._owed[counter]
                self._batch += 1
            try:
                async with asyncio.timeout(10 * BUDGET_S):
                    await self._tell(self._unsure)
            except _failures() as error:
                self._lost(error)
                return
            self._unsure = {}

    async def _tell(self, rows: Mapping[Counter, Owed]) -> None:
        keys = [scripts.LIVING, scripts.WARM, scripts.DONE + self._me, *(key for key, _, _, _ in rows)]
        arguments: list[Any] = [self._me, self._batch]
        for (_, kind, number, seconds), owed in rows.items():
            arguments += [kind, owed.held, owed.used, number, seconds]
        spent = await self._run(scripts.SETTLE, keys, arguments)
        if spent[:1] == [-2]:
            raise Forgotten("it has forgotten its counters")
        for counter, owed in rows.items():
            self._let_go(counter, owed.held)
        for owed, after in zip(rows.values(), spent, strict=False):
            if after >= 0:
                self._on_spent(owed.claim, after - owed.used, after)

    # ------------------------------------------------------------ keys

    def _key(self, claim: Claim) -> str:
        if claim.meter.kind == "money":
            return f"{{gateway}}:{claim.key}|{periods.name_of(claim.meter.period, self._now())}"
        return f"{{gateway}}:{claim.key}"

    def _seconds(self, claim: Claim) -> int:
        """The window's length; of other counters, how long they are kept after they were last touched."""
        meter = claim.meter
        if meter.kind == "window":
            return meter.window_s
        if meter.kind == "concurrent":
            return DAY_S
        left_s = periods.ends_in_s(meter.period, self._now())
        return 0 if left_s is None else int(left_s) + 2 * DAY_S  # for calls that began before its end

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        if self._redis is None:
            raise ConnectionError("not connected")
        return await self._redis.register_script(script)(keys=keys, args=arguments)


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _failures() -> tuple[type[BaseException], ...]:
    """What an absent, full, read-only or slow Redis raises, and what is raised where it was emptied."""
    from redis.exceptions import RedisError

    return (RedisError, OSError, TimeoutError, Forgotten)
