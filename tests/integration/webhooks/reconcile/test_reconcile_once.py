"""`inbox reconcile` publishes the messages that Twilio has and the inbox lacks, once."""

import asyncio
from datetime import datetime

from bench.mock_twilio import MockTwilio
from schemas.fields import AccountId, ChannelId
from schemas.ids import inbound_message_id
from tests.harness.command import inbox
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT, channel, command, conversation, user
from tests.harness.reconcile import CONTACT, OTHER, SINCE, WA1, add_missed, ago, ended
from tests.harness.topics import Topics
from tests.harness.twilio import SECRET, Twilio, form
from tests.harness.waiting import until
from tests.harness.webhook_forms import install, messages
from tests.harness.worker import Worker
from workers.settings import Settings


async def test_a_missed_message_is_published_and_recorded_once(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner, mock: MockTwilio
) -> None:
    await topics.publish(user("ana"))
    await install(topics, owner, {"wa1": WA1})
    sent_at = ago(hours=1)
    sid = add_missed(mock, body=f"{SECRET} \0 Olá 👍", date_sent=sent_at)
    done = await inbox(settings, "reconcile", *SINCE)

    assert ended(done) == (0, [])
    assert done.lines == [
        "acme/wa1  listed 1  recorded 0  published 1  left alone 0",
        "1 of 1 channels  listed 1  recorded 0  published 1  left alone 0",
    ]
    [record] = await topics.read("messages.received")
    event, data = record.event, record.data
    assert record.key == event["subject"].encode() == conversation(CONTACT).encode()
    assert event["source"] == "/inbox/reconcile"
    assert event["id"] == inbound_message_id(AccountId(ACCOUNT), ChannelId("wa1"), sid)
    assert datetime.fromisoformat(data["sent_at"]) == sent_at
    assert data["contact"]["name"] is None
    assert (data["provider_message_id"], data["historical"]) == (sid, False)

    [row] = await messages(owner, 1)
    assert (row["provider_message_id"], row["sent_at"]) == (sid, sent_at)
    assert (row["body"], row["sender_address"]) == (f"{SECRET} \ufffd Olá 👍", CONTACT)
    # It is a message of today, so users are notified.
    assert await topics.read_until("notifications", 1)

    again = await inbox(settings, "reconcile", *SINCE)
    assert again.lines[0] == "acme/wa1  listed 1  recorded 1  published 0  left alone 0"
    assert len(await topics.read("messages.received")) == 1
    assert SECRET not in done.out + again.out


async def test_what_came_by_webhook_or_was_deleted_is_not_published(
    settings: Settings, topics: Topics, twilio: Twilio, owner: Owner, mock: MockTwilio
) -> None:
    await topics.publish(user("ana"))
    await install(topics, owner, {"wa1": WA1})
    assert await twilio.post(form(From=CONTACT, MessageSid=add_missed(mock))) == 204
    assert await twilio.post(form(From=OTHER, MessageSid=add_missed(mock, OTHER))) == 204
    await messages(owner, 2)
    await topics.publish(command("delete", OTHER, "ana"))
    await topics.read_until("results", 1)
    await messages(owner, 1)

    done = await inbox(settings, "reconcile", *SINCE)
    assert ended(done) == (0, [])
    assert done.lines[0] == "acme/wa1  listed 2  recorded 2  published 0  left alone 0"
    assert len(await topics.read("messages.received")) == 2


async def test_what_an_older_channel_recorded_is_not_published_for_the_one_that_has_its_address_now(
    settings: Settings, topics: Topics, twilio: Twilio, owner: Owner, mock: MockTwilio
) -> None:
    await install(topics, owner, {"wa1": WA1})
    assert await twilio.post(form(From=CONTACT, MessageSid=add_missed(mock))) == 204
    await messages(owner, 1)
    missed = add_missed(mock)
    await topics.publish(channel(WA1, channel_id="wa2"))

    async def installed() -> bool:
        return bool(await owner.fetchval("SELECT count(*) = 2 FROM inbox.channels"))

    await until(installed, "a second channel")
    done = await inbox(settings, "reconcile", *SINCE)

    assert ended(done) == (0, [])
    assert done.lines[0] == "acme/wa2  listed 2  recorded 1  published 1  left alone 0"
    rows = await messages(owner, 2)
    channels = {row["provider_message_id"]: row["channel_id"] for row in rows}
    assert channels[missed] == "wa2"


async def test_webhooks_that_arrive_meanwhile_are_recorded_once(
    settings: Settings, topics: Topics, twilio: Twilio, owner: Owner, mock: MockTwilio
) -> None:
    await install(topics, owner, {"wa1": WA1})
    sids = [add_missed(mock, f"whatsapp:+49{number % 5}") for number in range(20)]
    bodies = [
        form(From=f"whatsapp:+49{number % 5}", MessageSid=sid) for number, sid in enumerate(sids)
    ]
    runs = [inbox(settings, "reconcile", *SINCE) for _ in range(2)]
    answers, runs_ended = await asyncio.gather(
        asyncio.gather(*map(twilio.post, bodies)), asyncio.gather(*runs)
    )

    assert answers == [204] * 20
    assert list(map(ended, runs_ended)) == [(0, [])] * 2
    assert [row["provider_message_id"] for row in await messages(owner, 20)] == sorted(sids)
    published = len(await topics.read("messages.received"))

    async def applied() -> bool:
        query = "SELECT sum(next_offset) FROM inbox.positions WHERE topic = $1"
        topic = settings.topic("messages.received")
        return bool(await owner.fetchval(query, topic) == published)

    await until(applied, "all that was published")
    assert len(await messages(owner, 20)) == 20
