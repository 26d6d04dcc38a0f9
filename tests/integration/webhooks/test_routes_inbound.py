"""The inbound webhook of a real worker: each signed message is recorded once."""

import asyncio
import json

from tests.harness.command import inbox
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT, conversation
from tests.harness.topics import Topics
from tests.harness.twilio import CHANNELS, FORM_TYPE, SECRET, Twilio, form
from tests.harness.webhook_forms import MESSENGER, SMS, WHATSAPP, install, messages
from tests.harness.worker import Worker
from workers.settings import Settings


async def test_sms_whatsapp_and_messenger_become_messages(
    twilio: Twilio, topics: Topics, owner: Owner, worker: Worker
) -> None:
    await install(topics, owner, CHANNELS)
    for body in (SMS, WHATSAPP, MESSENGER):
        assert await twilio.post(body) == 204

    rows = await messages(owner, 3)
    assert [(row["channel_id"], row["sender_address"], row["sender_name"]) for row in rows] == [
        ("sms1", "+16505551111", None),
        ("wa1", "whatsapp:+4915112345678", "Ana Müller 👋"),
        ("fb1", "messenger:27456897512", None),
    ]
    assert [row["body"] for row in rows] == [
        "you got it! 3",
        "Olá, preço? 👍",
        "is this still available?",
    ]
    for row in rows:
        contact = row["sender_address"]
        derived = conversation(contact, channel=row["channel_id"])
        assert str(row["conversation_id"]) == derived
        assert (row["account_id"], row["direction"], row["historical"]) == (
            ACCOUNT,
            "inbound",
            False,
        )
    for record in await topics.read("messages.received"):
        assert record.key == record.event["subject"].encode()
    written = worker.log.read_text()
    assert "still available" not in written
    assert "+4915112345678" not in written


async def test_media_are_kept_and_an_empty_body_too(
    twilio: Twilio, topics: Topics, owner: Owner
) -> None:
    await install(topics, owner, {"wa1": CHANNELS["wa1"]})
    photo, voice = "https://api.example.com/media/1", "https://api.example.com/media/2"
    body = form(
        Body="",
        NumMedia="2",
        MediaUrl0=photo,
        MediaContentType0="image/jpeg",
        MediaUrl1=voice,
        MediaContentType1="audio/ogg",
        MediaUrl2="https://api.example.com/media/not-counted",
    )
    assert await twilio.post(body) == 204
    [row] = await messages(owner, 1)
    assert row["body"] == ""
    assert json.loads(row["files"]) == [
        {"url": photo, "content_type": "image/jpeg"},
        {"url": voice, "content_type": "audio/ogg"},
    ]


async def test_repeats_are_one_message(twilio: Twilio, topics: Topics, owner: Owner) -> None:
    await install(topics, owner, {"wa1": CHANNELS["wa1"]})
    # First a retry of Twilio, which has another query; then many at once.
    assert await twilio.post(WHATSAPP, query="?attempt=1") == 204
    assert await asyncio.gather(*(twilio.post(WHATSAPP) for _ in range(10))) == [204] * 10
    await twilio.post(form())

    assert [row["body"] for row in await messages(owner, 2)] == ["Olá, preço? 👍", SECRET]
    assert len(await topics.read("messages.received")) == 12
    assert len(await topics.read_until("conversations", 4)) == 4


async def test_a_message_to_no_channel_waits_as_a_dead_letter_for_its_channel(
    twilio: Twilio, topics: Topics, owner: Owner, settings: Settings, worker: Worker
) -> None:
    assert await twilio.post(WHATSAPP) == 204
    [letter] = await topics.read_until("dead-letters", 1)
    assert letter.value == WHATSAPP.encode()
    assert letter.key is None
    assert letter.header("content-type") == FORM_TYPE
    assert letter.header("account_id") == ACCOUNT
    assert letter.header("dl_code") == "unknown_channel"
    assert letter.header("dl_partition") == "-1"
    assert letter.header("dl_topic") == settings.topic("messages.received")
    place = f"{letter.partition}:{letter.offset}"

    for arguments in ([place], ["--all"], ["--code", "unknown_channel", "--dry-run"]):
        done = await inbox(settings, "dead-letters", "redrive", *arguments)
        assert done.status == 1, done.err
        assert done.lines == [
            f"{place} impossible: still no channel of account {ACCOUNT} has the address in To",
            "0 redriven, 0 skipped, 1 impossible",
        ]

    await install(topics, owner, {"wa1": CHANNELS["wa1"]})
    done = await inbox(settings, "dead-letters", "redrive", "--all")
    assert (done.status, done.lines[-1]) == (0, "1 redriven, 0 skipped, 0 impossible")
    [row] = await messages(owner, 1)
    assert row["body"] == "Olá, preço? 👍"
    assert row["sent_at"].isoformat() == letter.header("dl_at")
    done = await inbox(settings, "dead-letters", "redrive", "--all")
    assert (done.status, done.lines[-1]) == (0, "0 redriven, 1 skipped, 0 impossible")

    # Redriven again, and posted by Twilio again: it is still one message.
    done = await inbox(settings, "dead-letters", "redrive", "--all", "--again")
    assert done.lines[-1] == "1 redriven, 0 skipped, 0 impossible"
    assert await twilio.post(WHATSAPP) == 204
    assert await twilio.post(form()) == 204
    await messages(owner, 2)
    assert len(await topics.read("messages.received")) == 4
    assert "+4915112345678" not in worker.log.read_text()
