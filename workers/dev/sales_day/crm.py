"""The CRM's end: what it reads on the topics, and what it tells the inbox of notes."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from uuid import UUID

from db.connect import AnyConnection
from db.links import load_links
from schemas.conversations import EntityRequested
from schemas.fields import ConversationId
from schemas.notes import NoteCreated, NoteEdited
from workers.dev.sales_day.applied import until_applied
from workers.dev.sales_day.story import ACCOUNT
from workers.follow.follower import Seen
from workers.kafka.publisher import Publisher


class Crm:
    """A CRM whose users edit notes."""

    def __init__(
        self, publisher: Publisher, connection: AnyConnection, check: Callable[[], None]
    ) -> None:
        self._publisher = publisher
        self._connection = connection
        self._check = check

    async def edit_note(self, conversation_id: ConversationId, note_id: str) -> None:
        """Tell that a conversation's note was edited; it is the newest of a link."""
        event = NoteEdited(
            account_id=ACCOUNT, conversation_id=UUID(conversation_id), note_id=UUID(note_id)
        )
        await self._publisher.publish(event, datetime.now(UTC))
        key = (ACCOUNT, conversation_id)

        async def is_left_alone() -> bool:
            links = (await load_links(self._connection, [key])).get(key, ())
            return any(link.note.left_alone for link in links if link.note.note_id == note_id)

        await until_applied(is_left_alone, "the edited note", self._check)


def note_ids(seen: Iterable[Seen], conversation_id: str) -> list[str]:
    """The notes of a conversation, in the order in which they started."""
    data = [each.data for each in seen if each.key == conversation_id]
    return [event.note_id for event in data if isinstance(event, NoteCreated)]


def request_ids(seen: Iterable[Seen], conversation_id: str) -> list[str]:
    """What was asked of the CRM for a conversation, in that order."""
    data = [each.data for each in seen if each.key == conversation_id]
    return [event.request_id for event in data if isinstance(event, EntityRequested)]
