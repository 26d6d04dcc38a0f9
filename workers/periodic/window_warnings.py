"""Watches windows, and warns users before one closes while its contact waits for an answer.

A conversation has at most one row in `windows`. The message that opens its window makes the row;
the messages after it do not change the row. A check of what is due is one transaction:

    lock the due rows -> decide -> move or remove the rows -> outbox -> commit

so that each window has one warning, whichever worker checks it, and even if that worker dies.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, NoReturn

from db.connect import AnyConnection, Pool
from db.conversations import ConversationKey, conversation_key, lock_conversations
from db.outbox import OutboxRow
from db.queries import QUERIES
from db.windows import lock_due_windows, newest_of_contacts, unwatch_windows, watch_windows
from domain.conversation import Conversation
from domain.windows import WindowCheck, check_window, warn
from workers.agents.directory_cache import DirectoryCache
from workers.outbox.collector import OUTBOX_BATCH_BYTES_MAX, OutboxCollector
from workers.process import metrics
from workers.process.hooks import Hooks
from workers.process.retries import until_done
from workers.settings import Settings

CONVERSATIONS_MAX = 200
"""Conversations in one transaction."""

WINDOWS_IDLE_SECONDS = 2.0
"""How long to wait before the next check when nothing was due."""


class _Checked(NamedTuple):
    """The numbers of one transaction, and its outbox rows."""

    conversations: int
    warnings: int
    """Only those with recipients."""
    rows: list[OutboxRow]


class WindowWarnings:
    """Watches the windows of all conversations, together with other workers."""

    def __init__(
        self,
        settings: Settings,
        directories: DirectoryCache,
        *,
        pool: Pool,
        hooks: Hooks,
    ) -> None:
        self._settings = settings
        self._directories = directories
        self._pool = pool
        self._hooks = hooks

    async def watch(self) -> NoReturn:
        """Check what is due, for ever. Raises every error that is not transient."""
        while True:
            checked = await until_done("windows", self._check_due, self._hooks.alive)
            if not checked:
                await asyncio.sleep(WINDOWS_IDLE_SECONDS)

    async def _check_due(self) -> int:
        """Check what is due in one transaction; returns the number of conversations."""
        async with self._pool.acquire() as connection, connection.transaction():
            checked = await self._check_within(connection)
        metrics.WINDOW_WARNINGS.inc(checked.warnings)
        self._hooks.committed(checked.rows)
        return checked.conversations

    async def _check_within(self, connection: AnyConnection) -> _Checked:
        due = await lock_due_windows(connection, CONVERSATIONS_MAX)
        conversations = await lock_conversations(connection, due)
        now: datetime = await connection.fetchval(QUERIES["clock"])
        checks = {key: check_window(state, now) for key, state in conversations.items()}
        closing = [conversations[key] for key, check in checks.items() if check.must_warn]
        outbox = OutboxCollector(self._settings, now)
        warned, warnings = await self._warn(connection, closing, outbox)
        for state in closing[warned:]:
            # It did not fit, and stays due for the next transaction.
            del checks[conversation_key(state)]
        await _save(connection, checks)
        return _Checked(len(checks), warnings, await outbox.save(connection))

    async def _warn(
        self, connection: AnyConnection, closing: Sequence[Conversation], outbox: OutboxCollector
    ) -> tuple[int, int]:
        """Emit warnings until the transaction is full.

        Returns for how many conversations it did, and how many of them have recipients.
        """
        if not closing:
            return 0, 0
        accounts = {state.account_id for state in closing}
        directories = await self._directories.load(connection, accounts)
        newest = await newest_of_contacts(
            connection, [conversation_key(state) for state in closing]
        )
        warnings = 0
        for count, state in enumerate(closing, start=1):
            directory, message = directories[state.account_id], newest.get(conversation_key(state))
            outgoing = warn(state, directory, self._settings.app_url, message)
            for event in outgoing:
                outbox.add(event)
            warnings += bool(outgoing)
            if outbox.bytes >= OUTBOX_BATCH_BYTES_MAX:
                return count, warnings
        return len(closing), warnings


async def _save(connection: AnyConnection, checks: dict[ConversationKey, WindowCheck]) -> None:
    next_checks = [
        (key, check.next_check_at)
        for key, check in checks.items()
        if check.next_check_at is not None
    ]
    await watch_windows(connection, next_checks)
    ended = [key for key, check in checks.items() if check.next_check_at is None]
    await unwatch_windows(connection, ended)
