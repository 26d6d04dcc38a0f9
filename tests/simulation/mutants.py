"""Deliberate mistakes in the product, which the simulation must find."""

import itertools
import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import db.identities
import domain.delivery
import schemas.ids
import workers.ingest.partition_slice
import workers.outbox.kafka_transaction
from db.commands import ACCEPTED, AppliedCommand
from db.conversations import ConversationKey
from db.directory import UserKey
from db.gone_assignees import FIRST
from db.outbox import OutboxRecord, OutboxRow
from db.positions import Claim, Partition
from domain.conversation import Conversation, Tombstone
from domain.conversation_state import ConversationState, Decision
from domain.directory import Directory
from domain.history import HistoryEntry
from domain.messages import decide_message
from domain.outgoing import Message
from schemas.cloudevents import Incoming
from schemas.fields import UserId
from schemas.messages import MessageReceived
from tests.simulation import (
    statements,
    statements_of_agents,
    statements_of_gone_assignees,
    statements_of_outbox,
)
from tests.simulation.inputs import (
    BO_COMES_AND_GOES,
    BO_WITH_MANY_CONTACTS,
    CONTACTS_OF_SEVERAL_ADDRESSES,
    USERS_OF_ALL,
)
from tests.simulation.kafka import Entry, KafkaTransaction, Producer, State
from tests.simulation.postgres import Connection
from tests.simulation.product import KAFKA, Replacements
from workers.ingest.partition_slice import PartitionSlice
from workers.settings import Settings

_numbers = itertools.count(1)


async def _find_nothing(_connection: Connection, *_: Any) -> set[Any]:
    return set()


async def _record_doubles(
    connection: Connection, messages: Collection[Message], recorded_at: datetime
) -> None:
    if messages:
        transaction = await connection.statement("record messages")
        for message in messages:
            key = (message.account_id, f"{message.message_id}#{next(_numbers)}")
            transaction.put("messages", key, (message, recorded_at))


async def _claim_at_once(connection: Connection, claims: Sequence[Claim]) -> None:
    await statements_of_outbox.claim_positions(connection, claims)
    transaction = await connection.statement("store the positions at once")
    for topic, number, _, following in claims:
        transaction.postgres.tables["positions"][topic, number] = following


async def _claim_whatever(connection: Connection, claims: Sequence[Claim]) -> None:
    transaction = await connection.statement("store the positions")
    for topic, number, _, following in claims:
        await transaction.lock("positions", (topic, number))
        transaction.put("positions", (topic, number), following)


async def _read_without_lock(
    connection: Connection, keys: Collection[ConversationKey]
) -> dict[ConversationKey, Conversation]:
    transaction = await connection.statement("read conversations")
    found = {key: transaction.get("conversations", key) for key in keys}
    return {key: state for key, state in found.items() if state is not None}


async def _insert_history_at_once(connection: Connection, entries: Sequence[HistoryEntry]) -> None:
    if entries:
        transaction = await connection.statement("insert history at once")
        for entry in entries:
            transaction.postgres.tables["history"][entry[:3]] = entry


async def _keep_history(connection: Connection, tombstones: Iterable[Tombstone]) -> None:
    transaction = await connection.statement("load history")
    kept = dict(transaction.rows("history"))
    await statements.delete_conversations(connection, tombstones)
    for place, entry in kept.items():
        transaction.put("history", place, entry)


async def _record_as_accepted(
    connection: Connection, commands: Collection[AppliedCommand], applied_at: datetime
) -> None:
    accepted = [command._replace(code=ACCEPTED) for command in commands]
    await statements_of_agents.record_commands(connection, accepted, applied_at)


async def _number_from_sequence(
    connection: Connection, given: Sequence[tuple[int, Sequence[OutboxRecord]]]
) -> list[OutboxRow]:
    if not given:
        return []
    transaction = await connection.statement("add to the outbox")
    counters = transaction.postgres.tables["outbox_shards"]
    rows = []
    for shard, records in given:
        counters[shard] = counters.get(shard, 0) + 1
        row = OutboxRow(shard, counters[shard], list(records))
        transaction.put("outbox", (shard, row.number), row)
        rows.append(row)
    return rows


def _joined_across_gaps(slices: Iterable[PartitionSlice]) -> list[PartitionSlice]:
    found: dict[Partition, PartitionSlice] = {}
    for slice_ in slices:
        before = found.get(slice_.partition)
        found[slice_.partition] = before.joined(slice_) if before else slice_
    return list(found.values())


async def _number_last_first(
    connection: Connection, given: Sequence[tuple[int, Sequence[OutboxRecord]]]
) -> list[OutboxRow]:
    return await statements_of_outbox.add_outbox(connection, given[::-1])


async def _delete_before(connection: Connection, shard: int, published: int) -> None:
    await statements_of_outbox.delete_outbox(connection, shard, published + 1)


class _Unfenced(Producer):
    def fence(self) -> None:
        self._epoch = self._kafka.epochs[self._shard]

    def send(self, records: Sequence[OutboxRecord]) -> None:
        for record in records:
            entry = Entry(record, KafkaTransaction(State.COMMITTED))
            self._kafka.outputs[record.topic, record.partition].append(entry)

    def commit(self) -> None:
        pass


class _Fenceless(Producer):
    """Transactions of its own, whoever else has some."""

    def fence(self) -> None:
        self._transaction = KafkaTransaction()

    def send(self, records: Sequence[OutboxRecord]) -> None:
        for record in records:
            entry = Entry(record, self._transaction)
            self._kafka.outputs[record.topic, record.partition].append(entry)

    def commit(self) -> None:
        self._transaction.state = State.COMMITTED
        self._transaction = KafkaTransaction()


def _unfenced(_settings: Settings, shard: int) -> Producer:
    return _Unfenced(KAFKA.get(), shard)


def _fenceless(_settings: Settings, shard: int) -> Producer:
    return _Fenceless(KAFKA.get(), shard)


async def _transact_without_marker(producer: Producer, records: list[OutboxRecord]) -> None:
    await producer.transact(records[:-1])


def _random_id(*_: object, **__: object) -> str:
    return str(uuid.uuid4())


def _whatever_comes_last(word: str, _than: str | None) -> bool:
    return domain.delivery.is_known(word)


async def _check_nothing(*_: Any) -> None:
    pass


async def _find_no_assignees(*_: Any) -> UserKey:
    return FIRST


async def _read_of_assignee_without_lock(
    connection: Connection, key: UserKey, conversations_max: int
) -> list[Conversation]:
    transaction = await connection.statement("read conversations of an assignee")
    states = transaction.rows("conversations").values()
    found = [state for state in states if (state.account_id, state.assignee_id) == key]
    return found[:conversations_max]


class _WhereNobodyIsGone(Directory):
    def is_gone(self, assignee_id: str | None) -> bool:
        return False


def _decide_as_if_nobody_went(
    state: ConversationState,
    event: Incoming[MessageReceived],
    now: datetime,
    directory: Directory,
    *arguments: Any,
    **named: Any,
) -> Decision:
    users = {UserId(user_id): directory.user(user_id) for user_id in USERS_OF_ALL}
    known = {user_id: user for user_id, user in users.items() if user is not None}
    trusting = _WhereNobodyIsGone(directory.account_id, directory.version, known)
    return decide_message(state, event, now, trusting, *arguments, **named)


MUTANTS: dict[str, Replacements] = {
    "messages have no key": {
        statements.recorded_messages: _find_nothing,
        statements.record_messages: _record_doubles,
    },
    "positions are stored before the transaction": {
        statements_of_outbox.claim_positions: _claim_at_once
    },
    "positions are claimed whatever they are": {
        statements_of_outbox.claim_positions: _claim_whatever
    },
    "polls are joined whatever is between them": {
        workers.ingest.partition_slice.joined: _joined_across_gaps
    },
    "commands are not remembered": {statements_of_agents.applied_commands: _find_nothing},
    "every outcome is accepted": {statements_of_agents.record_commands: _record_as_accepted},
    "the history is written before the transaction": {
        statements_of_outbox.insert_history: _insert_history_at_once
    },
    "a deletion leaves the history": {statements.delete_conversations: _keep_history},
    "conversations are not locked": {statements.lock_conversations: _read_without_lock},
    "addresses are not looked at again": {db.identities.check_identities: _check_nothing},
    "outbox rows are numbered by a sequence": {
        statements_of_outbox.add_outbox: _number_from_sequence
    },
    "outbox rows of a batch are numbered last first": {
        statements_of_outbox.add_outbox: _number_last_first
    },
    "outbox rows are deleted too early": {statements_of_outbox.delete_outbox: _delete_before},
    "the relay publishes without transactions": {
        workers.outbox.kafka_transaction.transactional_producer: _unfenced
    },
    "the relay publishes without fencing": {
        workers.outbox.kafka_transaction.transactional_producer: _fenceless
    },
    "the relay publishes without a marker": {
        workers.outbox.kafka_transaction.transact: _transact_without_marker
    },
    "event ids are random": {schemas.ids.emitted_event_id: _random_id},
    "a message goes to an assignee who is gone": {decide_message: _decide_as_if_nobody_went},
    "nobody looks for assignees who are gone": {
        statements_of_gone_assignees.find_gone_assignees: _find_no_assignees
    },
    "conversations of assignees who are gone are not locked": {
        statements_of_gone_assignees.lock_conversations_of_assignee: _read_of_assignee_without_lock
    },
    "the last delivery status wins": {domain.delivery.is_later: _whatever_comes_last},
}
"""Each by what is wrong."""

MIX_OF = {
    "addresses are not looked at again": CONTACTS_OF_SEVERAL_ADDRESSES,
    "a message goes to an assignee who is gone": BO_COMES_AND_GOES,
    "nobody looks for assignees who are gone": BO_WITH_MANY_CONTACTS,
    "conversations of assignees who are gone are not locked": BO_COMES_AND_GOES,
}
"""Where only some publishers give a mistake a chance."""
