"""The input of a command's rule, and the verdicts that it may return."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from domain.conversation import Conversation
from domain.conversation_state import ConversationState
from domain.directory import Channel, Directory
from domain.outgoing import Message, Outgoing
from domain.sending import Send
from schemas.cloudevents import Incoming
from schemas.codes import RejectionCode
from schemas.conversations import ConversationEvent
from schemas.notes import NoteMessage


class CommandContext(NamedTuple):
    """A command, and all that is known when it is applied."""

    state: ConversationState
    conversation: Conversation
    """The conversation of the state; without one no rule is called."""
    command: Incoming[Any]
    now: datetime
    directory: Directory
    channel: Channel | None
    """The conversation's channel, if it is known and the command's rule needs it."""
    latest: tuple[NoteMessage, ...]
    """The latest messages in order of time, if the command's rule needs them."""
    app_url: str


class Rejected(NamedTuple):
    """The command is rejected and changes nothing."""

    code: RejectionCode
    detail: str


class Changed(NamedTuple):
    """The command is accepted and changes something."""

    state: ConversationState
    """The state afterwards."""
    event: type[ConversationEvent] | None
    """The type of its event in the log; None where the conversation itself stays the same."""
    details: Mapping[str, Any] = MappingProxyType({})
    """The fields of that event which the others do not have."""
    also: tuple[Outgoing, ...] = ()
    """Further events to emit: notifications and notes."""
    message: Message | None = None
    """The message to record."""
    sends: tuple[Send, ...] = ()
    """The parts of a reply to send, in order."""


Verdict = Rejected | Changed | None
"""None: the command is accepted, and changes nothing."""
