"""What the users of an account are: told by the directory, once its records are applied, and looked
at each minute all the same."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from time import monotonic

from db.connect import AnyConnection
from db.directory import users_by_id
from db.positions import Partition
from domain.directory import User
from schemas.fields import AccountId, UserId

LOOK_SECONDS, RECORDS_MAX = 0.25, 1000
"""How often a record of the directory is looked at that is not applied yet, and how many of them.
The recheck finds what the others changed."""

RECHECK_SECONDS = 60.0
"""How often every user with a stream is looked at, whatever the directory said."""

AskPositions = Callable[[], Awaitable[Mapping[Partition, int]]]
"""Returns up to where the directory is applied. All feeds of a process share each question."""


class UserWatch:
    """Watches the users of one account who have a stream."""

    def __init__(self, account_id: AccountId, directory: str, positions: AskPositions) -> None:
        """`directory` is the topic's full name; `positions` asks up to where it is applied."""
        self._account_id = account_id
        self._directory = directory
        self._positions = positions
        self._known: dict[UserId, User] = {}
        """The users with a stream, as they were told that they are."""
        self._records: dict[UserId, tuple[int, int]] = {}
        """The partition and the offset of each user's newest record that is not known to be
        applied."""
        self._applied: dict[UserId, tuple[int, int]] = {}
        """Those of the records that were found to be applied."""
        self._looked_at = self._rechecked_at = monotonic()

    @property
    def look_at(self) -> float:
        """When to check next, by the monotonic clock."""
        recheck_at = self._rechecked_at + RECHECK_SECONDS
        return min(recheck_at, self._looked_at + LOOK_SECONDS) if self._records else recheck_at

    @property
    def is_due(self) -> bool:
        """Whether `look` would find something."""
        return bool(self._applied) or monotonic() >= self._rechecked_at + RECHECK_SECONDS

    def join(self, user: User) -> None:
        """Watch a user, who was just let in."""
        self._known.setdefault(user.user_id, user)

    def note(self, user_id: UserId, partition: int, offset: int) -> None:
        """Note a record of the directory about a user."""
        self._records[user_id] = (partition, offset)
        if len(self._records) > RECORDS_MAX:
            del self._records[next(iter(self._records))]

    async def check(self) -> None:
        """Find out which records are applied by now. While they are not, nobody is looked at."""
        self._looked_at = monotonic()
        if self._records:
            records = dict(self._records)
            positions = await self._positions()
            self._applied = {
                user_id: (partition, offset)
                for user_id, (partition, offset) in records.items()
                if positions.get((self._directory, partition), 0) > offset
            }

    async def look(
        self, connection: AnyConnection, connected: Collection[UserId]
    ) -> tuple[list[User], set[UserId]]:
        """Returns the connected users who changed, and those who may not be here any more."""
        now = monotonic()
        if now >= self._rechecked_at + RECHECK_SECONDS:
            self._known = {id_: self._known[id_] for id_ in connected if id_ in self._known}
            found = await self._find(connection, connected, set())
            self._rechecked_at = now
            return found
        applied = self._applied
        mine = applied.keys() & set(connected)
        found = await self._find(connection, mine, mine)
        for user_id, record in applied.items():
            if self._records.get(user_id) == record:
                del self._records[user_id]
        self._applied = {}
        return found

    async def _find(
        self, connection: AnyConnection, users: Collection[UserId], changed: Collection[UserId]
    ) -> tuple[list[User], set[UserId]]:
        """Returns those of some users who have changed, `changed` among them, and who is gone."""
        keys = [(self._account_id, user_id) for user_id in users]
        found = {user.user_id: user for user in await users_by_id(connection, keys)}
        present = {user_id: user for user_id, user in found.items() if user.is_present}
        told = [
            user
            for user_id, user in present.items()
            if user_id in changed or user != self._known.get(user_id)
        ]
        gone = set(users) - present.keys()
        self._known = {
            user_id: user
            for user_id, user in (self._known | present).items()
            if user_id not in gone
        }
        return told, gone
