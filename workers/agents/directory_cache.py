"""Each account's directory, kept in memory and made anew when its version moved on."""

from collections import OrderedDict
from collections.abc import Collection, Iterable

from db.connect import AnyConnection
from db.directory import directory_versions, users_of_accounts
from domain.directory import Directory, User
from schemas.fields import AccountId, UserId

USERS_MAX = 100_000
"""Users kept in memory at the most, about 100 MB; the accounts used longest ago go first."""


class Directories:
    """A cache that asks Postgres for the version of every account it is asked for."""

    def __init__(self) -> None:
        self._kept: OrderedDict[AccountId, Directory] = OrderedDict()
        self._users = 0

    async def load(
        self, connection: AnyConnection, accounts: Collection[AccountId]
    ) -> dict[AccountId, Directory]:
        """The directories of some accounts, as of this transaction."""
        versions = await directory_versions(connection, accounts)
        old = {
            account_id
            for account_id, version in versions.items()
            if account_id not in self._kept or self._kept[account_id].version != version
        }
        if old:
            self._keep(old, versions, await users_of_accounts(connection, old))
        found = {}
        for account_id in accounts:
            # An account that nobody told of is not worth a place in the cache.
            found[account_id] = self._kept.get(account_id) or Directory(account_id, 0, {})
            if account_id in self._kept:
                self._kept.move_to_end(account_id)
        self._forget()
        return found

    def _keep(
        self,
        accounts: Collection[AccountId],
        versions: dict[AccountId, int],
        users: Iterable[User],
    ) -> None:
        by_account: dict[AccountId, dict[UserId, User]] = {account: {} for account in accounts}
        for user in users:
            by_account[user.account_id][user.user_id] = user
        for account_id, its_users in by_account.items():
            before = self._kept.get(account_id)
            self._users += len(its_users) - (len(before) if before else 0)
            self._kept[account_id] = Directory(account_id, versions[account_id], its_users)

    def _forget(self) -> None:
        while self._users > USERS_MAX and len(self._kept) > 1:
            _, directory = self._kept.popitem(last=False)
            self._users -= len(directory)
