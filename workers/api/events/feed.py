"""The feed of one account: what changed becomes events, and its streams get them in order.

One task does all of it, one thing after the other. So no stream gets an event twice, or an older
one after a newer one, whenever it joins.
"""

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from time import monotonic

from db.account_sections import account_sections
from db.connect import AnyConnection
from db.errors import is_transient
from db.listed_conversations import seen_versions
from db.sections import SectionCounts
from domain.directory import User
from schemas.fields import AccountId, Emitted, UserId
from workers.api.api_pool import ApiPool
from workers.api.events.changes import Changes
from workers.api.events.frames import WAITING_BYTES_MAX, frame, payload
from workers.api.events.ids import EventId
from workers.api.events.journal import Journal
from workers.api.events.members import Members, frames_of
from workers.api.events.round import load_round
from workers.api.events.stream import Stream
from workers.api.events.user_watch import UserWatch
from workers.process.bugs import bug
from workers.process.retries import pause_seconds

log = logging.getLogger(__name__)

GATHER_SECONDS, ROUND_SECONDS = 0.02, 0.25
"""After a pause a change waits this short time for others. Rounds are so far apart: no change waits
longer for its query."""

ROUND_MAX = 200
"""Conversations, and messages, of one round. The next ones follow at once."""

PENDING_MAX = 10_000
"""With more changes than that the clients fetch again: that is less than so many events."""

SECTIONS_SECONDS, SECTIONS_SHARE = 1.0, 0.1
"""The sections are counted at most so often, and for at most this share of the time."""


class Feed:
    """The events of one account in this process."""

    def __init__(
        self,
        account_id: AccountId,
        pool: ApiPool,
        users: UserWatch,
        at_once: asyncio.Semaphore,
        recent_seconds: float,
    ) -> None:
        """`users` watches those of the account; `at_once` limits the feeds that use Postgres."""
        self.members = Members()
        self.journal = Journal(recent_seconds)
        self.joining: dict[Stream, EventId | None] = {}
        """The streams that are not members yet, and the last events that their clients got."""
        self._account_id = account_id
        self._pool = pool
        self._at_once = at_once
        self._wake = asyncio.Event()
        self._changes = Changes()
        self._changed_at = self._round_at = 0.0
        self._is_lost = False
        self._failures = 0
        self._users = users
        self._told: dict[UserId, SectionCounts] = {}
        self._sections_due = False
        self._sections_at = 0.0

    @property
    def streams(self) -> list[Stream]:
        """All streams: the members, and those that are about to be."""
        return [*self.members, *self.joining]

    @property
    def streams_count(self) -> int:
        """How many streams there are."""
        return len(self.members) + len(self.joining)

    def note(self, event: Emitted) -> None:
        """Note an event of a topic."""
        self._before_change()
        self._changes.add(event)

    def note_version(self, conversation_id: str, version: int) -> None:
        """Note an event of a type that this version does not know."""
        self._before_change()
        self._changes.add_version(conversation_id, version)

    def _before_change(self) -> None:
        if not self._changes:
            self._changed_at = monotonic()
            self._wake.set()
        elif len(self._changes) > PENDING_MAX:
            self.lose()

    def note_user(self, user_id: UserId, partition: int, offset: int) -> None:
        """Note a record of the directory about a user."""
        self._users.note(user_id, partition, offset)
        self._wake.set()

    def lose(self) -> None:
        """Note that changes may be missing: all clients are to fetch again."""
        self._changes = Changes()
        self._is_lost = True
        self._wake.set()

    def join(self, stream: Stream, user: User, last: EventId | None) -> None:
        """Let a stream join, whose client got the event `last` at the end, or none."""
        self._users.join(user)
        self.joining[stream] = last
        self._wake.set()

    def leave(self, stream: Stream) -> None:
        """Forget a stream that has ended."""
        self.joining.pop(stream, None)
        self.members.remove(stream)

    async def run(self) -> None:
        """Send events, for ever."""
        while True:
            self._wake.clear()
            delay = self._delay()
            if delay > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), delay)
                continue
            try:
                await self._turn()
                self._failures = 0
            except Exception as error:
                await self._fail(error)

    async def _fail(self, error: Exception) -> None:
        if not is_transient(error):
            # A bug must not end the streams of all accounts, nor hide that something is missing.
            log.error("events of an account: %s", bug(error))
            self.lose()
        elif self._failures == 0:
            log.warning("events wait for Postgres: %s", type(error).__name__)
        self._failures += 1
        await asyncio.sleep(pause_seconds(self._failures))

    def _delay(self) -> float:
        """Returns the seconds until there is something to do."""
        if self.joining or self._is_lost:
            return 0.0
        times = [self._users.look_at]
        if len(self._changes) > ROUND_MAX:
            return 0.0
        if self._changes:
            times.append(max(self._changed_at + GATHER_SECONDS, self._round_at + ROUND_SECONDS))
        if self._sections_due:
            times.append(self._sections_at)
        return min(times) - monotonic()

    async def _turn(self) -> None:
        if self._is_lost:
            self._is_lost = False
            self.journal.restart()
            for stream in self.members:
                self._reset(stream)
        resuming = self._admit()
        if monotonic() >= self._users.look_at:
            await self._users.check()
        if self._delay() > 0 and not (resuming or self._users.is_due):
            return
        async with self._at_once, self._pool.acquire() as connection:
            if resuming:
                await self._resume(connection, resuming)
            now = monotonic()
            if self._changes:
                await self._send_changes(connection)
            if self._users.is_due:
                await self._look_at_users(connection)
            if self._sections_due and now >= self._sections_at:
                await self._send_sections(connection)

    def _admit(self) -> list[Stream]:
        """Tell the streams that cannot go on to fetch again. Returns those that can."""
        resuming = []
        for stream, last in list(self.joining.items()):
            if self.journal.after(last) is not None:
                resuming.append(stream)
                continue
            del self.joining[stream]
            self._told.pop(stream.user_id, None)
            self._reset(stream)
            self.members.add(stream)
        return resuming

    def _reset(self, stream: Stream) -> None:
        stream.send(payload([frame("reset", str(self.journal.present), {})]))

    async def _resume(self, connection: AnyConnection, resuming: Collection[Stream]) -> None:
        """Send to streams what they missed."""
        missed = {stream: self.journal.after(self.joining.get(stream)) for stream in resuming}
        events = [event for those in missed.values() for event in those or ()]
        ids = {event.conversation_id for event in events if event.conversation_id}
        users = {stream.user_id for stream in resuming}
        seen = (
            await seen_versions(connection, self._account_id, list(ids), list(users)) if ids else {}
        )
        for stream in resuming:
            if self.joining.pop(stream, None) is None:
                continue  # ended meanwhile
            frames = frames_of(missed[stream] or (), stream.user_id, seen)
            if missed[stream] is None or sum(map(len, frames)) > WAITING_BYTES_MAX:
                self._reset(stream)
            elif frames:
                stream.send(payload(frames))
            self.members.add(stream)
            self._told.pop(stream.user_id, None)
            self._sections_due = True

    async def _send_changes(self, connection: AnyConnection) -> None:
        self._round_at = monotonic()
        changes = self._changes.take(ROUND_MAX)
        self._changed_at = self._round_at
        try:
            loaded = await load_round(
                connection,
                self._account_id,
                changes,
                self.journal.unsent(changes),
                self.members.users,
            )
        except BaseException:
            if not self._is_lost:
                self._changes.put_back(changes)
            raise
        if self._is_lost:
            return
        self._sections_due |= changes.sections
        await self.members.send(self.journal.publish(changes, loaded), loaded.seen)

    async def _look_at_users(self, connection: AnyConnection) -> None:
        """Tell users that they have changed, and end the streams of those who may not be here."""
        streams = self.streams
        changed, gone = await self._users.look(connection, {each.user_id for each in streams})
        for stream in streams:
            if stream.user_id in gone:
                stream.end("no_access")
        await self.members.send([self.journal.me(user) for user in changed], {})

    async def _send_sections(self, connection: AnyConnection) -> None:
        """Tell users how many conversations each section has, if that has changed."""
        began = monotonic()
        self._sections_due = False
        try:
            counts = await account_sections(connection, self._account_id)
        except BaseException:
            self._sections_due = True
            raise
        took = monotonic() - began
        self._sections_at = began + max(SECTIONS_SECONDS, took / SECTIONS_SHARE)
        now = {user_id: counts.seen_by(user_id) for user_id in self.members.users}
        changed = {
            user_id: those for user_id, those in now.items() if self._told.get(user_id) != those
        }
        self._told = now
        if changed:
            await self.members.send([self.journal.sections(changed)], {})
