"""The history of conversations: who assigned, closed, reopened and linked them, and why."""

from collections.abc import Sequence

from db.connect import AnyConnection
from db.queries import QUERIES
from domain.history import HistoryEntry


async def insert_history(connection: AnyConnection, entries: Sequence[HistoryEntry]) -> None:
    """Write what a transaction adds to the history of conversations whose rows it holds."""
    if entries:
        await connection.execute(QUERIES["insert_history"], *zip(*entries, strict=True))
