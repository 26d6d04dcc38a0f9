"""What records say has changed in an account since the last round."""

from dataclasses import dataclass, field
from typing import TypeVar

from schemas import conversations, messages
from schemas.fields import Emitted
from schemas.notifications import NotificationRequested

DESKTOP = "desktop"

SENT = (
    messages.MessageAccepted,
    messages.MessageStatusChanged,
    messages.MessageFailed,
    messages.MessageUncertain,
)

ValueT = TypeVar("ValueT")


@dataclass(slots=True)
class Changes:
    """The changes of one account that are not sent yet. Whatever is told twice is there once."""

    versions: dict[str, int] = field(default_factory=dict)
    """The newest version of each conversation that changed."""
    removed: dict[str, int] = field(default_factory=dict)
    """The version of the deletion of each conversation that was deleted."""
    messages: dict[str, str] = field(default_factory=dict)
    """The conversation of each new message."""
    replies: dict[str, str] = field(default_factory=dict)
    """The conversation of each reply whose delivery moved on."""
    notifications: list[NotificationRequested] = field(default_factory=list)
    sections: bool = False
    """Whether conversations may have moved between sections."""

    def __len__(self) -> int:
        return len(self.versions) + len(self.messages) + len(self.replies) + len(self.notifications)

    def add(self, event: Emitted) -> None:
        """Note an event of the topics that are followed."""
        id_ = event.conversation_id
        if isinstance(event, NotificationRequested):
            if any(DESKTOP in recipient.media for recipient in event.recipients):
                self.notifications.append(event)
        elif isinstance(event, conversations.ConversationEvent):
            self.add_version(id_, event.version)
            self.sections |= event.before != event.after
            if isinstance(event, conversations.ConversationDeleted):
                self.removed[id_] = event.version
            elif isinstance(event, conversations.MessageRecorded):
                self.messages[event.message_id] = id_
        elif isinstance(event, SENT):
            self.replies[event.message_id] = id_

    def add_version(self, conversation_id: str, version: int) -> None:
        """Note that a conversation has a version."""
        self.versions[conversation_id] = max(version, self.versions.get(conversation_id, 0))

    def take(self, count: int) -> "Changes":
        """Remove and return the oldest changes, so many of each kind at most."""
        taken = Changes(
            _take(self.versions, count),
            {},
            _take(self.messages, count),
            _take(self.replies, count),
            self.notifications[:count],
            self.sections,
        )
        taken.removed = {
            id_: self.removed.pop(id_) for id_ in taken.versions if id_ in self.removed
        }
        del self.notifications[:count]
        self.sections = False
        return taken

    def put_back(self, taken: "Changes") -> None:
        """Put changes back that could not be sent, before those that came since."""
        self.versions = taken.versions | self.versions
        self.removed = taken.removed | self.removed
        self.messages = taken.messages | self.messages
        self.replies = taken.replies | self.replies
        self.notifications[:0] = taken.notifications
        self.sections |= taken.sections


def _take(waiting: dict[str, ValueT], count: int) -> dict[str, ValueT]:
    return {key: waiting.pop(key) for key in list(waiting)[:count]}
