"""Checks the product's promises of its state and its decisions, when all is at rest."""

import uuid
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

from domain.conversation import NOTHING, Folded
from domain.delivery import ACCEPTED
from domain.identities import addresses, lead
from schemas.codes import RejectionCode
from schemas.commands import CommandRejected
from schemas.conversations import (
    ConversationClosed,
    ConversationDeleted,
    ConversationEvent,
    MessageRecorded,
)
from schemas.fields import Command
from schemas.ids import NAMESPACE
from schemas.messages import MessageReceived, MessageStatus
from schemas.notifications import NotificationRequested
from tests.simulation.inputs import USERS_OF_ALL, Inputs, Mix
from tests.simulation.kafka import Kafka
from tests.simulation.postgres import Postgres
from tests.simulation.published import RANKS, Broken, Published, expect
from tests.simulation.statements import REFUSED
from tests.unit.domain.given.memory_inbox import Applied
from tests.unit.domain.given.note_checks import check_each_message_is_in_one_note, compare
from tests.unit.domain.given.note_model import Limits, NoteModel
from tests.unit.domain.given.samples import ACCOUNT


class Promises:
    """Follows a simulation. Raises Broken when it breaks a promise."""

    def __init__(self, postgres: Postgres, kafka: Kafka, inputs: Inputs, mix: Mix) -> None:
        self._tables = postgres.tables
        self._met = postgres.turns.met
        self._kafka = kafka
        self._inputs = inputs
        self._mix = mix
        self._seen: dict[str, datetime] = {}
        self._commits = 0
        self._gone_since: dict[str | None, int] = {}
        """Users who are gone, and how many transactions were committed before they went."""
        self.published = Published(kafka)
        self.history: list[Applied] = []
        """What was decided, in the order in which it was committed."""

    def follow_users(self) -> None:
        """Another transaction was committed."""
        users = self._tables["users"]
        for user_id in USERS_OF_ALL:
            user = users.get((ACCOUNT, user_id))
            if user is not None and user.is_present:
                self._gone_since.pop(user_id, None)
            else:
                self._gone_since.setdefault(user_id, self._commits)
        self._commits += 1

    def is_held_by_the_gone(self) -> bool:
        """Whether a conversation is assigned to a user who is gone, or such a user is recorded."""
        states = self._tables["conversations"].values()
        is_held = any(state.assignee_id in self._gone_since for state in states)
        return is_held or bool(self._tables["gone_assignees"])

    def follow(self, applied: Applied, began: int) -> None:
        """The next event that was applied, in a transaction that began after so many commits."""
        self.history.append(applied)
        if isinstance(applied.event.data, MessageReceived) and not applied.event.data.historical:
            self._follow_assignee(applied, began)
        for data in (item.data for item in applied.outgoing):
            key = getattr(data, "conversation_id", "")
            if isinstance(data, MessageRecorded):
                if data.direction == "inbound" and not data.historical:
                    self._seen[key] = max(applied.now, self._seen.get(key, applied.now))
            elif isinstance(data, ConversationDeleted):
                self._seen.pop(key, None)
                self._met["a deletion"] += 1
            elif isinstance(data, ConversationClosed) and data.actor_id is None:
                self._met["a merger"] += 1
                expect(_is_open_after(applied, data.merged_into), "a merger leaves nothing open")
            elif isinstance(data, ConversationClosed):
                seen = self._seen.get(key, applied.event.time)
                expect(applied.event.time >= seen, "no message of a contact is closed away unseen")
            elif isinstance(data, CommandRejected) and data.code == RejectionCode.SUPERSEDED:
                self._met["a close that was overtaken"] += 1
                expect(
                    applied.event.time < self._seen[key], "only what was overtaken is superseded"
                )

    def _follow_assignee(self, applied: Applied, began: int) -> None:
        """A contact wrote: the conversation is nobody's who was gone before the transaction."""
        assignee_id, reasons = None, set[str]()
        for data in (item.data for item in applied.outgoing):
            if isinstance(data, NotificationRequested):
                reasons |= {recipient.reason for recipient in data.recipients}
                wanted = {"assigned_to_me", "assigned_to_others"} if assignee_id else {"unassigned"}
                expect(reasons <= wanted, "users are told why the message concerns them")
            elif isinstance(data, ConversationEvent) and not isinstance(data, ConversationClosed):
                assignee_id = data.after.assignee_id if data.after else None
                self._met["a message to an assignee who is gone"] += data.reason == "assignee_gone"
        gone_since = self._gone_since.get(assignee_id, began)
        expect(gone_since >= began, "no message goes to an assignee who is gone")

    def check_published(self) -> None:
        """The published logs, as far as they are to be seen, are doubled nowhere, and in order."""
        self.published.read()

    def check_all(self) -> None:
        """Everything, at rest."""
        self.check_published()
        self._check_messages()
        self._check_commands()
        self._check_conversations()
        self._check_history()
        self._check_channels()
        self._check_dead_letters()
        self._check_statuses()
        self._check_notes()
        self._check_contacts_are_seen()
        if self._mix.identities and not self._mix.deletes:
            self._check_identities()

    def _events(self, struct: type[Any]) -> list[Any]:
        return [event for event in self._inputs.published if isinstance(event.data, struct)]

    def _check_messages(self) -> None:
        rows: Counter[str] = Counter(
            message.message_id for message, _ in self._tables["messages"].values()
        )
        gone = {message_id for _, message_id in self._tables["deleted_messages"]}
        expect(set(rows.values()) <= {1}, "a message has one row")
        expect(set(self.published.recorded.values()) <= {1}, "a message is recorded once")
        expect(
            self.published.recorded.keys() == rows.keys() | gone,
            "what the log says is recorded has a row, or was deleted",
        )
        for event in self._events(MessageReceived):
            data = event.data
            where = f"{data.account_id}/{data.channel_id}/{data.provider_message_id}"
            message_id = str(uuid.uuid5(NAMESPACE, where))
            if data.body != REFUSED and message_id not in self.published.recorded:
                expect(self._may_be_erased(data), f"message {message_id} is recorded")

    def _may_be_erased(self, data: MessageReceived) -> bool:
        """Whether something was deleted after a message was sent, or its repeat was refused."""
        same = [
            other.data
            for other in self._events(MessageReceived)
            if other.data.provider_message_id == data.provider_message_id
        ]
        if any(other.body == REFUSED for other in same):
            return True
        deletions = (
            applied.now
            for applied in self.history
            for item in applied.outgoing
            if isinstance(item.data, ConversationDeleted)
        )
        return any(data.sent_at <= deleted_at for deleted_at in deletions)

    def _check_commands(self) -> None:
        wanted = {(event.data.account_id, event.id) for event in self._events(Command)}
        expect(self.published.results == dict.fromkeys(wanted, 1), "a command has one result")
        expect(
            self._tables["commands"] == self.published.outcomes,
            "the outcome of a command is what its result says",
        )

    def _check_conversations(self) -> None:
        folded = dict(self.published.folded)
        messages = Counter(row.conversation_id for row, _ in self._tables["messages"].values())
        for (_, id_), state in self._tables["conversations"].items():
            stored = Folded(state.version, state.message_count, state.snapshot)
            expect(folded.pop(id_, NOTHING) == stored, "folding the log gives the state")
            expect(messages.pop(id_, 0) == state.message_count, "messages are counted")
        expect(not messages, "a message has a conversation")
        for (_, id_), tombstone in self._tables["tombstones"].items():
            left = folded.pop(id_, None)
            expect(
                left is None or left == Folded(tombstone.version, 0, None),
                "a tombstone has the last version",
            )
        expect(not folded, "what the log contains is there, or is deleted")

    def _check_history(self) -> None:
        logged = [entry for history in self.published.histories.values() for entry in history]
        expect(
            self._tables["history"] == {entry[:3]: entry for entry in logged},
            "the history is what the log says of it",
        )

    def _check_channels(self) -> None:
        """A channel says when some message of a contact was recorded that is no import."""
        times = {
            applied.now
            for applied in self.history
            if isinstance(applied.event.data, MessageReceived) and not applied.event.data.historical
        }
        found = set(self._tables["last received"].values())
        expect(found <= times, "a message was recorded when its channel says so")
        if times:
            self._met["a channel that says when it received"] += bool(found)

    def _check_dead_letters(self) -> None:
        wanted = {(*log, offset) for log, offset in self._inputs.garbage}
        found = {place: count for place, count in self.published.dead.items()}
        expect(set(found.values()) <= {1}, "a record is dead-lettered once")
        expect(wanted <= found.keys(), "what is no event is dead-lettered")
        for topic, partition, offset in found.keys() - wanted:
            (record,) = (
                one for one in self._kafka.inputs[topic, partition].records if one.offset == offset
            )
            refused = REFUSED.encode() in (record.value or b"")
            expect(refused, f"{topic} {offset} is dead-lettered, and is nobody's fault")

    def _check_statuses(self) -> None:
        words: dict[str, set[str]] = defaultdict(set)
        for applied in self.history:
            if isinstance(applied.event.data, MessageStatus):
                words[applied.event.data.provider_message_id].add(applied.event.data.status)
        for send in self._tables["sends"].values():
            if send.provider_message_id is None:
                expect(send.state == "queued", "a part without a receipt waits")
                continue
            known = (words[send.provider_message_id] | {ACCEPTED}) & RANKS.keys()
            expected = max(known, key=RANKS.__getitem__)
            expect(send.status == expected, f"a status is the latest: {send.status}, {expected}")
            published = self.published.statuses.get((send.message_id, send.part), ACCEPTED)
            expect(published == expected, "the newest status is published")

    def _check_notes(self) -> None:
        try:
            if not self._mix.identities:
                compare(self.history, NoteModel(Limits()))
            check_each_message_is_in_one_note(self.history)
        except AssertionError as error:
            raise Broken(f"notes are what the contract says: {error}") from error

    def _check_contacts_are_seen(self) -> None:
        for (_, id_), state in self._tables["conversations"].items():
            if state.status == "closed" and state.merged_into is None and id_ in self._seen:
                closed_by = self._last_close(id_)
                expect(closed_by.event.time >= self._seen[id_], "what is closed was seen")

    def _last_close(self, id_: str) -> Applied:
        return next(
            applied
            for applied in reversed(self.history)
            for item in applied.outgoing
            if isinstance(item.data, ConversationClosed) and item.data.conversation_id == id_
        )

    def _check_identities(self) -> None:
        """All addresses that messages named together lead to one conversation."""
        aliases = {
            alias: row.conversation_id for (_, alias), row in self._tables["identities"].items()
        }
        states = {id_: state for (_, id_), state in self._tables["conversations"].items()}
        for applied in self.history:
            if isinstance(applied.event.data, MessageReceived) and applied.outgoing:
                reached = {
                    state.conversation_id if (state := lead(address, states.get, aliases)) else None
                    for address in addresses(applied.event.data)
                }
                expect(len(reached) == 1, "addresses of one contact lead to one conversation")


def _is_open_after(applied: Applied, id_: object) -> bool:
    """Whether a conversation that an event changed is open afterwards."""
    changes = [item.data for item in applied.outgoing if isinstance(item.data, ConversationEvent)]
    (*_, last) = [change for change in changes if change.conversation_id == id_]
    return last.after is not None and last.after.status == "open"
