"""Counts the day's rows in Postgres and events in Kafka, and checks that they agree."""

from collections import Counter
from collections.abc import Iterable

from rich.table import Table

from db.connect import AnyConnection
from db.overview import count_messages, load_conversations
from domain.conversation import NOTHING, Conversation, Folded, Section, fold
from schemas.commands import CommandAccepted, CommandRejected
from schemas.conversations import ConversationDeleted, ConversationEvent
from schemas.fields import AccountId, ConversationId
from schemas.messages import MessageStatusChanged
from schemas.note_text import ShownNote
from schemas.note_text import fold as fold_note
from schemas.notes import NoteAppended, NoteCreated
from schemas.notifications import NotificationRequested
from workers.dev.sales_day.day import Day
from workers.dev.sales_day.story import ACCOUNT, VIEWER
from workers.follow.follower import FollowedRecord
from workers.process.errors import CommandFailed

SECTIONS: tuple[Section, ...] = ("unassigned", "assigned_to_me", "assigned_to_others", "closed")

GAPLESS = "Kafka, gapless, as in Postgres"


async def summarize(day: Day, connection: AnyConnection) -> Table:
    """Returns the counts of the day. Raises CommandFailed when log and tables do not agree."""
    keys = [(AccountId(ACCOUNT), id_) for id_ in day.names]
    conversations = await load_conversations(connection, keys)
    messages = await count_messages(connection, list(day.names))
    folded = _folded(day.records)
    _compare(conversations, messages, folded)
    sections = Counter(conversation.section(VIEWER) for conversation in conversations)
    table = Table(title="The day", title_justify="left")
    table.add_column("")
    table.add_column("count", justify="right")
    table.add_column("where")
    for section in SECTIONS:
        table.add_row(
            f"conversations {section}", str(sections[section]), f"Postgres, as {VIEWER} sees them"
        )
    table.add_row("conversations deleted", _count(day.records, ConversationDeleted), "Kafka")
    table.add_row("messages", str(messages), "Postgres")
    table.add_row("replies delivered", str(_count_delivered(day.records)), "Kafka")
    links = sum(conversation.link_count for conversation in conversations)
    table.add_row("links", str(links), "Postgres")
    table.add_row("notes", str(_count_notes(day.records)), "Kafka, gapless")
    table.add_row("conversations events", _count(day.records, ConversationEvent), GAPLESS)
    table.add_row("notifications", _count(day.records, NotificationRequested), "Kafka")
    table.add_row("results accepted", _count(day.records, CommandAccepted), "Kafka")
    table.add_row("results rejected", _count(day.records, CommandRejected), "Kafka")
    return table


def _folded(records: Iterable[FollowedRecord]) -> dict[ConversationId, Folded]:
    """Returns the state of each conversation, as a consumer computes it from the log alone."""
    folded: dict[ConversationId, Folded] = {}
    for each in records:
        if isinstance(each.data, ConversationEvent):
            id_ = ConversationId(each.data.conversation_id)
            try:
                folded[id_] = fold(folded.get(id_, NOTHING), each.data)
            except ValueError as error:
                raise CommandFailed(f"the log of conversation {id_}: {error}") from error
    return folded


def _count_notes(records: Iterable[FollowedRecord]) -> int:
    """Returns the number of notes. Raises CommandFailed when one lacks a revision."""
    shown: dict[str, ShownNote] = {}
    for each in records:
        if isinstance(each.data, NoteCreated | NoteAppended):
            id_ = each.data.note_id
            try:
                shown[id_] = fold_note(shown.get(id_), each.data)
            except ValueError as error:
                raise CommandFailed(str(error)) from error
    return len(shown)


def _count_delivered(records: Iterable[FollowedRecord]) -> int:
    """Returns the number of replies of which the provider reported every part as delivered."""
    waiting: dict[str, set[int]] = {}
    for each in records:
        data = each.data
        if isinstance(data, MessageStatusChanged) and data.status in {"delivered", "read"}:
            parts = set(range(1, data.parts + 1))
            waiting.setdefault(data.message_id, parts).discard(data.part)
    return sum(not parts for parts in waiting.values())


def _compare(
    conversations: list[Conversation], messages: int, folded: dict[ConversationId, Folded]
) -> None:
    stored = {
        conversation.conversation_id: Folded(
            conversation.version, conversation.message_count, conversation.snapshot
        )
        for conversation in conversations
    }
    # A deleted conversation is only in the log.
    present = {id_: state for id_, state in folded.items() if state.snapshot is not None}
    if stored != present:
        raise CommandFailed(f"the log says {present}, and the table {stored}")
    counted = sum(conversation.message_count for conversation in conversations)
    if counted != messages:
        raise CommandFailed(f"{counted} messages are counted, and {messages} recorded")


def _count(records: Iterable[FollowedRecord], kind: type) -> str:
    return str(sum(isinstance(each.data, kind) for each in records))
