"""Plays the sales day, step by step, and holds what comes out against what must."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from schemas.fields import ConversationId
from schemas.notes import NoteAppended, NoteCreated
from workers.dev.actors import Actors
from workers.dev.crm import note_ids
from workers.dev.story import STORY, Step
from workers.errors import CommandFailed
from workers.follow import FOLLOWED, Follower, Seen
from workers.readable import block, line, short_id

STEP_SECONDS = 30.0
"""An event takes milliseconds; more than so long, and it does not come."""


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
        """Without what else goes on, where Kafka is somebody's own."""
        return [each for each in seen if each.key in self.names]

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
        """What was said, with a note's number in place of its id, which is another every day."""
        if not isinstance(seen.data, NoteCreated | NoteAppended):
            return seen.said.phrase
        numbers = {id_: n for n, id_ in enumerate(note_ids(self.seen, seen.key), start=1)}
        shown = short_id(seen.data.note_id)
        return seen.said.phrase.replace(shown, f"#{numbers.get(seen.data.note_id)}", 1)


def _place(seen: Seen) -> tuple[int, int]:
    return seen.data.version if seen.data else 0, FOLLOWED.index(seen.topic)


def _difference(step: Step, found: list[Seen], how: str) -> str:
    wanted = "\n".join(f"    {phrase}" for phrase in step.expected)
    return (
        f"“{step.told}”: this should have come {how}:\n{wanted or '    (nothing)'}\n"
        f"  and this came:\n{_listed(found) or '    (nothing)'}"
    )


def _listed(seen: list[Seen]) -> str:
    return "\n".join(f"    {line(each.said, None).plain.strip()}" for each in seen)
