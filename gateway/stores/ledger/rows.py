"""The ledger's rows and the days' sums of them, as work for a database.

The sums are changed by what a row adds over what it added before, in the row's own transaction: a batch that is written
twice, and a row that a dead process's rule settled before its own process did, count once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from operator import attrgetter
from time import gmtime, strftime
from typing import Any

from gateway import json
from gateway.stores.database import Database
from gateway.stores.database.work import Row, Work, fetch, many, sound_text
from gateway.stores.ledger.entries import COLUMNS, UNITS, VALUES, Entry

DAY_S = 86_400
MOST = 2**53  # of anything that is counted: a vendor that claims more must not stop the ledger
OURS = ("attempts", "tags")  # texts that the gateway wrote itself, as JSON
MOST_CHARS = 500  # of a text: what is indexed has to fit on a page of an index

DAILY_KEYS = ("day", "key", "tenant", "route", "operation", "requested_model", "provider", "model")
DAILY_SUMS = ("requests", "errors", "unpriced", "estimated", "cost_nano_usd", *UNITS)


_TEXTS = attrgetter(*(each.name for each in fields(Entry) if each.type == "str" and each.name not in OURS))
_ALIKE = attrgetter(*DAILY_KEYS[1:])  # of entries of one day: which fall together
_USED = attrgetter(*UNITS)
_NUMBERS = attrgetter("reserved_nano_usd", "status", *UNITS)
_NOTHING = (0,) * len(DAILY_SUMS)
_Key = tuple[int, tuple[str, ...]]  # the day's number since the epoch, and the rest of DAILY_KEYS


def _marks(count: int, first: int = 1) -> str:
    return ", ".join(f"${number}" for number in range(first, first + count))


_ALL = ", ".join(COLUMNS)
_OPEN = f"INSERT INTO requests ({_ALL}) VALUES ({_marks(len(COLUMNS))}) ON CONFLICT (id) DO NOTHING"
# What a request begins with stays: two of these columns have indexes, which would be written again.
_SETTLE = f"INSERT INTO requests ({_ALL}) VALUES ({_marks(len(COLUMNS))}) ON CONFLICT (id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in COLUMNS[COLUMNS.index("state") :]
)
_ADD = (
    f"INSERT INTO usage_daily ({', '.join(DAILY_KEYS + DAILY_SUMS)}) "
    f"VALUES ({_marks(len(DAILY_KEYS + DAILY_SUMS))}) ON CONFLICT ({', '.join(DAILY_KEYS)}) DO UPDATE SET "
    + ", ".join(f"{name} = usage_daily.{name} + excluded.{name}" for name in DAILY_SUMS)
)
_DROP_EMPTY = (
    "DELETE FROM usage_daily WHERE requests = 0 AND "
    + " AND ".join(f"{name} = ${at}" for at, name in enumerate(DAILY_KEYS, 1))
)  # fmt: skip


def write(database: Database, opened: Iterable[Entry], settled: Iterable[Entry]) -> Work[None]:
    """Write a batch. A row that is settled in it need not be opened first."""
    ended = {entry.id: sound(entry) for entry in settled}
    yield from many(_OPEN, [VALUES(sound(entry)) for entry in opened if entry.id not in ended])
    if not ended:
        return
    found = yield from fetch(
        f"SELECT id, state FROM requests WHERE id IN {database.ids_in} ORDER BY id{database.for_update}", _ids(ended)
    )
    over = [number for number, state in found if state != "open"]  # written twice, or settled by rule meanwhile
    before = [] if not over else (yield from _these(database, over))
    yield from _settle(list(ended.values()), before)


def _these(database: Database, numbers: Sequence[int]) -> Work[list[Entry]]:
    rows = yield from fetch(f"SELECT {_ALL} FROM requests WHERE id IN {database.ids_in}", _ids(numbers))
    return [Entry(*row) for row in rows]


def open_instances() -> Work[list[int]]:
    """Return the numbers of the processes that have rows open."""
    return [
        int(number) for (number,) in (yield from fetch("SELECT DISTINCT instance FROM requests WHERE state = 'open'"))
    ]


def recover(database: Database, dead: Sequence[int]) -> Work[list[Entry]]:
    """Charge what was reserved for what dead processes had begun: their vendors may have done all of it.

    Returns the rows as they are then.
    """
    found = yield from fetch(
        f"SELECT {_ALL} FROM requests WHERE instance IN {database.ids_in} AND state = 'open' "
        f"ORDER BY id{database.for_update}",
        _ids(dead),
    )
    lost = [_crashed(Entry(*row)) for row in found]
    yield from _settle(lost, [])
    return lost


def drop_before(moment: float, limit: int) -> Work[int]:
    """Delete at most `limit` rows that began before `moment` and are over. Returns how many."""
    rows = yield from fetch(
        "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE started_at < $1 AND state <> 'open' "
        "ORDER BY started_at LIMIT $2) RETURNING id",
        moment,
        limit,
    )
    return len(rows)


def born_at() -> Work[int]:
    """Return when the first process came to this database, in microseconds, which tells it from all others."""
    [(moment,)] = yield from fetch("SELECT MIN(started_at) FROM instances")
    return int((moment or 0.0) * 1e6)


def counts() -> Work[tuple[int, int]]:
    """Return how many rows there are, and how many of them are open."""
    [(total,)] = yield from fetch("SELECT COUNT(*) FROM requests")
    [(still_open,)] = yield from fetch("SELECT COUNT(*) FROM requests WHERE state = 'open'")
    return int(total), int(still_open)


def day_of(moment: float) -> str:
    return strftime("%Y-%m-%d", gmtime(moment))


def daily(entries: Iterable[Entry], before: Iterable[Entry] = ()) -> list[Row]:
    """Return what to add to the days' sums for `entries` in the place of `before`, one row for all that fall together.

    Sorted, so that two processes never wait for each other's rows.
    """
    sums = _summed(entries)
    for key, less in _summed(before).items():
        sums[key] = [more - amount for more, amount in zip(sums.get(key, _NOTHING), less, strict=True)]
    return [(*_named(key), *row) for key, row in sorted(sums.items()) if any(row)]


def sound(entry: Entry) -> Entry:
    """Return the entry with nothing in it that a database refuses: what clients and vendors say must not stop it."""
    texts = _TEXTS(entry)
    are_plain = _is_plain("".join(texts)) or all(map(_is_plain, texts))
    if are_plain and max(entry.cost_nano_usd or 0, *_NUMBERS(entry)) <= MOST:
        return entry
    return Entry(**{name: _sound(name, getattr(entry, name)) for name in COLUMNS})


def _is_plain(text: str) -> bool:
    return len(text) <= MOST_CHARS and text.isascii() and text.isprintable()


def _sound(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return sound_text(value if name in OURS else value[:MOST_CHARS])
    return min(value, MOST) if isinstance(value, int) and name != "id" else value


def _settle(entries: Sequence[Entry], before: Sequence[Entry]) -> Work[None]:
    yield from many(_SETTLE, map(VALUES, entries))
    yield from many(_ADD, daily(entries, before))
    yield from many(_DROP_EMPTY, map(_named, sorted({_daily_key(entry) for entry in before})))


def _summed(entries: Iterable[Entry]) -> dict[_Key, list[float]]:
    alike: defaultdict[_Key, list[tuple[float, ...]]] = defaultdict(list)
    for entry in entries:
        alike[_daily_key(entry)].append(_amounts(entry))
    return {key: [sum(column) for column in zip(*rows, strict=True)] for key, rows in alike.items()}


def _daily_key(entry: Entry) -> _Key:
    return int(entry.started_at // DAY_S), _ALIKE(entry)


def _named(key: _Key) -> tuple[str, ...]:
    """Return a key as its columns have it: a day is named once for all that fall together."""
    day, alike = key
    return day_of(day * DAY_S), *alike


def _amounts(entry: Entry) -> tuple[float, ...]:
    is_error = entry.status >= 400 or entry.state == "crashed"
    cost = entry.cost_nano_usd
    return 1, is_error, cost is None, entry.is_estimated, cost or 0, *_USED(entry)


def _ids(numbers: Iterable[int]) -> str:
    return json.dumps(list(numbers)).decode()


def _crashed(entry: Entry) -> Entry:
    return replace(entry, state="crashed", outcome="crashed", cost_nano_usd=entry.reserved_nano_usd, is_estimated=True)
