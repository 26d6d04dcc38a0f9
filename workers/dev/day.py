"""Plays the sales day, step by step, and holds what comes out against what must."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, assert_never
from uuid import UUID

from rich.console import Console
from rich.text import Text

from schemas.commands import ConversationAssign, ConversationClose
from schemas.fields import ConversationId, UserId
from schemas.ids import conversation_id
from workers.dev.directory import AccountDirectory
from workers.dev.publish import Publisher
from workers.dev.story import (
    ACCOUNT,
    CHANNEL,
    CONTACTS,
    STORY,
    Act,
    Assigns,
    Closes,
    Forges,
    Leaves,
    Repeats,
    Step,
    Writes,
)
from workers.dev.webhook import Form, Webhook, whatsapp_form
from workers.errors import CommandFailed
from workers.follow import FOLLOWED, Follower, Seen
from workers.readable import line

STEP_SECONDS = 30.0
"""An event takes milliseconds; more than so long, and it does not come."""

TAKEN, FORBIDDEN = 204, 403


class Day:
    """One day, with contacts of its own: a kept inbox knows those of the days before."""

    def __init__(
        self,
        *,
        console: Console,
        follower: Follower,
        webhook: Webhook,
        publisher: Publisher,
        directory: AccountDirectory,
        check: Callable[[], None],
        auth_token: str,
    ) -> None:
        self._console = console
        self._follower = follower
        self._webhook = webhook
        self._publisher = publisher
        self._directory = directory
        self._check = check
        self._auth_token = auth_token
        self._addresses = {
            name: f"whatsapp:+49151{secrets.randbelow(10**8):08d}" for name in CONTACTS
        }
        self.names = {self._conversation(name): name for name in CONTACTS}
        """The contact of each conversation of the day."""
        self.seen: list[Seen] = []
        """Every event of the day."""
        self._last_forms: dict[str, Form] = {}
        self._before_last_message: dict[str, datetime] = {}

    def _conversation(self, contact: str) -> ConversationId:
        return conversation_id(ACCOUNT, CHANNEL, self._addresses[contact])

    async def play(self) -> None:
        """Play it all. Raises CommandFailed as soon as something is not as it must be."""
        for step in STORY:
            self._console.print(Text(step.told, style="bold"))
            await self._act(step.act)
            self._show(step, await self._await_events(step))
        if strays := self._of_the_day(await self._follower.rest()):
            raise CommandFailed(f"events that nothing should have caused:\n{_listed(strays)}")

    async def _act(self, act: Act) -> None:
        match act:
            case Writes(contact, body, picture):
                self._before_last_message[contact] = datetime.now(UTC)
                address = self._addresses[contact]
                form = whatsapp_form(address, contact, body, picture=picture)
                self._last_forms[contact] = form
                await self._post(form, self._auth_token, TAKEN)
            case Repeats(contact):
                await self._post(self._last_forms[contact], self._auth_token, TAKEN)
            case Forges(contact):
                address = self._addresses[contact]
                form = whatsapp_form(address, contact, "Pay me instead", picture=False)
                await self._post(form, "not the token", FORBIDDEN)
            case Assigns(actor_id, contact, assignee_id):
                assign = ConversationAssign(
                    **self._command(actor_id, contact), assignee_id=UserId(assignee_id)
                )
                await self._publisher.publish(assign, datetime.now(UTC))
            case Closes(actor_id, contact, before_last_message):
                close = ConversationClose(**self._command(actor_id, contact))
                now = datetime.now(UTC)
                issued_at = self._before_last_message[contact] if before_last_message else now
                await self._publisher.publish(close, issued_at)
            case Leaves(user_id):
                await self._directory.leave(user_id)
            case _:
                assert_never(act)

    async def _post(self, form: Form, auth_token: str, wanted: int) -> None:
        status = await self._webhook.post(form, auth_token)
        if status != wanted:
            raise CommandFailed(f"the webhook answered {status}, not {wanted}")

    def _command(self, actor_id: str, contact: str) -> dict[str, Any]:
        """What commands have in common."""
        return {
            "account_id": ACCOUNT,
            "conversation_id": UUID(self._conversation(contact)),
            "actor_id": UserId(actor_id),
        }

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
            self._console.print(Text("  ").append_text(line(seen.said, name)))
        contact = getattr(step.act, "contact", None)
        foreign = [seen for seen in found if self.names[ConversationId(seen.key)] != contact]
        if foreign or [seen.said.phrase for seen in found] != list(step.expected):
            raise CommandFailed(_difference(step, found, "and nothing else"))


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
