"""What topics tell of commands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from db.commands import Outcome
from schemas.fields import AccountId
from tests.harness.input_events import Event, command, event
from workers.api.commands.listener import COMMAND_TOPICS, RESULTS, CommandsListener
from workers.api.commands.unapplied import UnappliedCommands
from workers.api.commands.waiting import WaitingRequests

KEY = (AccountId("acme"), "c1")
MARIA = "whatsapp:+4911"


@dataclass
class Record:
    """A record as a consumer returns it."""

    value: bytes | None
    offset: int = 7
    topic: str = "inbox.topic"
    partition: int = 1
    timestamp: int = 0
    timestamp_type: int = 0
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


def result(type_: str, **fields: Any) -> bytes:
    data = {
        "account_id": "acme",
        "conversation_id": "x",
        "version": 4,
        "command_id": "c1",
        "command_type": "inbox.conversation.close.v1",
    } | fields
    return event(f"command.{type_}", data, key="x").value


def listener() -> tuple[CommandsListener, WaitingRequests, UnappliedCommands]:
    waiting, unapplied = WaitingRequests(), UnappliedCommands()
    return CommandsListener(waiting, unapplied), waiting, unapplied


def test_the_topics_of_all_commands_are_followed() -> None:
    assert set(COMMAND_TOPICS) == {"messages.send", "assignments", "lifecycle", "links"}


async def test_a_result_reaches_the_request_that_waits() -> None:
    hears, waiting, _ = listener()
    rejected = result("rejected", code="stale_version")
    for value, outcome in (
        (result("accepted"), Outcome("accepted", 4)),
        (rejected, Outcome("stale_version", 4)),
    ):
        with waiting.result_of(KEY) as waits:
            hears.take(RESULTS, [Record(result("accepted", command_id="c2")), Record(value)])
            assert waits.result() == outcome


async def test_a_command_is_kept_until_its_record_is_applied() -> None:
    hears, _, unapplied = listener()
    close: Event = command("close", MARIA, "ana", id="c1")
    hears.take("lifecycle", [Record(close.value)])
    assert KEY in unapplied
    unapplied.forget_applied({("inbox.topic", 1): 7})
    assert KEY in unapplied
    unapplied.forget_applied({("inbox.topic", 1): 8})
    assert KEY not in unapplied


async def test_what_a_worker_dead_letters_is_no_command() -> None:
    hears, _, unapplied = listener()
    envelope = msgspec.json.decode(command("close", MARIA, "ana", id="c1").value)
    for value in (None, b"{", msgspec.json.encode(envelope | {"data": {}})):
        hears.take("lifecycle", [Record(value)])
    hears.take("assignments", [Record(command("close", MARIA, "ana").value)])
    assert len(unapplied) == 0


async def test_the_commands_are_read_again_from_a_new_place() -> None:
    hears, _, unapplied = listener()
    assert not hears.ready.is_set()
    hears.take("lifecycle", [Record(command("close", MARIA, "ana", id="c1").value)])
    hears.placed()
    assert hears.ready.is_set()
    assert KEY not in unapplied
