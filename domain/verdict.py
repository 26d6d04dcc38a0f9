"""What a command's rule looks at, and what it may answer."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from domain.conversation import Conversation
from domain.decision import Message, Outgoing
from domain.directory import Channel, Directory
from domain.sending import Send
from domain.thread import Thread
from schemas.cloudevents import Incoming
from schemas.codes import Rejection
from schemas.conversations import ConversationEvent
from schemas.notes import NoteMessage


class Asked(NamedTuple):
    """A command, and what is known when it is applied."""

    thread: Thread
    conversation: Conversation
    """That of the thread: every command needs one."""
    command: Incoming[Any]
    now: datetime
    directory: Directory
    channel: Channel | None
    """The conversation's, if it is known and the command's rule asks for it."""
    latest: tuple[NoteMessage, ...]
    """The latest messages in order of time, if the command's rule asks for them."""
    app_url: str


class Refused(NamedTuple):
    """Why a command is refused."""

    code: Rejection
    detail: str


class Changed(NamedTuple):
    """What a command changes."""

    thread: Thread
    event: type[ConversationEvent] | None
    """What the log is told; None where the conversation itself stays as it is."""
    details: Mapping[str, Any] = MappingProxyType({})
    """The fields of that event which others do not have."""
    also: tuple[Outgoing, ...] = ()
    """What is to be said besides: notifications and notes."""
    message: Message | None = None
    """What is to be recorded."""
    sends: tuple[Send, ...] = ()
    """What is to be sent."""


Verdict = Refused | Changed | None
"""None: accepted, and nothing changes."""
