"""The table of all operations."""

from workers.api.operation import Operation
from workers.api.operations import me

OPERATIONS: tuple[Operation, ...] = (*me.OPERATIONS,)
