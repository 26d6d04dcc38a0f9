"""The table of all operations."""

from workers.api.operation import Operation
from workers.api.operations import channels, me, users

OPERATIONS: tuple[Operation, ...] = (
    *me.OPERATIONS,
    *users.OPERATIONS,
    *channels.OPERATIONS,
)
