"""Plays the sales day, step by step, and holds what comes out against what must."""

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
from workers.follow.follower import FOLLOWED, Follower, Seen
from workers.follow.phrases import block, line, short_id
from workers.process.errors import CommandFailed

STEP_SECONDS = 30.0
"""An event takes milliseconds; more than so long, and it does not come."""

_ANSWERED_LATER = "messages.sent"
"""What becomes of a reply comes after the answer to its command."""


class Day:
    """One day: every step, and every event that the inbox says of it."""

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
        self.seen: list[Seen] = []
        """Every event of the day."""

    async def play(self) -> None:
        """Play it all. Raises CommandFailed as soon as something is not as it must be."""
        for step in STORY:
            self._console.print(Text(step.told, style="bold"))
            await self._actors.act(step.act, self.seen)
            self._show(step, await self._await_events(step))
        if strays := self._of_the_day(await self._follower.rest()):
            raise CommandFailed(f"events that nothing should have caused:\n{_listed(strays)}")

    async def _await_events(self, step: Step) -> list[Seen]:
        """As many events as the step must cause, those of one version together."""
        found: list[Seen] = []
        deadline = time.monotonic() + STEP_SECONDS
        while len(found) < len(step.expected):
            self._check()
            if time.monotonic() > deadline:
                raise CommandFailed(_difference(step, found, f"within {STEP_SECONDS:g} s"))
            found += self._of_the_day(await self._follower.next())
        self.seen += found
        # Topics are not ordered against each other; versions are.
        return sorted(found, key=_place)

    def _of_the_day(self, seen: list[Seen]) -> list[Seen]:
        """Without what else goes on, where Kafka is somebody's own, and what says nothing new."""
        return [each for each in seen if each.key in self.names and not _says_queued(each)]

    def _show(self, step: Step, found: list[Seen]) -> None:
        for seen in found:
            name = self.names[ConversationId(seen.key)]
            for row in block(seen.said, name).split("\n"):
                self._console.print(Text("  ").append_text(row))
        contact = getattr(step.act, "contact", None)
        foreign = [seen for seen in found if self.names[ConversationId(seen.key)] != contact]
        if foreign or [self._phrase(seen) for seen in found] != list(step.expected):
            raise CommandFailed(_difference(step, found, "and nothing else"))

    def _phrase(self, seen: Seen) -> str:
        """What was said, without what is another every day: ids are numbers here."""
        match seen.data:
            case NoteCreated(note_id=id_) | NoteAppended(note_id=id_):
                ids = note_ids(self.seen, seen.key)
            case MessageAccepted(message_id=id_) | MessageStatusChanged(message_id=id_):
                ids = _reply_ids(self.seen, seen.key)
            case _:
                return seen.said.phrase
        number = ids.index(id_) + 1 if id_ in ids else None
        phrase = seen.said.phrase.replace(short_id(id_), f"#{number}", 1)
        # Its status is the answer's, or none in particular if the first receipt was faster.
        return phrase.partition(":")[0] if isinstance(seen.data, MessageAccepted) else phrase


def _says_queued(seen: Seen) -> bool:
    """Whether a receipt says what the answer to the POST says too: it counts if it was faster."""
    return isinstance(seen.data, MessageStatusChanged) and seen.data.status == "queued"


def _reply_ids(seen: Iterable[Seen], conversation_id: str) -> list[str]:
    """The replies of a conversation, in the order in which they were recorded."""
    data = [each.data for each in seen if each.key == conversation_id]
    recorded = [event for event in data if isinstance(event, MessageRecorded)]
    return [event.message_id for event in recorded if event.direction == "outbound"]


def _place(seen: Seen) -> tuple[int, bool, int]:
    version = seen.data.version if seen.data else 0
    return version, seen.topic == _ANSWERED_LATER, FOLLOWED.index(seen.topic)


def _difference(step: Step, found: list[Seen], how: str) -> str:
    wanted = "\n".join(f"    {phrase}" for phrase in step.expected)
    return (
        f"“{step.told}”: this should have come {how}:\n{wanted or '    (nothing)'}\n"
        f"  and this came:\n{_listed(found) or '    (nothing)'}"
    )


def _listed(seen: list[Seen]) -> str:
    return "\n".join(f"    {line(each.said, None).plain.strip()}" for each in seen)
