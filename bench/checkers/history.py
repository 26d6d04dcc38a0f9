"""Checks that the tables say of the log and of the results what these say themselves."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from bench.checkers.promises import expect
from bench.checkers.tables import owner_connection
from domain.history import HistoryEntry, history_entry
from schemas.conversations import ConversationDeleted, ConversationEvent
from workers.settings import Settings

Outcome = tuple[str, int]
"""The code and the version of a command."""


class LoggedHistory:
    """The history of all conversations as the log tells it."""

    def __init__(self) -> None:
        self._of_conversation: dict[str, list[HistoryEntry]] = defaultdict(list)

    def apply(self, event: ConversationEvent, at: datetime) -> None:
        """Add the next event of the log."""
        if isinstance(event, ConversationDeleted):
            self._of_conversation.pop(event.conversation_id, None)
        elif (entry := history_entry(event, at)) is not None:
            self._of_conversation[event.conversation_id].append(entry)

    def entries(self) -> set[HistoryEntry]:
        """Returns the entries of all conversations that exist."""
        return {entry for entries in self._of_conversation.values() for entry in entries}


async def check_history(settings: Settings, logged: LoggedHistory) -> None:
    """Check that the table `history` is what the log says of it. Raises Broken."""
    async with owner_connection(settings) as connection:
        rows = await connection.fetch(
            "SELECT account_id, conversation_id::text, version, type, at, actor_id, reason,"
            " assignee_id, entity_type, entity_id FROM inbox.history"
        )
    stored, wanted = {HistoryEntry(*row) for row in rows}, logged.entries()
    expect(
        stored == wanted,
        f"the history is what the log says: {len(wanted - stored)} of {len(wanted)} entries are "
        f"missing, {len(stored - wanted)} are too much",
    )


def outcome_of(result: dict[str, Any]) -> Outcome:
    """Returns the outcome that the data of a result tells."""
    return result.get("code", "accepted"), result["version"]


async def check_outcomes(settings: Settings, told: dict[tuple[str, str], Outcome]) -> None:
    """Check that each command's outcome is what its result told. Raises Broken.

    `told` has the outcomes of all results by account and command.
    """
    async with owner_connection(settings) as connection:
        rows = await connection.fetch(
            "SELECT account_id, command_id, code, version FROM inbox.commands"
        )
    stored = {(row[0], row[1]): (row[2], row[3]) for row in rows}
    wrong = [key for key in stored.keys() | told.keys() if stored.get(key) != told.get(key)]
    expect(not wrong, f"{len(wrong)} commands have another outcome than their result: {wrong[:3]}")
