"""Before a window closes while its contact waits for an answer, users are warned, once."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.harness.inbox import Inbox
from tests.harness.input_events import (
    ACCOUNT,
    CHANNEL,
    Event,
    command,
    conversation,
    event,
    reply,
    user,
)
from tests.harness.waiting import until
from tests.harness.windows import (
    HOUR,
    JONAS,
    MARIA,
    MINUTE,
    count,
    pass_time,
    warnings,
    written,
)

pytestmark = pytest.mark.seconds(35)

WARNED_ANA = [{"user_id": "ana", "reason": "unassigned", "media": ["desktop"]}]


async def log_of(inbox: Inbox, contact: str = MARIA) -> list[int]:
    """The versions of a conversation's events in the log."""
    key = conversation(contact)
    log = await inbox.read("conversations")
    return [read.data["version"] for read in log if read.data["conversation_id"] == key]


async def test_an_hour_before_a_window_closes_the_assignee_is_told(served: Inbox) -> None:
    await served.apply(user("bo"), written(body="Is it still for sale?", ago=22 * HOUR))
    await served.apply(command("assign", MARIA, "ana", assignee_id="bo"))
    await pass_time(served, HOUR)
    (warning,) = await warnings(served)
    assert warning.key == conversation(MARIA).encode()
    assert warning.data["recipients"] == [
        {"user_id": "bo", "reason": "assigned_to_me", "media": ["desktop", "email"]}
    ]
    recorded = await served.owner.fetchval("SELECT message_id::text FROM inbox.messages")
    assert warning.data["message"] == {"message_id": recorded, "preview": "Is it still for sale?"}
    assert warning.data["contact_name"] == "Ana"
    assert warning.data["inbox_url"].endswith(f"/conversations/{conversation(MARIA)}")
    # The warning is no change of the conversation.
    assert await log_of(served) == [1, 2, 3]
    assert warning.data["version"] == 3
    assert await count(served) == 0


async def test_those_are_told_of_an_unassigned_conversation_who_want_to_be(served: Inbox) -> None:
    off = {"unassigned": {"desktop": False, "email": False}}
    chosen = {"account_id": ACCOUNT, "user_id": "bo", "settings": off}
    changed = event("user.notification_settings_changed", chosen, key=ACCOUNT)
    await served.apply(user("bo"), user("cy", inbox_access=False), changed)
    await served.apply(written(ago=23 * HOUR + MINUTE), written("messenger:1", ago=23.5 * HOUR))
    found = {read.data["conversation_id"]: read.data for read in await warnings(served)}
    assert found.keys() == {conversation(MARIA), conversation("messenger:1")}
    assert [data["recipients"] for data in found.values()] == [WARNED_ANA] * 2


async def test_a_window_is_told_of_when_its_last_hour_begins_and_not_before(served: Inbox) -> None:
    sent_at = datetime.now(UTC) - 23 * HOUR + timedelta(seconds=4)
    await served.apply(written(sent_at=sent_at))

    async def is_warned() -> bool:
        return await count(served) == 0

    await until(is_warned, "the warning")
    (warning,) = await warnings(served)
    assert datetime.fromisoformat(warning.event["time"]) >= sent_at + 23 * HOUR


@pytest.mark.parametrize(
    "then",
    [
        reply(MARIA, "I'll call you"),
        command("close", MARIA, "ana", time=datetime.now(UTC) + 24 * HOUR),
        command("delete", MARIA, "ana"),
    ],
    ids=["reply", "close", "delete"],
)
async def test_nobody_is_told_where_nobody_waits(served: Inbox, then: Event) -> None:
    await served.apply(written(MARIA, ago=22 * HOUR), written(JONAS, ago=22 * HOUR))
    assert await count(served) == 2
    await served.apply(then)
    assert (await served.read("results"))[-1].kind == "command.accepted"
    await pass_time(served, 1.5 * HOUR)
    (warning,) = await warnings(served)
    assert warning.data["conversation_id"] == conversation(JONAS)
    assert await count(served) == 0


async def test_sms_imports_and_what_is_long_past_have_nobody_told(served: Inbox) -> None:
    await served.apply(
        written("+4933", ago=23.5 * HOUR),
        written("whatsapp:+4944", ago=23.5 * HOUR, historical=True),
        written("whatsapp:+4955", ago=24 * HOUR),
    )
    assert await count(served) == 0
    # An import moves the end of a window, but does not make it watched.
    await served.apply(written(MARIA, ago=23.5 * HOUR), written(JONAS, ago=22.5 * HOUR))
    await served.apply(written(JONAS, ago=HOUR, historical=True))
    await pass_time(served, HOUR / 4)
    (warning,) = await warnings(served)
    assert warning.data["conversation_id"] == conversation(MARIA)
    await pass_time(served, HOUR / 2)
    assert len(await warnings(served)) == 1
    assert await count(served, f"conversation_id = '{conversation(JONAS)}'") == 1


async def test_a_contact_who_writes_again_moves_the_warning(served: Inbox) -> None:
    await served.apply(written(ago=22 * HOUR), written(body="Hello?" * 30, ago=MINUTE))
    await pass_time(served, 1.5 * HOUR)
    assert await warnings(served) == []
    moved = (
        "SELECT w.check_at = c.window_until - '1 hour'::interval AND w.check_at > now()"
        " FROM inbox.windows AS w JOIN inbox.conversations AS c USING (conversation_id)"
    )
    assert await served.owner.fetchval(moved)
    await pass_time(served, 22 * HOUR)
    (warning,) = await warnings(served)
    assert warning.data["message"]["preview"] == ("Hello?" * 30)[:139] + "…"


@pytest.mark.parametrize(
    ("body", "media", "preview"),
    [
        (" ", [{"url": "u", "content_type": "image/png"}], "image/png"),
        ("\u200b", [], "Form: a: b"),
        (" " * 200 + "Hello", [], "Form: a: b"),
        ("Hi", [{"url": "u", "content_type": "image/png"}], "Hi"),
    ],
    ids=ascii,
)
async def test_a_warning_shows_what_the_notification_of_the_message_showed(
    served: Inbox, body: str, media: list[dict[str, str]], preview: str
) -> None:
    context = {"form": {"a": "b"}}
    await served.apply(written(body=body, ago=23.5 * HOUR, media=media, context=context))
    assert len(await warnings(served)) == 1
    shown = [read.data["message"]["preview"] for read in await served.read("notifications")]
    assert shown == [preview, preview]


async def test_a_window_is_told_of_once_and_the_next_one_again(served: Inbox) -> None:
    await served.apply(written(ago=23.5 * HOUR))
    assert len(await warnings(served)) == 1
    # A message that comes late, and does not move the end of the window.
    await served.apply(written(ago=23.6 * HOUR))
    assert await count(served) == 0
    assert len(await warnings(served)) == 1
    await served.apply(written(ago=22.5 * HOUR))
    await pass_time(served, HOUR)
    first, second = await warnings(served)
    assert first.event["id"] != second.event["id"]
    assert first.event["causationid"] != second.event["causationid"]


async def test_of_two_conversations_that_became_one_the_older_is_told_of(served: Inbox) -> None:
    await served.apply(written(MARIA, ago=2 * HOUR), written(JONAS, ago=HOUR))
    both = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": "SM-both",
        "contact": {"address": JONAS, "identities": [MARIA]},
        "body": "It is me",
        "sent_at": datetime.now(UTC),
    }
    await served.apply(event("message.received", both, key=conversation(JONAS)))
    assert await count(served) == 2
    await pass_time(served, 23.5 * HOUR)
    (warning,) = await warnings(served)
    assert warning.data["conversation_id"] == conversation(MARIA)
    assert warning.data["message"]["preview"] == "It is me"
