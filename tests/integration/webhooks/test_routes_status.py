"""The status webhook of a real worker: each callback becomes a receipt of its message."""

from urllib.parse import urlencode

from bench.mock_twilio.account import SID
from tests.harness.command import inbox
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT, conversation, event
from tests.harness.topics import ReadRecord, Topics
from tests.harness.twilio import CHANNELS, FORM_TYPE, Twilio
from tests.harness.waiting import until
from tests.harness.webhook_forms import install
from tests.harness.worker import Worker
from workers.settings import Settings

MID = "0190a719-ac96-7eb9-a837-cac215164834"
CONTACT = "whatsapp:+4915112345678"
READ = (
    "EventType=READ&SmsSid=SM00000000000000000000000000000003&SmsStatus=read&MessageStatus=read"
    "&ChannelToAddress=%2B4915112XXXXX&To=whatsapp%3A%2B4915112345678&ChannelPrefix=whatsapp"
    f"&MessageSid=SM00000000000000000000000000000003&AccountSid={SID}"
    "&From=whatsapp%3A%2B14155238886&ApiVersion=2010-04-01"
)


def callback(**fields: str) -> str:
    """A callback with the fields that every one has; `fields` are added or replaced."""
    usual = {
        "MessageSid": "SM00000000000000000000000000000004",
        "MessageStatus": "sent",
        "AccountSid": SID,
        "From": CHANNELS["wa1"],
        "To": CONTACT,
    }
    return urlencode(usual | fields)


async def receipts(topics: Topics, count: int) -> list[ReadRecord]:
    """Wait until the topic has so many receipts; all of them."""
    found = await topics.read_until("messages.status", count)
    assert len(found) == count
    return found


async def test_a_callback_is_a_receipt_of_its_message(
    callbacks: Twilio, topics: Topics, owner: Owner, worker: Worker
) -> None:
    await install(topics, owner, CHANNELS)
    assert await callbacks.post(READ, query=f"?mid={MID}&a=2") == 200
    [receipt] = await receipts(topics, 1)
    key = conversation(CONTACT, channel="wa1")
    assert receipt.key == key.encode()
    assert (receipt.event["subject"], receipt.kind) == (key, "message.status")
    assert receipt.data == {
        "account_id": ACCOUNT,
        "channel_id": "wa1",
        "conversation_id": key,
        "message_id": MID,
        "attempt": 2,
        "provider_message_id": "SM00000000000000000000000000000003",
        "status": "read",
        "error_code": None,
    }
    assert CONTACT not in worker.log.read_text()


async def test_callbacks_with_any_query_or_word_are_taken(
    callbacks: Twilio, topics: Topics, owner: Owner
) -> None:
    await install(topics, owner, {"wa1": CHANNELS["wa1"]})
    for query in ("", f"?mid={MID}&t=7", "?mid=none&a=none", "?x=%FF&&y"):
        assert await callbacks.post(callback(), query=query) == 200
    assert await callbacks.post(callback(MessageStatus="teleported")) == 200
    assert await callbacks.post(callback(MessageStatus="failed", ErrorCode="63016")) == 200
    found = [receipt.data for receipt in await receipts(topics, 6)]
    assert [data["status"] for data in found] == ["sent"] * 4 + ["teleported", "failed"]
    assert [data["message_id"] for data in found] == [None, MID, None, None, None, None]
    assert found[-1]["error_code"] == 63016
    # Twilio's repeats of one callback are one event.
    ids = [receipt.event["id"] for receipt in await topics.read("messages.status")]
    assert len(set(ids)) == 3


async def test_a_status_of_a_channel_that_was_removed_is_still_its(
    callbacks: Twilio, twilio: Twilio, topics: Topics, owner: Owner
) -> None:
    await install(topics, owner, {"wa1": CHANNELS["wa1"]})
    removal = {"account_id": ACCOUNT, "channel_id": "wa1"}
    await topics.publish(event("channel.removed", removal, key=ACCOUNT))

    async def removed() -> bool:
        return bool(await owner.fetchval("SELECT removed FROM inbox.channels"))

    await until(removed, "the removal")
    assert await callbacks.post(callback()) == 200
    [receipt] = await receipts(topics, 1)
    assert receipt.data["channel_id"] == "wa1"
    # An installed channel with the same address takes precedence.
    await topics.publish(event("channel.installed", _installed("wa2"), key=ACCOUNT))

    async def installed() -> bool:
        return bool(await owner.fetchval("SELECT count(*) = 2 FROM inbox.channels"))

    await until(installed, "the other channel")

    async def is_of_other() -> bool:
        assert await callbacks.post(callback(MessageStatus="delivered")) == 200
        found = await topics.read("messages.status")
        return any(receipt.data["channel_id"] == "wa2" for receipt in found)

    await until(is_of_other, "the other channel's receipt")


def _installed(channel_id: str) -> dict[str, str]:
    return {
        "account_id": ACCOUNT,
        "channel_id": channel_id,
        "provider": "whatsapp",
        "address": CHANNELS["wa1"],
        "name": "Sales",
        "installed_by": "ana",
    }


async def test_a_status_from_no_channel_waits_as_a_dead_letter_for_its_channel(
    callbacks: Twilio, topics: Topics, owner: Owner, settings: Settings
) -> None:
    query = f"?mid={MID}&a=3"
    assert await callbacks.post(READ, query=query) == 200
    [letter] = await topics.read_until("dead-letters", 1)
    assert (letter.key, letter.value) == (None, READ.encode())
    assert letter.header("dl_topic") == settings.topic("messages.status")
    headers = [letter.header(name) for name in ("dl_code", "dl_partition", "account_id", "query")]
    assert headers == ["unknown_channel", "-1", ACCOUNT, query[1:]]
    assert letter.header("content-type") == FORM_TYPE
    done = await inbox(settings, "dead-letters", "redrive", "--all")
    assert done.lines[-1] == "0 redriven, 0 skipped, 1 impossible"

    await install(topics, owner, {"wa1": CHANNELS["wa1"]})
    done = await inbox(settings, "dead-letters", "redrive", "--all")
    assert (done.status, done.lines[-1]) == (0, "1 redriven, 0 skipped, 0 impossible")
    # The event is the same as if the channel had been installed.
    assert await callbacks.post(READ, query=query) == 200
    first, second = await receipts(topics, 2)
    assert first.data == second.data
    assert (first.data["message_id"], first.data["attempt"]) == (MID, 3)
    assert (first.key, first.event["id"]) == (second.key, second.event["id"])
    assert first.event["time"][:19] == (letter.header("dl_at") or "")[:19]
