"""Watches windows: before one closes on a contact who waits for an answer, somebody is told.

A conversation has one row in `windows` at the most, made by the message that opened its window
and left alone by those after it. A look at what is due is one transaction:

    lock what is due -> decide -> move or remove the rows -> outbox -> commit

so that a window is told of once, whichever worker looks, and however it ends.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, NoReturn

from db.connect import AnyConnection, Pool
from db.conversations import ConversationKey, lock_conversations
from db.errors import is_transient
from db.outbox import OutboxRow
from db.queries import QUERIES
from db.windows import leave_windows, lock_due_windows, newest_of_contacts, watch_windows
from domain.conversation import Conversation
from domain.windows import Look, look_at, warn
from workers.agents.directory_cache import Directories
from workers.outbox.collector import BATCH_BYTES_MAX, Outbox
from workers.process import metrics
from workers.process.retries import pause_seconds
from workers.settings import Settings

log = logging.getLogger(__name__)

CONVERSATIONS_MAX = 200
"""Conversations in one transaction."""

IDLE_SECONDS = 2.0
"""How often to look when nothing was due."""


class _Looked(NamedTuple):
    """What one transaction did."""

    conversations: int
    warnings: int
    rows: list[OutboxRow]


class Windows:
    """What one worker does about windows."""

    def __init__(
        self,
        settings: Settings,
        directories: Directories,
        *,
        pool: Pool,
        committed: Callable[[list[OutboxRow]], None],
        alive: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._directories = directories
        self._pool = pool
        self._committed = committed
        """Given the outbox rows of a transaction, now that it is committed."""
        self._alive = alive
        """Told that a database is waited for, which is no stall."""

    async def watch(self) -> NoReturn:
        """Look for ever for what is due. Raises whatever is a bug."""
        failures = 0
        while True:
            try:
                looked = await self._look()
            except Exception as error:
                if not is_transient(error):
                    raise
                failures += 1
                await self._pause(error, failures)
            else:
                failures = 0
                if not looked:
                    await asyncio.sleep(IDLE_SECONDS)

    async def _pause(self, error: Exception, failures: int) -> None:
        self._alive()
        seconds = pause_seconds(failures)
        log.warning("windows: %s, again in %.1f s", type(error).__name__, seconds)
        await asyncio.sleep(seconds)

    async def _look(self) -> int:
        """Look at what is due in one transaction; at how many conversations."""
        async with self._pool.acquire() as connection, connection.transaction():
            looked = await self._look_within(connection)
        metrics.WINDOW_WARNINGS.inc(looked.warnings)
        self._committed(looked.rows)
        return looked.conversations

    async def _look_within(self, connection: AnyConnection) -> _Looked:
        due = await lock_due_windows(connection, CONVERSATIONS_MAX)
        conversations = await lock_conversations(connection, due)
        now: datetime = await connection.fetchval(QUERIES["clock"])
        looks = {key: look_at(state, now) for key, state in conversations.items()}
        closing = [conversations[key] for key, look in looks.items() if look.is_closing]
        outbox = Outbox(self._settings, now)
        told, warnings = await self._warn(connection, closing, outbox)
        left = {_key(state) for state in closing[told:]}
        await _save(connection, {key: look for key, look in looks.items() if key not in left})
        return _Looked(len(looks) - len(left), warnings, await outbox.save(connection))

    async def _warn(
        self, connection: AnyConnection, closing: Sequence[Conversation], outbox: Outbox
    ) -> tuple[int, int]:
        """Warn of as many as there is room for: how many those are, and how many had recipients."""
        if not closing:
            return 0, 0
        accounts = {state.account_id for state in closing}
        directories = await self._directories.load(connection, accounts)
        newest = await newest_of_contacts(connection, [_key(state) for state in closing])
        warnings = 0
        for count, state in enumerate(closing, start=1):
            directory, message = directories[state.account_id], newest.get(_key(state))
            outgoing = warn(state, directory, self._settings.app_url, message)
            for event in outgoing:
                outbox.add(event)
            warnings += bool(outgoing)
            if outbox.bytes >= BATCH_BYTES_MAX:
                return count, warnings
        return len(closing), warnings


async def _save(connection: AnyConnection, looks: dict[ConversationKey, Look]) -> None:
    again = [(key, look.again_at) for key, look in looks.items() if look.again_at is not None]
    await watch_windows(connection, again)
    await leave_windows(connection, [key for key, look in looks.items() if look.again_at is None])


def _key(conversation: Conversation) -> ConversationKey:
    return conversation.account_id, conversation.conversation_id
