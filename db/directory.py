"""Load and save the directory: users, their settings, and channels."""

from collections.abc import Collection, Iterable
from datetime import datetime

import asyncpg
import msgspec

from db.connect import AnyConnection
from db.queries import QUERIES
from domain.directory import Channel, User
from schemas.directory import NotificationSettings
from schemas.fields import AccountId, ChannelId, UserId

UserKey = tuple[AccountId, UserId]
ChannelKey = tuple[AccountId, ChannelId]

_SETTINGS = msgspec.json.Decoder(NotificationSettings)


async def directory_versions(
    connection: AnyConnection, accounts: Collection[AccountId]
) -> dict[AccountId, int]:
    """Returns the present version of each account's directory; none for accounts without users."""
    rows = await connection.fetch(QUERIES["directory_versions"], list(accounts))
    return {row[0]: row[1] for row in rows}


async def raise_directory_versions(
    connection: AnyConnection, accounts: Collection[AccountId]
) -> None:
    """Raise the directory versions of accounts whose users change.

    Until the transaction ends no other batch can change their users.
    """
    if accounts:
        await connection.execute(QUERIES["raise_directory_versions"], sorted(accounts))


async def users_of_accounts(
    connection: AnyConnection, accounts: Collection[AccountId]
) -> list[User]:
    """Returns all users of some accounts."""
    return _users(await connection.fetch(QUERIES["users_of_accounts"], list(accounts)))


async def users_by_id(connection: AnyConnection, keys: Collection[UserKey]) -> list[User]:
    """Returns the users with these keys that exist."""
    if not keys:
        return []
    accounts, ids = zip(*keys, strict=True)
    return _users(await connection.fetch(QUERIES["users_by_id"], accounts, ids))


def _users(rows: Iterable[asyncpg.Record]) -> list[User]:
    return [
        User(
            account_id=account_id,
            user_id=user_id,
            name=name,
            email=email,
            inbox_access=inbox_access,
            available=available,
            settings=_SETTINGS.decode(settings),
        )
        for account_id, user_id, name, email, inbox_access, available, settings in rows
    ]


async def save_users(connection: AnyConnection, users: Collection[User]) -> None:
    """Write users, new or changed."""
    if not users:
        return
    rows = [
        (
            user.account_id,
            user.user_id,
            user.name,
            user.email,
            user.inbox_access,
            user.available,
            msgspec.json.encode(user.settings).decode(),
        )
        for user in users
    ]
    await connection.execute(QUERIES["save_users"], *zip(*rows, strict=True))


async def remove_users(connection: AnyConnection, keys: Collection[UserKey]) -> None:
    """Delete users. It is no error if they do not exist."""
    if keys:
        accounts, ids = zip(*keys, strict=True)
        await connection.execute(QUERIES["remove_users"], accounts, ids)


async def channels_by_id(connection: AnyConnection, keys: Collection[ChannelKey]) -> list[Channel]:
    """Returns the channels with these keys that exist."""
    if not keys:
        return []
    accounts, ids = zip(*keys, strict=True)
    rows = await connection.fetch(QUERIES["channels_by_id"], accounts, ids)
    return [Channel(**dict(row)) for row in rows]


async def channels_of_account(connection: AnyConnection, account_id: AccountId) -> list[Channel]:
    """Returns all channels that an account has or had.

    Of several channels with one address, the first is the one that has the address now.
    """
    rows = await connection.fetch(QUERIES["channels_of_account"], account_id)
    return [Channel(**dict(row)) for row in rows]


async def save_channels(
    connection: AnyConnection, channels: Collection[Channel], installed_at: datetime
) -> None:
    """Write channels, new or changed."""
    if not channels:
        return
    rows = [
        (
            channel.account_id,
            channel.channel_id,
            channel.provider,
            channel.address,
            channel.name,
            channel.installed_by,
            channel.removed,
            channel.provider_account_id,
        )
        for channel in channels
    ]
    await connection.execute(QUERIES["save_channels"], *zip(*rows, strict=True), installed_at)


async def save_last_received(
    connection: AnyConnection, keys: Iterable[ChannelKey], now: datetime
) -> None:
    """Write that messages of contacts were recorded on channels; a time never goes back.

    Channels that another transaction has locked are passed over.
    """
    accounts, ids = zip(*keys, strict=True)
    await connection.execute(QUERIES["save_last_received"], accounts, ids, now)


async def save_webhook_account(
    connection: AnyConnection, account_id: AccountId, channel_id: ChannelId, webhook_account_id: str
) -> None:
    """Write from which account of the provider the newest webhook to a channel came."""
    query = QUERIES["save_webhook_account"]
    await connection.execute(query, account_id, channel_id, webhook_account_id)


async def channel_by_address(
    connection: AnyConnection, account_id: AccountId, address: str, *, removed: bool = False
) -> ChannelId | None:
    """Returns the installed channel of an account with an address, if there is one.

    With `removed`, a removed channel is returned if no installed channel has the address.
    """
    if "\0" in address:
        # Postgres refuses NUL even in a search.
        return None
    query = QUERIES["channel_by_address_ever" if removed else "channel_by_address"]
    found: str | None = await connection.fetchval(query, account_id, address)
    return ChannelId(found) if found is not None else None
