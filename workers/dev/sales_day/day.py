"""Plays the sales day step by step, and compares its events with the expected events."""

import time
from collections.abc import Callable, Iterable

from rich.console import Console
from rich.text import Text

from schemas.conversations import MessageRecorded
from schemas.fields import ConversationId
from schemas.messages import MessageAccepted, MessageStatusChanged
from schemas.notes import NoteAppended, NoteCreated
from workers.dev.sales_day.actors import Actors
from workers.dev.sales_day.crm import note_ids
from workers.dev.sales_day.story import STORY, Step
from workers.follow.follower import FOLLOWED_TOPICS, FollowedRecord, Follower
from workers.follow.lines import block, line
from workers.follow.phrases import short_id
from workers.process.errors import CommandFailed

STORY_STEP_SECONDS = 30.0
"""An event takes milliseconds. If it takes longer than this, it does not come at all."""

_LATEST_TOPIC = "messages.sent"
"""The events of a reply on its way come after the answer to its command."""


class Day:
    """One day: plays every step, and keeps every event that the inbox publishes."""

    def __init__(
        self,
        *,
        console: Console,
        follower: Follower,
        actors: Actors,
        check: Callable[[], None],
    ) -> None:
        self._console = console
        self._follower = follower
        self._actors = actors
        self._check = check
        self.names = actors.names
        """The contact of each conversation of the day."""
        self.records: list[FollowedRecord] = []
        """Every event of the day so far."""

    async def play(self) -> None:
        """Play all steps. Raises CommandFailed at the first difference from the story."""
        for step in STORY:
            self._console.print(Text(step.title, style="bold"))
            await self._actors.perform(step.act, self.records)
            self._show(step, await self._await_events(step))
        if strays := self._of_the_day(await self._follower.read_to_end()):
            raise CommandFailed(f"events that nothing should have caused:\n{_listed(strays)}")

    async def _await_events(self, step: Step) -> list[FollowedRecord]:
        """Wait for as many events as the step must cause; those of one version come together."""
        found: list[FollowedRecord] = []
        deadline = time.monotonic() + STORY_STEP_SECONDS
        while len(found) < len(step.expected):
            self._check()
            if time.monotonic() > deadline:
                raise CommandFailed(_difference(step, found, f"within {STORY_STEP_SECONDS:g} s"))
            found += self._of_the_day(await self._follower.poll())
        self.records += found
        # Topics have no common order, but the versions of a conversation have one.
        return sorted(found, key=_order)

    def _of_the_day(self, records: list[FollowedRecord]) -> list[FollowedRecord]:
        """Returns the events of the day's conversations, without those that may or may not come.

        A Kafka of the user's own may carry other conversations too.
        """
        return [each for each in records if each.key in self.names and not _is_queued(each)]

    def _show(self, step: Step, found: list[FollowedRecord]) -> None:
        for record in found:
            name = self.names[ConversationId(record.key)]
            for row in block(record.rendered, name).split("\n"):
                self._console.print(Text("  ").append_text(row))
        contact = getattr(step.act, "contact", None)
        foreign = [each for each in found if self.names[ConversationId(each.key)] != contact]
        if foreign or [self._phrase(each) for each in found] != list(step.expected):
            raise CommandFailed(_difference(step, found, "and nothing else"))

    def _phrase(self, record: FollowedRecord) -> str:
        """Returns the phrase of an event, with numbers in place of ids: ids differ every day."""
        phrase = record.rendered.phrase
        match record.data:
            case NoteCreated(note_id=id_) | NoteAppended(note_id=id_):
                ids = note_ids(self.records, record.key)
            case MessageAccepted(message_id=id_) | MessageStatusChanged(message_id=id_):
                ids = _reply_ids(self.records, record.key)
            case _:
                return phrase
        number = ids.index(id_) + 1 if id_ in ids else None
        phrase = phrase.replace(short_id(id_), f"#{number}", 1)
        # The status of an accepted reply depends on whether the first receipt came before.
        return phrase.partition(":")[0] if isinstance(record.data, MessageAccepted) else phrase


def _is_queued(record: FollowedRecord) -> bool:
    """Whether a receipt reports `queued`, as the answer to the POST does.

    An event is emitted for it only if the receipt comes before that answer.
    """
    return isinstance(record.data, MessageStatusChanged) and record.data.status == "queued"


def _reply_ids(records: Iterable[FollowedRecord], conversation_id: str) -> list[str]:
    """Returns the replies of a conversation, in the order in which they were recorded."""
    data = [record.data for record in records if record.key == conversation_id]
    recorded = [event for event in data if isinstance(event, MessageRecorded)]
    return [event.message_id for event in recorded if event.direction == "outbound"]


def _order(record: FollowedRecord) -> tuple[int, bool, int]:
    version = record.data.version if record.data else 0
    return version, record.topic == _LATEST_TOPIC, FOLLOWED_TOPICS.index(record.topic)


def _difference(step: Step, found: list[FollowedRecord], how: str) -> str:
    expected = "\n".join(f"    {phrase}" for phrase in step.expected)
    return (
        f"“{step.title}”: this should have come {how}:\n{expected or '    (nothing)'}\n"
        f"  and this came:\n{_listed(found) or '    (nothing)'}"
    )


def _listed(records: list[FollowedRecord]) -> str:
    return "\n".join(f"    {line(each.rendered, None).plain.strip()}" for each in records)
