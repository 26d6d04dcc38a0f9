"""Fakes of the functions of `db` about conversations, under the same names."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import asyncpg
from msgspec.structs import replace

from db.conversations import ConversationKey
from db.links import LinkRow, RequestKey
from db.messages import AnsweredMessage, MessageKey, ProviderKey
from domain.conversation import Conversation, Tombstone
from domain.identities import Alias
from domain.notes import Link, note_message
from domain.outgoing import Message
from schemas.fields import ConversationId, Direction
from schemas.links import Entity
from schemas.notes import NoteMessage
from tests.simulation.postgres import Connection, Transaction

REFUSED = "a text that Postgres refuses"
"""A message with this body cannot be stored."""


async def lock_conversations(
    connection: Connection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, Conversation]:
    if not keys:
        return {}
    transaction = await connection.statement("lock conversations")
    found = {}
    for key in sorted(key for key in keys if transaction.get("conversations", key) is not None):
        await transaction.lock("conversations", key)
        # As it is now that it is locked, if it still is there.
        conversation = transaction.get("conversations", key)
        if conversation is not None:
            found[key] = conversation
    return found


async def save_conversations(
    connection: Connection,
    new: Iterable[Conversation],
    changed: Iterable[Conversation],
    claimed: Collection[Conversation] = (),
) -> None:
    new, changed = list(new), list(changed)
    if rows := sorted((*new, *claimed), key=_key):
        transaction = await connection.statement("insert conversations")
        for row in rows:
            await transaction.insert("conversations", _key(row), row)
    if claimed:
        transaction = await connection.statement("release claims")
        for row in claimed:
            transaction.remove("conversations", _key(row))
    if changed:
        transaction = await connection.statement("update conversations")
        for row in changed:
            before = transaction.get("conversations", _key(row))
            if before is not None:
                transaction.put("conversations", _key(row), row)


def _key(row: Any) -> ConversationKey:
    return row.account_id, row.conversation_id


async def load_tombstones(
    connection: Connection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, Tombstone]:
    if not keys:
        return {}
    return existing(await connection.statement("load tombstones"), "tombstones", keys)


def existing(transaction: Transaction, table: str, keys: Iterable[Any]) -> dict[Any, Any]:
    """Those of some rows that are there."""
    found = ((key, transaction.get(table, key)) for key in keys)
    return {key: row for key, row in found if row is not None}


async def delete_conversations(connection: Connection, tombstones: Iterable[Tombstone]) -> None:
    tombstones = list(tombstones)
    if not tombstones:
        return
    transaction = await connection.statement("delete conversations")
    for gone in sorted(tombstones, key=_key):
        await _delete(transaction, gone)
    for gone in sorted(tombstones, key=_key):
        await transaction.lock("tombstones", _key(gone))
        transaction.put("tombstones", _key(gone), gone)


async def _delete(transaction: Transaction, gone: Tombstone) -> None:
    key = _key(gone)
    for alias_key, alias in list(transaction.rows("identities").items()):
        if _key(alias) == key:
            await transaction.lock("identities", alias_key)
            transaction.remove("identities", alias_key)
            await transaction.lock("tombstones", alias_key)
            kept = transaction.get("tombstones", alias_key)
            left = replace(
                gone, conversation_id=alias.alias_id, version=kept.version if kept else 0
            )
            transaction.put("tombstones", alias_key, left)
    for send_key in [each for each in transaction.rows("sends") if each[0] == key]:
        transaction.remove("sends", send_key)
    for message_key, (message, _) in list(transaction.rows("messages").items()):
        if _key(message) == key:
            transaction.remove("messages", message_key)
            transaction.put("deleted_messages", message_key, gone.deleted_at)
    for place in list(transaction.rows("history")):
        if place[:2] == key:
            transaction.remove("history", place)
    for table in ("links", "requests", "windows", "conversations"):
        transaction.remove(table, key)


async def load_identities(
    connection: Connection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, ConversationId]:
    if not keys:
        return {}
    found = existing(await connection.statement("load identities"), "identities", keys)
    return {key: alias.conversation_id for key, alias in found.items()}


async def save_identities(
    connection: Connection,
    aliases: Iterable[Alias],
    ended: Mapping[ConversationKey, ConversationId],
) -> None:
    if new := sorted(aliases, key=lambda alias: (alias.account_id, alias.alias_id)):
        transaction = await connection.statement("insert identities")
        for alias in new:
            await transaction.insert("identities", (alias.account_id, alias.alias_id), alias)
    if ended:
        transaction = await connection.statement("move identities")
        for key, alias in list(transaction.rows("identities").items()):
            if _key(alias) in ended:
                await transaction.lock("identities", key)
                moved = replace(alias, conversation_id=ended[_key(alias)])
                transaction.put("identities", key, moved)


async def load_links(
    connection: Connection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, tuple[Link, ...]]:
    if not keys:
        return {}
    found = existing(await connection.statement("load links"), "links", keys)
    return {
        key: tuple(links[entity] for entity in sorted(links, key=lambda one: (one.type, one.id)))
        for key, links in found.items()
    }


async def insert_links(connection: Connection, rows: Iterable[LinkRow]) -> None:
    if rows := list(rows):
        transaction = await connection.statement("insert links")
        for key, link in rows:
            links: dict[Entity, Link] = transaction.get("links", key) or {}
            if link.entity in links:
                raise asyncpg.UniqueViolationError("links has it already")
            transaction.put("links", key, links | {link.entity: link})


async def update_links(connection: Connection, rows: Iterable[LinkRow]) -> None:
    if rows := list(rows):
        transaction = await connection.statement("update links")
        for key, link in rows:
            links: dict[Entity, Link] = transaction.get("links", key) or {}
            if link.entity in links:
                transaction.put("links", key, links | {link.entity: link})


async def delete_links(connection: Connection, rows: Iterable[LinkRow]) -> None:
    if rows := list(rows):
        transaction = await connection.statement("delete links")
        for key, removed in rows:
            links: dict[Entity, Link] = transaction.get("links", key) or {}
            left = {entity: link for entity, link in links.items() if entity != removed.entity}
            transaction.put("links", key, left)


async def load_requests(
    connection: Connection, keys: Collection[RequestKey]
) -> dict[ConversationKey, dict[str, bool]]:
    if not keys:
        return {}
    transaction = await connection.statement("load requests")
    found: dict[ConversationKey, dict[str, bool]] = defaultdict(dict)
    for account_id, conversation_id, request_id in keys:
        key = (account_id, conversation_id)
        made = transaction.get("requests", key) or {}
        if request_id in made:
            found[key][request_id] = made[request_id]
    return found


async def save_requests(
    connection: Connection, requests: Collection[tuple[ConversationKey, str, bool]]
) -> None:
    if requests:
        transaction = await connection.statement("save requests")
        for key, request_id, answered in requests:
            made = transaction.get("requests", key) or {}
            transaction.put("requests", key, made | {request_id: answered})


async def watch_windows(
    connection: Connection, looks: Collection[tuple[ConversationKey, datetime]]
) -> None:
    if looks:
        transaction = await connection.statement("watch windows")
        for key, check_at in looks:
            transaction.put("windows", key, check_at)


async def recorded_messages(
    connection: Connection, keys: Collection[MessageKey], direction: Direction
) -> set[MessageKey]:
    if not keys:
        return set()
    transaction = await connection.statement("find recorded messages")
    recorded = existing(transaction, "messages", keys)
    found = {key for key, (message, _) in recorded.items() if message.direction == direction}
    return found | existing(transaction, "deleted_messages", keys).keys()


async def latest_messages(
    connection: Connection, keys: Collection[ConversationKey], messages_max: int
) -> dict[ConversationKey, tuple[NoteMessage, ...]]:
    if not keys:
        return {}
    transaction = await connection.statement("load the latest messages")
    found: dict[ConversationKey, list[Message]] = {key: [] for key in keys}
    for message, _ in transaction.rows("messages").values():
        if _key(message) in found:
            found[_key(message)].append(message)
    for messages in found.values():
        messages.sort(key=lambda message: (message.sent_at, message.version))
    return {
        key: tuple(note_message(message) for message in messages[-messages_max:])
        for key, messages in found.items()
        if messages
    }


async def answered_messages(
    connection: Connection, keys: Collection[ProviderKey]
) -> dict[ProviderKey, AnsweredMessage]:
    assert not keys, "no message of the simulation answers another"
    return {}


async def record_messages(
    connection: Connection, messages: Collection[Message], recorded_at: datetime
) -> None:
    if messages:
        transaction = await connection.statement("record messages")
        for message in messages:
            if message.body == REFUSED:
                raise asyncpg.DataError("refused")
            key = (message.account_id, message.message_id)
            await transaction.insert("messages", key, (message, recorded_at))
