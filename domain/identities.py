"""Several addresses of one contact: where their messages go, and which conversation ends.

An address is known by the id of the conversation that it would have of its own. It leads

    conversation of its own ──merged_into──> older one ──merged_into──> ... the one that goes on
    none of its own ──alias──────────────────^

and a message that names several addresses makes all of them lead to the oldest that they reach.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from domain.conversation import Conversation
from domain.decision import Outgoing, caused_by
from schemas.conversations import ConversationClosed
from schemas.fields import AccountId, ChannelId, ConversationId
from schemas.ids import conversation_id
from schemas.messages import MessageReceived

Find = Callable[[ConversationId], Conversation | None]
"""The conversation with an id, if it exists."""

Aliases = Mapping[ConversationId, ConversationId]
"""Where addresses without a conversation of their own lead."""


class Alias(Struct, frozen=True):
    """An address without a conversation of its own, and the one that it leads to."""

    account_id: AccountId
    alias_id: ConversationId
    """The id of the conversation that the address would have of its own."""
    conversation_id: ConversationId
    channel_id: ChannelId
    address: str


class Meeting(NamedTuple):
    """What the addresses of one message lead to, and what becomes of it."""

    taker: ConversationId
    """The conversation of the message: the oldest, or else the contact's own, which is new."""
    younger: tuple[Conversation, ...]
    """Those that end in favour of it."""
    strays: tuple[ConversationId, ...]
    """Addresses that led nowhere; from now on they lead to it."""
    past: tuple[ConversationId, ...]
    """Where the message may have belonged before: was one of these deleted after it was sent, it
    was deleted with it."""


def addresses(data: MessageReceived) -> dict[ConversationId, str]:
    """All addresses of a message's contact, by their ids; first the one it was sent from."""
    contact = data.contact
    return {
        conversation_id(data.account_id, data.channel_id, address): address
        for address in (contact.address, *contact.identities)
    }


def lead(address: ConversationId, find: Find, aliases: Aliases) -> Conversation | None:
    """The conversation that an address leads to, if there is one.

    A pointer to a conversation that was deleted counts no more, not even when that starts afresh:
    it is the younger then. So the way always goes to an older one, and ends.
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


def meet(named: Sequence[ConversationId], find: Find, aliases: Aliases) -> Meeting:
    """What a message leads to that names these addresses, the one it was sent from first."""
    reached = {address: lead(address, find, aliases) for address in named}
    there = {found.conversation_id: found for found in reached.values() if found is not None}
    own, *others = named
    if not there:
        return Meeting(own, (), tuple(others), tuple(named))
    oldest, *younger = sorted(there.values(), key=_age)
    strays = tuple(address for address, found in reached.items() if found is None)
    taker = oldest.conversation_id
    return Meeting(taker, tuple(younger), strays, (own, taker))


def end(
    younger: Conversation, taker: ConversationId, cause_id: str, now: datetime
) -> tuple[Conversation, tuple[Outgoing, ...]]:
    """The younger of two conversations of one contact as it ends, and what is said of it.

    Nothing is, where it was closed already.
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
    closed = ConversationClosed(
        account_id=ended.account_id,
        conversation_id=ended.conversation_id,
        version=ended.version,
        before=younger.snapshot,
        after=ended.snapshot,
        actor_id=None,
        reason="inbound_message",
        merged_into=taker,
    )
    return ended, (caused_by(cause_id, closed),)


def _age(conversation: Conversation) -> tuple[datetime, ConversationId]:
    """What sorts conversations by age, the oldest first."""
    assert conversation.created_at is not None
    return conversation.created_at, conversation.conversation_id
