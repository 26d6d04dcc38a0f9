"""Postgres as the workers rely on it: dicts, transactions (read committed), row locks."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

import asyncpg

from tests.simulation.turns import CURRENT, Fate, Process, Turns
from tests.unit.domain.given.memory_inbox import Applied
from tests.unit.domain.given.samples import NOON

Place = tuple[str, Hashable]
"""A table and a primary key."""

_GONE: Any = object()


class Postgres:
    """The committed rows, and who holds which lock."""

    def __init__(self, turns: Turns, committed: Callable[["Transaction"], None]) -> None:
        self.turns = turns
        self.tables: dict[str, dict[Any, Any]] = defaultdict(dict)
        self.locks: dict[Place, Transaction] = {}
        # In the order of their beginning: a seed is to be one history.
        self.open: dict[Transaction, None] = {}
        self.committed = committed
        """Called with each transaction, in the order of their commits."""
        self.commits = 0
        """How many transactions were committed."""
        self.later = timedelta()
        """How far its clock is ahead of the workers' timers, which need not run for hours."""

    @property
    def now(self) -> datetime:
        """The one clock of all workers."""
        return NOON + self.later + timedelta(seconds=self.turns.time())

    def sever(self, process: Process) -> None:
        """End all transactions of a process: it died, or was silent for too long."""
        for transaction in [one for one in self.open if one.process is process]:
            transaction.end()


class Transaction:
    """One transaction: what it wrote, and what it locked."""

    def __init__(self, postgres: Postgres) -> None:
        self.process = CURRENT.get()
        self.applied: list[Applied] = []
        """What was decided in it."""
        self.is_open = True
        self.postgres = postgres
        self._writes: dict[str, dict[Any, Any]] = {}
        self._locked: list[Place] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._waits_for: Transaction | None = None
        self.began = postgres.commits
        """How many transactions were committed before it began."""
        postgres.open[self] = None

    def get(self, table: str, key: Hashable) -> Any:
        """A row, or None."""
        own = self._writes.get(table)
        if own is not None and key in own:
            return None if own[key] is _GONE else own[key]
        return self.postgres.tables[table].get(key)

    def rows(self, table: str) -> dict[Any, Any]:
        """All rows of a table. Not to be changed."""
        committed, own = self.postgres.tables[table], self._writes.get(table)
        if not own:
            return committed
        return {key: row for key, row in (committed | own).items() if row is not _GONE}

    def put(self, table: str, key: Hashable, row: Any) -> None:
        """Write a row that is locked, or is under another lock."""
        self._writes.setdefault(table, {})[key] = row

    def remove(self, table: str, key: Hashable) -> None:
        """Delete a row that is locked, or is under another lock."""
        self._writes.setdefault(table, {})[key] = _GONE

    async def lock(self, table: str, key: Hashable) -> None:
        """Lock a row, or the place of one, until the transaction ends."""
        place = (table, key)
        while (holder := self.postgres.locks.get(place, self)) is not self:
            self._waits_for = holder
            if holder.is_waiting_for(self):
                self.postgres.turns.met["a deadlock"] += 1
                raise asyncpg.DeadlockDetectedError("a circle of locks")
            self.postgres.turns.met["a wait for a lock"] += 1
            waiter = self.postgres.turns.create_future()
            holder._waiters.append(waiter)
            await waiter
            self._waits_for = None
            if not self.is_open:
                raise ConnectionResetError("severed while it waited for a lock")
        self.try_lock(table, key)

    def try_lock(self, table: str, key: Hashable) -> bool:
        """Lock a row, unless another transaction has locked it. Returns whether it is locked."""
        place = (table, key)
        if self.postgres.locks.get(place, self) is not self:
            return False
        if place not in self.postgres.locks:
            self.postgres.locks[place] = self
            self._locked.append(place)
        return True

    def is_waiting_for(self, other: "Transaction") -> bool:
        """Whether it cannot go on before another one ends."""
        ahead = self._waits_for
        while ahead is not None and ahead is not other:
            ahead = ahead._waits_for
        return ahead is other

    async def insert(self, table: str, key: Hashable, row: Any) -> None:
        """Write a new row."""
        await self.lock(table, key)
        if self.get(table, key) is not None:
            self.postgres.turns.met["a unique violation"] += 1
            raise asyncpg.UniqueViolationError(f"{table} has it already")
        self.put(table, key, row)

    def commit(self) -> None:
        """Make it all true."""
        assert self.is_open
        for table, writes in self._writes.items():
            rows = self.postgres.tables[table]
            for key, row in writes.items():
                if row is _GONE:
                    rows.pop(key, None)
                else:
                    rows[key] = row
        self.end()
        self.postgres.commits += 1
        self.postgres.committed(self)

    def end(self) -> None:
        """Let go of the locks; what was written and not committed is forgotten."""
        self.is_open = False
        self.postgres.open.pop(self, None)
        for place in self._locked:
            del self.postgres.locks[place]
        self._locked = []
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        if self._waits_for is not None:
            # Its own statement fails as soon as the lock is free, or its process is cancelled.
            self._waits_for = None


class Connection:
    """A connection, as far as the product uses one itself."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self.within: Transaction | None = None

    def transaction(self) -> "_Block":
        """A transaction, as an asynchronous context."""
        return _Block(self)

    async def fetchval(self, _query: str) -> datetime:
        """The database's clock: all else goes through the functions of `db`."""
        await self.statement("clock")
        return self._postgres.now

    async def statement(self, what: str) -> Transaction:
        """Wait for a statement's turn; the transaction that it is in, or is by itself."""
        fate = await self._postgres.turns.turn(what)
        transaction = self.within or Transaction(self._postgres)
        if fate is not Fate.DONE or not transaction.is_open:
            transaction.end()
            raise ConnectionResetError(f"{what}: the connection is lost")
        return transaction

    def met(self, what: str) -> None:
        """Count what happened."""
        self._postgres.turns.met[what] += 1

    async def commit(self, transaction: Transaction) -> None:
        """Commit, if the connection holds so long."""
        fate = await self._postgres.turns.turn("commit")
        if not transaction.is_open:
            self.met("a commit of a transaction that the server had ended")
        if fate is Fate.FAILED or not transaction.is_open:
            raise ConnectionResetError("commit: the connection is lost")
        transaction.commit()
        if fate is Fate.UNANSWERED:
            self._postgres.turns.met["a commit of unknown outcome"] += 1
            raise ConnectionResetError("commit: the outcome is unknown")


class _Block:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def __aenter__(self) -> None:
        assert self._connection.within is None
        self._connection.within = Transaction(self._connection._postgres)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        transaction = self._connection.within
        assert transaction is not None
        try:
            if kind is None:
                await self._connection.commit(transaction)
        finally:
            if transaction.is_open:
                transaction.end()
            self._connection.within = None


class Pool:
    """A pool without limit."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def acquire(self) -> "_Lent":
        """A connection, as an asynchronous context."""
        return _Lent(self._postgres)


class _Lent:
    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def __aenter__(self) -> Connection:
        return Connection(self._postgres)

    async def __aexit__(self, *_: object) -> None:
        """Nothing is kept."""
