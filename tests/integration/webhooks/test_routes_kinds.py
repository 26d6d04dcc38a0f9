"""A form is what its fields say, at either path: receipts are receipts, messages are messages."""

from tests.harness.command import inbox
from tests.harness.inbox import Owner
from tests.harness.topics import Topics
from tests.harness.twilio import CHANNELS, SECRET, Twilio, form
from tests.harness.webhook_forms import WHATSAPP, install, messages
from tests.integration.webhooks.test_routes_status import MID, READ, callback
from workers.settings import Settings


async def test_a_receipt_at_the_path_of_messages_is_a_receipt(
    twilio: Twilio, topics: Topics, owner: Owner
) -> None:
    await install(topics, owner, CHANNELS)
    assert await twilio.post(READ, query=f"?mid={MID}&a=2") == 200
    assert await twilio.post(callback(MessageStatus="", SmsStatus="a new word")) == 200
    read, other = await topics.read_until("messages.status", 2)
    assert (read.data["status"], read.data["message_id"], read.data["attempt"]) == ("read", MID, 2)
    assert (other.data["status"], other.data["message_id"]) == ("a new word", None)
    assert await topics.read("messages.received") == []
    assert await owner.fetchval("SELECT count(*) FROM inbox.messages") == 0


async def test_a_message_at_the_path_of_receipts_is_a_message(
    twilio: Twilio, callbacks: Twilio, topics: Topics, owner: Owner
) -> None:
    await install(topics, owner, CHANNELS)
    assert await callbacks.post(WHATSAPP, query=f"?mid={MID}&a=2") == 204
    # Twilio's repeat to the right path is still the same message.
    assert await twilio.post(WHATSAPP) == 204
    assert await callbacks.post(form(SmsStatus="receiving")) == 204
    rows = await messages(owner, 2)
    assert [row["body"] for row in rows] == ["Olá, preço? 👍", SECRET]
    assert await topics.read("messages.status") == []


async def test_a_report_about_a_message_is_not_taken_for_it(
    twilio: Twilio, callbacks: Twilio, topics: Topics, owner: Owner
) -> None:
    await install(topics, owner, CHANNELS)
    sid = "SM00000000000000000000000000000009"
    report = callback(MessageStatus="received", MessageSid=sid, To=CHANNELS["wa1"], From="+1")
    # It is about a message that comes afterwards.
    assert await callbacks.post(report) == 200
    assert await twilio.post(form(MessageSid=sid)) == 204
    [row] = await messages(owner, 1)
    assert row["body"] == SECRET


async def test_dead_letters_of_both_are_redriven_to_where_they_belong(
    twilio: Twilio, callbacks: Twilio, topics: Topics, owner: Owner, settings: Settings
) -> None:
    assert await callbacks.post(WHATSAPP) == 204
    assert await twilio.post(READ) == 200
    letters = await topics.read_until("dead-letters", 2)
    assert {letter.header("dl_topic") for letter in letters} == {
        settings.topic("messages.received"),
        settings.topic("messages.status"),
    }
    await install(topics, owner, CHANNELS)
    done = await inbox(settings, "dead-letters", "redrive", "--all")
    assert (done.status, done.lines[-1]) == (0, "2 redriven, 0 skipped, 0 impossible")
    [row] = await messages(owner, 1)
    assert row["body"] == "Olá, preço? 👍"
    [receipt] = await topics.read_until("messages.status", 1)
    assert receipt.data["status"] == "read"
