"""The events of an account, each with a number, as each of its users gets them."""

from collections.abc import Hashable, Mapping
from typing import Generic, Literal, Protocol, TypeVar

from db.listed_conversations import ListedConversation
from domain.conversation import section_of
from schemas.fields import ConversationId, UserId
from workers.api.events.frames import frame
from workers.api.shapes import seen_by

EventName = Literal[
    "hello",
    "reset",
    "conversation",
    "message",
    "status",
    "removed",
    "sections",
    "notification",
    "me",
]

CONVERSATION_BYTES = 4 * 1024
"""About how much an event of a conversation takes, in its four forms."""

FormT = TypeVar("FormT", bound=Hashable)

Seen = Mapping[tuple[ConversationId, UserId], int]
"""How far users have seen conversations; nothing for what they never saw."""


class Published(Protocol):
    """An event. Users get the same bytes wherever they see the same."""

    @property
    def number(self) -> int:
        """Its place among the events of the account."""

    @property
    def conversation_id(self) -> str | None:
        """The conversation that it tells of, if any."""

    @property
    def size(self) -> int:
        """About how many bytes it takes in memory."""

    def frame_for(self, user_id: UserId, seen: Seen) -> bytes | None:
        """Returns the event as a user gets it; None if it is not for them."""


class ForAll:
    """An event that is the same for every user of the account."""

    def __init__(self, number: int, conversation_id: str, framed: bytes) -> None:
        self.number = number
        self.conversation_id = conversation_id
        self._frame = framed

    @property
    def size(self) -> int:
        """The bytes of its frame."""
        return len(self._frame)

    def frame_for(self, user_id: UserId, seen: Seen) -> bytes | None:
        """Returns its frame."""
        return self._frame


class OfConversation:
    """A conversation: the section and whether it is unseen differ by user."""

    size = CONVERSATION_BYTES

    def __init__(self, number: int, id_: str, listed: ListedConversation) -> None:
        """`id_` is the event's."""
        self.number = number
        self.conversation_id: ConversationId = listed.conversation_id
        self._id = id_
        self._listed = listed
        self._frames: dict[tuple[str, bool], bytes] = {}
        """By section and unseen: four at most, each encoded once."""

    def frame_for(self, user_id: UserId, seen: Seen) -> bytes | None:
        """Returns the conversation as the user sees it."""
        listed = self._listed
        version = seen.get((self.conversation_id, user_id), 0)
        key = (
            section_of(listed.status, listed.assignee_id, user_id),
            listed.inbound_version > version,
        )
        framed = self._frames.get(key)
        if framed is None:
            shown = seen_by(listed, user_id, version)
            framed = self._frames[key] = frame("conversation", self._id, shown)
        return framed


class ForSome(Generic[FormT]):
    """An event that some users get, each in a form that others may get too."""

    def __init__(
        self,
        number: int,
        conversation_id: str | None,
        forms: Mapping[FormT, bytes],
        form_of: Mapping[UserId, FormT],
    ) -> None:
        self.number = number
        self.conversation_id = conversation_id
        self._forms = forms
        self._form_of = form_of

    @property
    def size(self) -> int:
        """The bytes of its frames, and about those of its users."""
        return sum(map(len, self._forms.values())) + 100 * len(self._form_of)

    def frame_for(self, user_id: UserId, seen: Seen) -> bytes | None:
        """Returns the form for this user."""
        form = self._form_of.get(user_id)
        return self._forms[form] if form is not None else None
