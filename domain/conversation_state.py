"""The state of a conversation: the conversation with everything that belongs to it.

A rule takes a conversation state and returns the next one, in a decision.
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from domain.conversation import Conversation, Tombstone
from domain.notes import Link
from domain.outgoing import Message, Outgoing
from domain.sending import Send


class ConversationState(Struct, frozen=True):
    """A conversation with its links and requests, or the tombstone of a deleted one."""

    conversation: Conversation | None = None
    tombstone: Tombstone | None = None
    """Only of a conversation that was deleted and did not start afresh since."""
    links: tuple[Link, ...] = ()
    requests: Mapping[str, bool] = {}
    """Whether each request for an entity is answered, by its id. Only the requests that were
    loaded are here."""

    @property
    def version(self) -> int:
        """The version of the newest event; 0 before the first."""
        if self.conversation is not None:
            return self.conversation.version
        return self.tombstone.version if self.tombstone is not None else 0


NO_CONVERSATION = ConversationState()
"""The state where there never was a conversation."""


class Decision(NamedTuple):
    """What a rule decided."""

    state: ConversationState
    """The state afterwards."""
    outgoing: tuple[Outgoing, ...]
    """The events to emit, in order."""
    message: Message | None = None
    """The message to record."""
    sends: tuple[Send, ...] = ()
    """The parts of a reply to send, in order."""
