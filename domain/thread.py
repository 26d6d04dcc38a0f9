"""A conversation with all that belongs to it: what rules start from, and what they answer."""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from domain.conversation import Conversation, Tombstone
from domain.decision import Message, Outgoing
from domain.notes import Link
from domain.sending import Send


class Thread(Struct, frozen=True):
    """A conversation with its links, or what is left of one."""

    conversation: Conversation | None = None
    tombstone: Tombstone | None = None
    """Of one that was deleted and did not start afresh since."""
    links: tuple[Link, ...] = ()
    requests: Mapping[str, bool] = {}
    """Of the requests that are asked for: whether they are answered."""

    @property
    def version(self) -> int:
        """The version of the newest event; 0 before the first."""
        if self.conversation is not None:
            return self.conversation.version
        return self.tombstone.version if self.tombstone is not None else 0


NO_THREAD = Thread()


class Decision(NamedTuple):
    """The answer of a rule."""

    thread: Thread
    outgoing: tuple[Outgoing, ...]
    message: Message | None = None
    """What is to be recorded."""
    sends: tuple[Send, ...] = ()
    """What is to be sent, in order."""
