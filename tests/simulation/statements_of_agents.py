"""Fakes of the functions of `db` about commands, replies and the directory."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

import asyncpg

from db.commands import AppliedCommand, CommandKey
from db.directory import ChannelKey, UserKey
from domain.directory import Channel, User
from domain.receipts import Receipt
from domain.sending import Send
from schemas.fields import AccountId
from tests.simulation.postgres import Connection, Transaction

_NEVER = datetime.min.replace(tzinfo=UTC)


async def applied_commands(connection: Connection, keys: Collection[CommandKey]) -> set[CommandKey]:
    transaction = await connection.statement("find applied commands")
    return {key for key in keys if transaction.get("commands", key) is not None}


async def record_commands(
    connection: Connection, commands: Collection[AppliedCommand], applied_at: datetime
) -> None:
    if commands:
        transaction = await connection.statement("record commands")
        for command in sorted(commands):
            key = (command.account_id, command.command_id)
            await transaction.insert("commands", key, (command.code, command.version))


async def directory_versions(
    connection: Connection, accounts: Collection[AccountId]
) -> dict[AccountId, int]:
    transaction = await connection.statement("load versions of directories")
    found = {account_id: transaction.get("accounts", account_id) for account_id in accounts}
    return {account_id: version for account_id, version in found.items() if version}


async def raise_directory_versions(connection: Connection, accounts: Collection[AccountId]) -> None:
    if accounts:
        transaction = await connection.statement("raise versions of directories")
        for account_id in sorted(accounts):
            await transaction.lock("accounts", account_id)
            version = transaction.get("accounts", account_id) or 0
            transaction.put("accounts", account_id, version + 1)


async def users_of_accounts(connection: Connection, accounts: Collection[AccountId]) -> list[User]:
    transaction = await connection.statement("load users of accounts")
    return [user for (owner, _), user in transaction.rows("users").items() if owner in accounts]


async def users_by_id(connection: Connection, keys: Collection[UserKey]) -> list[User]:
    return await _by_id(connection, "users", keys)


async def channels_by_id(connection: Connection, keys: Collection[ChannelKey]) -> list[Channel]:
    return await _by_id(connection, "channels", keys)


async def _by_id(connection: Connection, table: str, keys: Collection[Any]) -> list[Any]:
    if not keys:
        return []
    transaction = await connection.statement(f"load {table}")
    found = (transaction.get(table, key) for key in keys)
    return [row for row in found if row is not None]


async def save_users(connection: Connection, users: Collection[User]) -> None:
    if users:
        transaction = await connection.statement("save users")
        for user in users:
            transaction.put("users", (user.account_id, user.user_id), user)


async def remove_users(connection: Connection, keys: Collection[UserKey]) -> None:
    if keys:
        transaction = await connection.statement("remove users")
        for key in keys:
            transaction.remove("users", key)


async def save_channels(
    connection: Connection, channels: Collection[Channel], installed_at: datetime
) -> None:
    if channels:
        transaction = await connection.statement("save channels")
        for channel in channels:
            key = (channel.account_id, channel.channel_id)
            await transaction.lock("channels", key)
            transaction.put("channels", key, channel)


async def save_last_received(
    connection: Connection, keys: Iterable[ChannelKey], now: datetime
) -> None:
    transaction = await connection.statement("save when messages were last received")
    for key in sorted(keys):
        if transaction.get("channels", key) is None:
            continue
        if not transaction.try_lock("channels", key):
            connection.met("a channel that was locked")
        elif now > (transaction.get("last received", key) or _NEVER):
            transaction.put("last received", key, now)


def _place(send: Send) -> Any:
    return (send.account_id, send.conversation_id), send.version, send.part


async def insert_sends(connection: Connection, sends: Collection[Send]) -> None:
    if sends:
        transaction = await connection.statement("insert sends")
        for send in sends:
            await transaction.insert("sends", _place(send), send)


async def update_sends(connection: Connection, sends: Collection[Send]) -> None:
    if sends:
        transaction = await connection.statement("update sends")
        for send in sends:
            await _check_id_is_free(transaction, send)
            if transaction.get("sends", _place(send)) is not None:
                transaction.put("sends", _place(send), send)


async def _check_id_is_free(transaction: Transaction, send: Send) -> None:
    """A provider's id is one part's alone."""
    if send.provider_message_id is None:
        return
    await transaction.lock("ids of sends", (send.account_id, send.provider_message_id))
    for other in transaction.rows("sends").values():
        same = (other.account_id, other.provider_message_id)
        if same == (send.account_id, send.provider_message_id) and _place(other) != _place(send):
            raise asyncpg.UniqueViolationError("the id is another part's")


async def sends_by_message(
    connection: Connection, keys: Collection[tuple[AccountId, str, int]]
) -> list[Send]:
    if not keys:
        return []
    transaction = await connection.statement("find sends by message")
    return [
        send
        for send in transaction.rows("sends").values()
        if (send.account_id, send.message_id, send.part) in keys
    ]


async def sends_by_provider_id(
    connection: Connection, keys: Collection[tuple[AccountId, str]]
) -> list[Send]:
    if not keys:
        return []
    transaction = await connection.statement("find sends by the provider's id")
    return [
        send
        for send in transaction.rows("sends").values()
        if (send.account_id, send.provider_message_id) in keys
    ]


async def record_receipts(
    connection: Connection, receipts: Iterable[Receipt], received_at: datetime
) -> None:
    if receipts := list(receipts):
        transaction = await connection.statement("record receipts")
        for receipt in receipts:
            key = (receipt.account_id, receipt.provider_message_id, receipt.event_id)
            await transaction.lock("receipts", key)
            if transaction.get("receipts", key) is None:
                transaction.put("receipts", key, (received_at, receipt))


async def receipts_of(
    connection: Connection, keys: Collection[tuple[AccountId, str]]
) -> list[Receipt]:
    if not keys:
        return []
    transaction = await connection.statement("load receipts")
    found = [
        (received_at, receipt.event_id, receipt)
        for (account_id, id_, _), (received_at, receipt) in transaction.rows("receipts").items()
        if (account_id, id_) in keys
    ]
    return [receipt for _, _, receipt in sorted(found, key=lambda one: one[:2])]
