"""Publishes what other services publish: concurrent events, repeats, records of no event."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from domain.delivery import OUTSIDE_WINDOW
from domain.directory import Channel, User
from schemas.catalog import TOPIC_OF
from schemas.cloudevents import CloudEvent, Incoming, encode
from schemas.directory import UserAvailabilityChanged, UserRemoved, UserUpserted
from schemas.fields import UserId
from schemas.ids import conversation_id, reply_message_id
from schemas.messages import Contact, MessageReceived, MessageStatus
from schemas.notes import NoteDeleted, NoteEdited
from tests.simulation.choices import Choices, in_one_of, one_of
from tests.simulation.kafka import Kafka, LogName, Record
from tests.simulation.statements import REFUSED
from tests.unit.domain.given.samples import (
    ACCOUNT,
    CHANNEL,
    SECOND,
    assign,
    channel,
    close,
    delete,
    link,
    message,
    reopen,
    reply,
    request,
    unlink,
    user,
)
from workers.kafka.partitions import partition_of

PARTITIONS = 3
"""Of each topic."""

CONTACTS = ("whatsapp:+4911", "whatsapp:+4912", "+4913", "+4914", "+4915", "+4916")
USERS = ("ana", "bo")
USERS_OF_ALL = (*USERS, "cy")
ENTITIES = ("deal:1", "person:1")
WORDS = ("queued", "sent", "delivered", "read", "undelivered", "failed", "unheard_of")
LONG_REPLY = "x" * 1_700
"""A reply of two parts."""

Event = Incoming[Any]


class Mix(NamedTuple):
    """What publishers are like: few of everything, so that histories meet."""

    contacts: int = 3
    strays: int = 10
    """One record in so many is on a partition that is not its key's."""
    identities: bool = False
    """Whether contacts have several addresses."""
    deletes: int = 1
    """How many of the kinds of commands are to delete."""
    leaves: int = 0
    """How often Bo comes and goes, and is assigned conversations."""


CONTACTS_OF_SEVERAL_ADDRESSES = Mix(contacts=6, strays=4, identities=True, deletes=0)

BO_COMES_AND_GOES = Mix(contacts=1, deletes=0, leaves=6)
BO_WITH_MANY_CONTACTS = Mix(contacts=6, deletes=0, leaves=14)

MIXES = (
    Mix(),
    CONTACTS_OF_SEVERAL_ADDRESSES,
    Mix(identities=True),
    Mix(contacts=1, strays=2, deletes=40),
    BO_COMES_AND_GOES,
    BO_WITH_MANY_CONTACTS,
)


def first_users() -> list[User]:
    """The users that there are from the start."""
    return [user(user_id) for user_id in USERS]


def first_channel() -> Channel:
    """The channel that there is from the start."""
    return channel()


class Inputs:
    """The publishers, and all that they published."""

    def __init__(self, kafka: Kafka, mix: Mix) -> None:
        self._kafka = kafka
        self._mix = mix
        self._commands = _COMMANDS + (_delete,) * mix.deletes + (_assign_bo,) * (mix.leaves * 4)
        self._makers = _MAKERS + (Inputs.come_or_go,) * mix.leaves
        self._count = 0
        self.notes: list[tuple[str, str]] = []
        """The notes made so far, which a CRM may report: the conversation and the note."""
        self.replies: list[tuple[str, str, int]] = []
        """Of each reply its command, its conversation, and how many parts it has."""
        self.published: list[Event] = []
        self.garbage: list[tuple[LogName, int]] = []

    def publish(self, choices: Choices, now: datetime) -> str:
        """Publish something; what it was."""
        make = one_of(choices, self._makers)
        event = make(self, choices, now)
        if event is None:
            return "nothing"
        self._append(choices, event)
        return f"{event.type} {event.id}"

    def publish_garbage(self, choices: Choices) -> str:
        """Publish a record that is no event."""
        log = (one_of(choices, ("messages.received", "lifecycle")), choices.below(PARTITIONS))
        self.garbage.append((log, self._write(choices, log, b"k", b"not an event")))
        return "garbage"

    def repeat(self, choices: Choices) -> str:
        """Publish an event again, lately published ones first."""
        if not self.published:
            return "nothing"
        back = min(choices.below(8) + 1, len(self.published))
        event = self.published[-back]
        self._append(choices, event)
        return f"{event.type} {event.id} again"

    def _append(self, choices: Choices, event: Event) -> None:
        self.published.append(event)
        key = str(getattr(event.data, "conversation_id", None) or _home(event))
        partition = partition_of(key, PARTITIONS)
        if in_one_of(choices, self._mix.strays):
            # By a publisher who knows nothing of keys.
            partition = choices.below(PARTITIONS)
        value = encode(
            CloudEvent(event.id, event.type, event.time, event.data, source="/simulation")
        )
        self._write(choices, (TOPIC_OF[event.type], partition), key.encode(), value)

    def _write(self, choices: Choices, name: LogName, key: bytes, value: bytes) -> int:
        log = self._kafka.inputs[name]
        offset = log.end + in_one_of(choices, 6)
        log.records.append(Record(*name, offset, 0, key, value))
        # What follows may be a transaction's marker.
        log.end = offset + 1 + in_one_of(choices, 6)
        return offset

    def next_id(self, choices: Choices) -> str:
        """The id of a new event; seldom an old one's, by a careless publisher."""
        self._count += not in_one_of(choices, 40)
        return f"e{self._count}"

    def message(self, choices: Choices, now: datetime) -> Event:
        """A contact's message."""
        number = len(self.published)
        again = in_one_of(choices, 6)
        body = REFUSED if in_one_of(choices, 30) else "Hello"
        event = message(
            event_id=self.next_id(choices),
            provider_message_id=f"SM{max(0, number - 3) if again else number}",
            address=self._contact(choices),
            body=body,
            sent_at=now - one_of(choices, (0, 0, -1, -1, -2, 1, 2, 60)) * SECOND,
            historical=in_one_of(choices, 8),
        )
        if self._mix.identities and in_one_of(choices, 3):
            named = Contact(event.data.contact.address, "Ana", (self._contact(choices),))
            return replace(event, data=replace(event.data, contact=named))
        return event

    def _contact(self, choices: Choices) -> str:
        return CONTACTS[choices.below(self._mix.contacts)]

    def command(self, choices: Choices, now: datetime) -> Event:
        """A user's command."""
        where = conversation_id(ACCOUNT, CHANNEL, self._contact(choices))
        fields: dict[str, Any] = {
            "event_id": self.next_id(choices),
            "time": now - one_of(choices, (0, 0, -1, 1, 2, 3)) * SECOND,
            "conversation_id": where,
            "actor_id": UserId(one_of(choices, (*USERS, "ana", "ana"))),
            "expected_version": choices.below(6) + 1 if in_one_of(choices, 12) else None,
        }
        event = one_of(choices, self._commands)(choices, fields)
        if event.type.endswith("message.send.v1"):
            parts = 2 if event.data.body == LONG_REPLY else 1
            self.replies.append((event.id, str(where), parts))
        return event

    def receipt(self, choices: Choices, _now: datetime) -> Event | None:
        """A delivery receipt of some reply."""
        if not self.replies:
            return None
        command_id, where, parts = one_of(choices, self.replies[-6:])
        part = choices.below(parts) + 1
        word = one_of(choices, WORDS)
        is_named = not in_one_of(choices, 4)
        data = MessageStatus(
            account_id=ACCOUNT,
            channel_id=CHANNEL,
            conversation_id=UUID(where),
            message_id=UUID(reply_message_id(ACCOUNT, command_id)) if is_named else None,
            provider_message_id=f"MM-{command_id}-{part}",
            status=word,
            error_code=OUTSIDE_WINDOW if in_one_of(choices, 12) else None,
            attempt=part if is_named else None,
        )
        return Incoming(f"{data.provider_message_id}/{word}", data.TYPE, _now, data)

    def note_change(self, choices: Choices, now: datetime) -> Event | None:
        """The CRM reports that a note was edited or deleted."""
        if not self.notes:
            return None
        where, note_id = one_of(choices, self.notes[-4:])
        struct = one_of(choices, (NoteEdited, NoteDeleted))
        data = struct(account_id=ACCOUNT, conversation_id=UUID(where), note_id=UUID(note_id))
        return Incoming(self.next_id(choices), data.TYPE, now, data)

    def directory_change(self, choices: Choices, now: datetime) -> Event:
        """A user comes, or may be assigned no more; or one who is not Ana comes or goes."""
        if in_one_of(choices, 3):
            return self.come_or_go(choices, now)
        user_id = UserId(one_of(choices, USERS_OF_ALL))
        data: Any
        if in_one_of(choices, 2):
            data = UserAvailabilityChanged(
                account_id=ACCOUNT, user_id=user_id, available=bool(choices.below(2))
            )
        else:
            data = UserUpserted(
                account_id=ACCOUNT, user_id=user_id, name=user_id, email="", inbox_access=True
            )
        return Incoming(self.next_id(choices), data.TYPE, now, data)

    def come_or_go(self, choices: Choices, now: datetime) -> Event:
        """Bo comes or goes. Ana stays: nearly all commands are hers."""
        user_id = UserId("bo")
        data: Any = UserUpserted(
            account_id=ACCOUNT,
            user_id=user_id,
            name="bo",
            email="",
            inbox_access=not in_one_of(choices, 4),
        )
        if in_one_of(choices, 3):
            data = UserRemoved(account_id=ACCOUNT, user_id=user_id)
        return Incoming(self.next_id(choices), data.TYPE, now, data)


def _home(event: Event) -> str:
    """The conversation of a contact's message; else the account."""
    data = event.data
    if isinstance(data, MessageReceived):
        return conversation_id(data.account_id, data.channel_id, data.contact.address)
    return str(data.account_id)


_Fields = dict[str, Any]


def _assign_bo(_choices: Choices, fields: _Fields) -> Event:
    return assign("bo", **fields)


def _delete(_choices: Choices, fields: _Fields) -> Event:
    return delete(**fields)


_COMMANDS: tuple[Callable[[Choices, _Fields], Event], ...] = (
    lambda choices, fields: assign(one_of(choices, (None, *USERS)), **fields),
    lambda _, fields: close(**fields),
    lambda _, fields: close(**fields),
    lambda _, fields: close(**fields),
    lambda _, fields: reopen(**fields),
    lambda choices, fields: link(one_of(choices, ENTITIES), **fields),
    lambda choices, fields: link(
        one_of(choices, ENTITIES), request_id=one_of(choices, (None, "r1", "r2")), **fields
    ),
    lambda choices, fields: unlink(one_of(choices, ENTITIES), **fields),
    lambda choices, fields: request(request_id=one_of(choices, (None, "r1", "r2")), **fields),
    lambda choices, fields: reply("Hi" if choices.below(5) else LONG_REPLY, **fields),
    lambda _, fields: reply("Hi", **fields),
    lambda _, fields: reply("Hi", **fields),
)

_MAKERS: tuple[Callable[[Inputs, Choices, datetime], Event | None], ...] = (
    *[Inputs.message] * 7,
    *[Inputs.command] * 9,
    *[Inputs.receipt] * 4,
    Inputs.note_change,
    Inputs.directory_change,
)
