"""Records as the libraries of other services write them: data as bytes, and no time at all."""

from base64 import b64encode

import msgspec

from tests.harness.input_events import Event, channel, command, message, user
from tests.harness.topics import ReadRecord, Topics
from tests.harness.worker import Worker

NO_TIMESTAMP = -1
CONTACT = "whatsapp:+4911"


async def publish(topics: Topics, event: Event, *, encoded: bool = False) -> None:
    """Publish an event without a time in a record without a timestamp.

    `encoded` says whether its data are in `data_base64`.
    """
    envelope = msgspec.json.decode(event.value)
    del envelope["time"]
    if encoded:
        data = msgspec.json.encode(envelope.pop("data"))
        envelope["data_base64"] = b64encode(data).decode()
    value = msgspec.json.encode(envelope)
    await topics.publish_raw(event.topic, value, event.key.encode(), timestamp=NO_TIMESTAMP)


async def recorded(topics: Topics, versions: int) -> list[ReadRecord]:
    """Wait for so many events on the log, and return them."""
    return await topics.read_until("conversations", versions)


async def test_data_in_base64_and_events_without_a_time_are_applied(
    topics: Topics, worker: Worker
) -> None:
    await topics.publish(channel("whatsapp:+1"), user("ana"))
    await publish(topics, message(CONTACT, provider_message_id="SM1"), encoded=True)
    await publish(topics, message(CONTACT, provider_message_id="SM2", historical=True))
    log = await recorded(topics, 3)
    assert [read.data["provider_message_id"] for read in log[1:]] == ["SM1", "SM2"]

    await topics.publish(user("ana"))
    await publish(topics, command("close", CONTACT, "ana", id="close-1"))
    [result] = await topics.read_until("results", 1)
    assert (result.kind, result.data["command_id"]) == ("command.accepted", "close-1")
    assert (await recorded(topics, 4))[-1].kind == "conversation.closed"
    assert await topics.read("dead-letters") == []
