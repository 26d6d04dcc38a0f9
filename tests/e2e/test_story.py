"""The life of a conversation: a contact writes, users assign and close it, the contact returns."""

import secrets

import aiohttp
import asyncpg
import msgspec
from twilio.request_validator import RequestValidator

from domain.conversation import Conversation
from tests.harness.conversation_states import folded, stored
from tests.harness.input_events import ACCOUNT, Event, channel, command, conversation, event, user
from tests.harness.topics import ReadRecord, Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker

SENDER = "whatsapp:+14155238886"
MARIA, JONAS = "whatsapp:+4915112345678", "whatsapp:+4915187654321"
ACCOUNT_SID, AUTH_TOKEN = "AC00000000000000000000000000000000", "12345"
OFF, DESKTOP = {"desktop": False, "email": False}, {"desktop": True, "email": False}
BOTH = {"desktop": True, "email": True}


class Webhook:
    """Posts to the inbound webhook in place of Twilio."""

    def __init__(self, worker: Worker) -> None:
        self._url = f"{worker.url}/twilio/inbound"
        self._signed_url = f"{worker.settings.public_url}/twilio/inbound"

    async def post(self, contact: str, body: str) -> str:
        """Post a contact's message, and return its MessageSid."""
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
    """Returns a user's choice of notifications."""
    data = {"account_id": ACCOUNT, "user_id": user_id, "settings": settings}
    return event("user.notification_settings_changed", data, key=ACCOUNT)


async def seed(topics: Topics, owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Publish a channel and four users with different settings, and wait until they are applied."""
    await topics.publish(
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
        # All events of the account are on one partition, and this is the last of them.
        dan = "SELECT settings->'assigned_to_others' FROM inbox.users WHERE user_id = 'dan'"
        found = await owner.fetchval(dan)
        return found is not None and msgspec.json.decode(found) == DESKTOP

    await until(applied, "the directory")


def notified_users(read: ReadRecord) -> dict[str, tuple[str, list[str]]]:
    """Returns the reason and the media of each recipient of a notification."""
    return {who["user_id"]: (who["reason"], who["media"]) for who in read.data["recipients"]}


async def of(topics: Topics, topic: str, contact: str, count: int) -> list[ReadRecord]:
    """Wait for so many records of a contact's conversation, and return them."""
    key = conversation(contact).encode()

    def chosen(reads: list[ReadRecord]) -> list[ReadRecord]:
        return [read for read in reads if read.key == key]

    return chosen(await topics.read_until(topic, lambda reads: len(chosen(reads)) >= count))


async def test_a_contact_writes_is_answered_for_and_comes_back(
    topics: Topics, worker: Worker, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    webhook = Webhook(worker)
    await seed(topics, owner)

    first = await webhook.post(MARIA, "Olá! 👋")
    (notified,) = await of(topics, "notifications", MARIA, 1)
    assert notified_users(notified) == {
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

    await topics.publish(command("assign", MARIA, "ana", assignee_id="bo"))
    _, notified = await of(topics, "notifications", MARIA, 2)
    assert notified_users(notified) == {"bo": ("assignment", ["desktop"])}
    assert (notified.data["kind"], notified.data["message"]) == ("assignment", None)

    await topics.publish(command("close", MARIA, "ana"))
    results = await of(topics, "results", MARIA, 2)
    assert [result.kind for result in results] == ["command.accepted"] * 2
    assert await section(owner, MARIA, "bo") == "closed"

    second = await webhook.post(MARIA, "One more thing")
    third = await webhook.post(JONAS, "Hello")
    log = await of(topics, "conversations", MARIA, 6)
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
    *_, notified = await of(topics, "notifications", MARIA, 3)
    assert notified_users(notified) == {
        "bo": ("assigned_to_me", ["desktop", "email"]),
        "dan": ("assigned_to_others", ["desktop"]),
    }

    await of(topics, "notifications", JONAS, 1)
    rows = await owner.fetch("SELECT provider_message_id, body FROM inbox.messages")
    assert {tuple(row) for row in rows} == {
        (first, "Olá! 👋"),
        (second, "One more thing"),
        (third, "Hello"),
    }
    assert await folded(topics) == await stored(owner)
    assert len(await topics.read("notifications")) == 4
    assert await topics.read("dead-letters") == []


async def section(owner: "asyncpg.Connection[asyncpg.Record]", contact: str, user_id: str) -> str:
    """Returns the section in which a user sees a contact's conversation."""
    row = await owner.fetchrow(
        "SELECT account_id, conversation_id::text, channel_id, contact_address, status,"
        " assignee_id FROM inbox.conversations WHERE conversation_id = $1",
        conversation(contact),
    )
    assert row is not None
    return Conversation(**dict(row)).section(user_id)
