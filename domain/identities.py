"""Several addresses of one contact: which conversation takes a message, and which ones end.

An address is known by the id of its own conversation, even if that does not exist. From an address
a chain leads to the conversation that goes on:

    own conversation ──merged_into──> older one ──merged_into──> ... the one that goes on
    no own conversation ──alias────────^

A message may list several addresses of its contact. Afterwards the chains of all of them lead to
one conversation: the oldest to which any of them led.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from domain.conversation import Conversation
from domain.outgoing import Outgoing, event_without_actor
from schemas.conversations import ConversationClosed
from schemas.fields import AccountId, ChannelId, ConversationId
from schemas.ids import conversation_id
from schemas.messages import MessageReceived

Find = Callable[[ConversationId], Conversation | None]
"""Returns the conversation with an id, if it exists."""

Aliases = Mapping[ConversationId, ConversationId]
"""For addresses without an own conversation: the conversation that each leads to."""


class Alias(Struct, frozen=True):
    """An address without an own conversation, and the conversation that it leads to."""

    account_id: AccountId
    alias_id: ConversationId
    """The id that the address's own conversation would have."""
    conversation_id: ConversationId
    """The conversation that it leads to."""
    channel_id: ChannelId
    address: str


class MessageRoute(NamedTuple):
    """Where a message belongs, and what changes for the addresses of its contact."""

    taker: ConversationId
    """The conversation that takes the message: the oldest one, or a new one of the sending
    address if there is none."""
    younger: tuple[Conversation, ...]
    """The other conversations. They end, and the taker goes on."""
    new_aliases: tuple[ConversationId, ...]
    """Addresses that led to no conversation; from now on they lead to the taker."""
    candidates: tuple[ConversationId, ...]
    """The conversations that the message may have belonged to before. If one of them was deleted
    after the message was sent, the message was deleted with it."""


def addresses(data: MessageReceived) -> dict[ConversationId, str]:
    """Returns all addresses of a message's contact by their ids, the sending address first."""
    contact = data.contact
    return {
        conversation_id(data.account_id, data.channel_id, address): address
        for address in (contact.address, *contact.identities)
    }


def lead(address: ConversationId, find: Find, aliases: Aliases) -> Conversation | None:
    """Returns the conversation that an address leads to, if there is one.

    `merged_into` is followed to an older conversation only. If the older one was deleted, the chain
    ends before it; also if it started afresh, since then it is the younger of the two. So each step
    leads to an older conversation, and the chain has an end.
    """
    conversation = find(address)
    if conversation is None and address in aliases:
        conversation = find(aliases[address])
    while conversation is not None and conversation.merged_into is not None:
        ahead = find(conversation.merged_into)
        if ahead is None or _age(ahead) >= _age(conversation):
            break
        conversation = ahead
    return conversation


def find_route(listed: Sequence[ConversationId], find: Find, aliases: Aliases) -> MessageRoute:
    """Returns the route of a message that lists these addresses, the sending address first."""
    reached = {address: lead(address, find, aliases) for address in listed}
    there = {found.conversation_id: found for found in reached.values() if found is not None}
    own, *others = listed
    if not there:
        return MessageRoute(own, (), tuple(others), tuple(listed))
    oldest, *younger = sorted(there.values(), key=_age)
    new_aliases = tuple(address for address, found in reached.items() if found is None)
    taker = oldest.conversation_id
    return MessageRoute(taker, tuple(younger), new_aliases, (own, taker))


def end(
    younger: Conversation, taker: ConversationId, cause_id: str, now: datetime
) -> tuple[Conversation, tuple[Outgoing, ...]]:
    """Close the younger of two conversations of one contact; returns it, and the events to emit.

    There are no events if it was closed already.
    """
    if younger.status == "closed":
        return replace(younger, merged_into=taker), ()
    ended = replace(
        younger,
        version=younger.version + 1,
        status="closed",
        closed_at=now,
        merged_into=taker,
    )
    closed = event_without_actor(
        ConversationClosed, younger, ended, "inbound_message", cause_id, merged_into=taker
    )
    return ended, (closed,)


def _age(conversation: Conversation) -> tuple[datetime, ConversationId]:
    """The sort key of conversations by age, the oldest first."""
    assert conversation.created_at is not None
    return conversation.created_at, conversation.conversation_id
