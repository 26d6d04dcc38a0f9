"""The CRM of the sales day: it finds notes and requests on the topics, and reports an edit."""

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
from workers.follow.follower import FollowedRecord
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
        """Report that a conversation's note was edited. It must be the newest note of a link."""
        event = NoteEdited(
            account_id=ACCOUNT, conversation_id=UUID(conversation_id), note_id=UUID(note_id)
        )
        await self._publisher.publish(event, datetime.now(UTC))
        key = (ACCOUNT, conversation_id)

        async def is_left_alone() -> bool:
            links = (await load_links(self._connection, [key])).get(key, ())
            return any(link.note.left_alone for link in links if link.note.note_id == note_id)

        await until_applied(is_left_alone, "the edited note", self._check)


def note_ids(records: Iterable[FollowedRecord], conversation_id: str) -> list[str]:
    """Returns the notes of a conversation, in the order in which they started."""
    data = [record.data for record in records if record.key == conversation_id]
    return [event.note_id for event in data if isinstance(event, NoteCreated)]


def request_ids(records: Iterable[FollowedRecord], conversation_id: str) -> list[str]:
    """Returns the requests of a conversation for entities of the CRM, oldest first."""
    data = [record.data for record in records if record.key == conversation_id]
    return [event.request_id for event in data if isinstance(event, EntityRequested)]
