"""The agent of `notes.changed`: notes that the CRM edited or deleted are left alone."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from db.connect import AnyConnection
from db.conversations import ConversationKey
from domain.decision import Outgoing
from domain.notes import leave_alone
from schemas.cloudevents import Incoming
from schemas.fields import ConversationId
from schemas.notes import NoteDeleted, NoteEdited
from workers.agents.conversation_states import Threads

NoteChanged = NoteEdited | NoteDeleted


class NotesChanged:
    """One batch of what the CRM says of notes."""

    def __init__(self) -> None:
        self._threads = Threads()

    async def load(
        self, connection: AnyConnection, events: Sequence[Incoming[NoteChanged]]
    ) -> None:
        """Lock the threads."""
        await self._threads.load(connection, {_key(event) for event in events})

    def decide(self, event: Incoming[NoteChanged], now: datetime) -> Iterable[Outgoing]:
        """Leave a note alone. Nothing is said of it: the conversation is as it was."""
        thread = self._threads[_key(event)]
        if thread.links:
            links = leave_alone(thread.links, str(event.data.note_id))
            self._threads[_key(event)] = replace(thread, links=links)
        return ()

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write which notes are left alone."""
        await self._threads.save(connection)


def _key(event: Incoming[NoteChanged]) -> ConversationKey:
    return event.data.account_id, ConversationId(str(event.data.conversation_id))
