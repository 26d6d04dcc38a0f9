"""The table of all operations."""

from workers.api.operation import Operation
from workers.api.operations import channels, me, session, users

OPERATIONS: tuple[Operation, ...] = (
    *me.OPERATIONS,
    *session.OPERATIONS,
    *users.OPERATIONS,
    *channels.OPERATIONS,
)
