"""A conversation's life over the webhook: written, taken, closed, and reopened by its contact."""

import secrets
from typing import Any

import aiohttp
import asyncpg
import msgspec
from twilio.request_validator import RequestValidator

from domain.conversation import NOTHING, Conversation, Folded, fold
from schemas.catalog import STRUCT_OF
from schemas.conversations import ConversationEvent, Snapshot
from tests.harness.published import ACCOUNT, Event, channel, command, conversation, event, user
from tests.harness.topics import Bus, Read
from tests.harness.waiting import until
from tests.harness.worker import Worker

SENDER = "whatsapp:+14155238886"
MARIA, JONAS = "whatsapp:+4915112345678", "whatsapp:+4915187654321"
ACCOUNT_SID, AUTH_TOKEN = "AC00000000000000000000000000000000", "12345"
OFF, DESKTOP = {"desktop": False, "email": False}, {"desktop": True, "email": False}
BOTH = {"desktop": True, "email": True}


class Webhook:
    """Twilio's end of the webhook."""

    def __init__(self, worker: Worker) -> None:
        self._url = f"{worker.url}/twilio/inbound"
        self._signed_url = f"{worker.settings.public_url}/twilio/inbound"

    async def writes(self, contact: str, body: str) -> str:
        """Post a contact's message; its MessageSid."""
        message_sid = "SM" + secrets.token_hex(16)
        form = {
            "MessageSid": message_sid,
            "AccountSid": ACCOUNT_SID,
            "From": contact,
            "To": SENDER,
            "Body": body,
            "ProfileName": "Maria Souza",
            "NumMedia": "0",
        }
        signature = RequestValidator(AUTH_TOKEN).compute_signature(self._signed_url, form)
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                self._url, data=form, headers={"X-Twilio-Signature": signature}
            ) as response,
        ):
            assert response.status == 204
        return message_sid


def chooses(user_id: str, **settings: dict[str, bool]) -> Event:
    """A user's choice of notifications."""
    data = {"account_id": ACCOUNT, "user_id": user_id, "settings": settings}
    return event("user.notification_settings_changed", data, key=ACCOUNT)


async def seed(bus: Bus, owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Four users of different tastes and a channel, applied."""
    await bus.publish(
        channel(SENDER),
        user("ana"),
        user("bo"),
        user("cleo", inbox_access=False),
        user("dan"),
        chooses("bo", unassigned=BOTH, assigned_to_others=OFF, assignment=DESKTOP),
        chooses("cleo", unassigned=BOTH, assigned_to_others=BOTH, assigned_to_me=BOTH),
        chooses("dan", unassigned=OFF, assigned_to_others=DESKTOP, assigned_to_me=OFF),
    )

    async def applied() -> bool:
        # The last of them on the one partition that the account's events are on.
        dan = "SELECT settings->'assigned_to_others' FROM inbox.users WHERE user_id = 'dan'"
        found = await owner.fetchval(dan)
        return found is not None and msgspec.json.decode(found) == DESKTOP

    await until(applied, "the directory")


def told(read: Read) -> dict[str, tuple[str, list[str]]]:
    """Whom a notification names: the reason and the media of each."""
    return {who["user_id"]: (who["reason"], who["media"]) for who in read.data["recipients"]}


async def of(bus: Bus, topic: str, contact: str, count: int) -> list[Read]:
    """What a topic says of a contact's conversation, once there is so much of it."""
    key = conversation(contact).encode()

    def chosen(reads: list[Read]) -> list[Read]:
        return [read for read in reads if read.key == key]

    return chosen(await bus.read_until(topic, lambda reads: len(chosen(reads)) >= count))


async def test_a_contact_writes_is_answered_for_and_comes_back(
    bus: Bus, worker: Worker, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    webhook = Webhook(worker)
    await seed(bus, owner)

    first = await webhook.writes(MARIA, "Olá! 👋")
    (notified,) = await of(bus, "notifications", MARIA, 1)
    assert told(notified) == {
        "ana": ("unassigned", ["desktop"]),
        "bo": ("unassigned", ["desktop", "email"]),
    }
    assert notified.data["kind"] == "message"
    assert notified.data["contact_name"] == "Maria Souza"
    assert notified.data["message"]["preview"] == "Olá! 👋"
    assert (await section(owner, MARIA, "ana"), await section(owner, MARIA, "bo")) == (
        "unassigned",
        "unassigned",
    )

    await bus.publish(command("assign", MARIA, "ana", assignee_id="bo"))
    _, notified = await of(bus, "notifications", MARIA, 2)
    assert told(notified) == {"bo": ("assignment", ["desktop"])}
    assert (notified.data["kind"], notified.data["message"]) == ("assignment", None)

    await bus.publish(command("close", MARIA, "ana"))
    results = await of(bus, "results", MARIA, 2)
    assert [result.kind for result in results] == ["command.accepted"] * 2
    assert await section(owner, MARIA, "bo") == "closed"

    second = await webhook.writes(MARIA, "One more thing")
    third = await webhook.writes(JONAS, "Hello")
    log = await of(bus, "conversations", MARIA, 6)
    assert [(read.data["version"], read.kind) for read in log] == [
        (1, "conversation.created"),
        (2, "conversation.message_recorded"),
        (3, "conversation.assigned"),
        (4, "conversation.closed"),
        (5, "conversation.message_recorded"),
        (6, "conversation.reopened"),
    ]
    assert (log[-1].data["reason"], log[-1].data["actor_id"]) == ("inbound_message", None)
    assert await section(owner, MARIA, "bo") == "assigned_to_me"
    assert await section(owner, MARIA, "ana") == "assigned_to_others"
    *_, notified = await of(bus, "notifications", MARIA, 3)
    assert told(notified) == {
        "bo": ("assigned_to_me", ["desktop", "email"]),
        "dan": ("assigned_to_others", ["desktop"]),
    }

    await of(bus, "notifications", JONAS, 1)
    rows = await owner.fetch("SELECT provider_message_id, body FROM inbox.messages")
    assert {tuple(row) for row in rows} == {
        (first, "Olá! 👋"),
        (second, "One more thing"),
        (third, "Hello"),
    }
    assert await folded(bus) == await stored(owner)
    assert len(await bus.read("notifications")) == 4
    assert await bus.read("dead-letters") == []


async def section(owner: "asyncpg.Connection[asyncpg.Record]", contact: str, user_id: str) -> str:
    """The section of a contact's conversation, as a user sees it."""
    row = await owner.fetchrow(
        "SELECT account_id, conversation_id::text, channel_id, contact_address, status,"
        " assignee_id FROM inbox.conversations WHERE conversation_id = $1",
        conversation(contact),
    )
    assert row is not None
    return Conversation(**dict(row)).section(user_id)


async def folded(bus: Bus) -> dict[str, Folded]:
    """Every conversation as a consumer of the log alone knows it."""
    states: dict[str, Folded] = {}
    for read in await bus.read("conversations"):
        data: Any = msgspec.convert(read.data, STRUCT_OF[read.event["type"]])
        assert isinstance(data, ConversationEvent)
        key = data.conversation_id
        states[key] = fold(states.get(key, NOTHING), data)
    return states


async def stored(owner: "asyncpg.Connection[asyncpg.Record]") -> dict[str, Folded]:
    """Every conversation as the table has it."""
    rows = await owner.fetch(
        "SELECT conversation_id::text, version, message_count, status, assignee_id"
        " FROM inbox.conversations"
    )
    return {
        key: Folded(version, count, Snapshot(status, assignee_id))
        for key, version, count, status, assignee_id in rows
    }
