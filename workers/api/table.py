"""The table of all operations."""

from workers.api.operation import Operation
from workers.api.operations import (
    channel_changes,
    channels,
    commands,
    conversations,
    entities,
    events,
    history,
    me,
    media,
    messages,
    my_settings,
    sections,
    seen,
    session,
    users,
)
from workers.api.operations.document import with_document

OPERATIONS: tuple[Operation, ...] = with_document(
    *me.OPERATIONS,
    *my_settings.OPERATIONS,
    *session.OPERATIONS,
    *users.OPERATIONS,
    *channels.OPERATIONS,
    *messages.OPERATIONS,
    *history.OPERATIONS,
    *media.OPERATIONS,
    *entities.OPERATIONS,
    *channel_changes.OPERATIONS,
    *commands.OPERATIONS,
    *sections.OPERATIONS,
    *conversations.OPERATIONS,
    *seen.OPERATIONS,
    *events.OPERATIONS,
)
