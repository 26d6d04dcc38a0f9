"""The directory of each account, cached in memory and read again when its version changed."""

from collections import OrderedDict
from collections.abc import Collection, Iterable

from db.connect import AnyConnection
from db.directory import directory_versions, users_of_accounts
from domain.directory import Directory, User
from schemas.fields import AccountId, UserId

USERS_MAX = 100_000
"""The limit of users in the cache, about 100 MB. The least recently used accounts are dropped."""


class DirectoryCache:
    """A cache that never returns an old directory: each load reads the versions from Postgres."""

    def __init__(self) -> None:
        self._cached: OrderedDict[AccountId, Directory] = OrderedDict()
        self._users = 0

    async def load(
        self, connection: AnyConnection, accounts: Collection[AccountId]
    ) -> dict[AccountId, Directory]:
        """Returns the directories of some accounts, as this transaction sees them."""
        versions = await directory_versions(connection, accounts)
        old = {
            account_id
            for account_id, version in versions.items()
            if account_id not in self._cached or self._cached[account_id].version != version
        }
        if old:
            self._store(old, versions, await users_of_accounts(connection, old))
        found = {}
        for account_id in accounts:
            # An account without users gets an empty directory, and no place in the cache.
            found[account_id] = self._cached.get(account_id) or Directory(account_id, 0, {})
            if account_id in self._cached:
                self._cached.move_to_end(account_id)
        self._drop_least_recent()
        return found

    def _store(
        self,
        accounts: Collection[AccountId],
        versions: dict[AccountId, int],
        users: Iterable[User],
    ) -> None:
        by_account: dict[AccountId, dict[UserId, User]] = {account: {} for account in accounts}
        for user in users:
            by_account[user.account_id][user.user_id] = user
        for account_id, its_users in by_account.items():
            before = self._cached.get(account_id)
            self._users += len(its_users) - (len(before) if before else 0)
            self._cached[account_id] = Directory(account_id, versions[account_id], its_users)

    def _drop_least_recent(self) -> None:
        while self._users > USERS_MAX and len(self._cached) > 1:
            _, directory = self._cached.popitem(last=False)
            self._users -= len(directory)
