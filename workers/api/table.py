"""The table of all operations."""

from workers.api.operation import Operation
from workers.api.operations import channels, me, session, users
from workers.api.operations.document import with_document

OPERATIONS: tuple[Operation, ...] = with_document(
    *me.OPERATIONS,
    *session.OPERATIONS,
    *users.OPERATIONS,
    *channels.OPERATIONS,
)
