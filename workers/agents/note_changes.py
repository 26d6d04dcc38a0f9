"""The agent of `notes.changed`: notes that were edited or deleted in the CRM are left alone."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from db.connect import AnyConnection
from db.conversations import conversation_key
from domain.notes import leave_alone
from domain.outgoing import Outgoing
from schemas.cloudevents import Incoming
from schemas.notes import NoteDeleted, NoteEdited
from workers.agents.conversation_states import ConversationStates

NoteEvent = NoteEdited | NoteDeleted


class NoteChanges:
    """One batch of the CRM's reports about notes."""

    def __init__(self) -> None:
        self._states = ConversationStates()

    async def load(self, connection: AnyConnection, events: Sequence[Incoming[NoteEvent]]) -> None:
        """Lock the conversation states."""
        await self._states.load(connection, {conversation_key(event.data) for event in events})

    def decide(self, event: Incoming[NoteEvent], now: datetime) -> Iterable[Outgoing]:
        """Mark a note as left alone. Nothing is emitted: the conversation does not change."""
        state = self._states[conversation_key(event.data)]
        if state.links:
            links = leave_alone(state.links, str(event.data.note_id))
            self._states[conversation_key(event.data)] = replace(state, links=links)
        return ()

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write the marks."""
        await self._states.save(connection)
