"""`inbox reconcile` publishes what Twilio has and the inbox has not, once."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from db.directory import save_channels
from domain.directory import Channel
from schemas.fields import AccountId, ChannelId, UserId
from schemas.ids import inbound_message_id
from tests.bus import Bus
from tests.command import Completed, inbox, run
from tests.events import ACCOUNT, channel, command, conversation, user
from tests.inbound import Owner, install, messages
from tests.mock_twilio import Fault, MockTwilio, Planted
from tests.mock_twilio.server import ACCOUNTS
from tests.twilio import CHANNELS, SECRET, SID, TOKEN, Twilio, form
from tests.waiting import until
from tests.worker import Worker
from workers.dev.provider.messages import Message, now
from workers.dev.provider.server import Account
from workers.setting_values import TwilioAccount
from workers.settings import Settings
from workers.twilio_client import PAGE_MESSAGES

CONTACT, OTHER = "whatsapp:+4911", "whatsapp:+4922"
WA1, FB1 = CHANNELS["wa1"], CHANNELS["fb1"]
SINCE = ("--since", "2h")
OTHER_SID, OTHER_ACCOUNT = "AC" + "1" * 32, AccountId("globex")


def ago(**age: int) -> datetime:
    """The time so long ago, in whole seconds as Twilio has it."""
    return now() - timedelta(**age)


@pytest.fixture
async def mock() -> AsyncIterator[MockTwilio]:
    """Twilio, with a second account that has the same token."""
    async with MockTwilio(ACCOUNTS | {OTHER_SID: Account(auth_token=TOKEN)}) as mock:
        yield mock


@pytest.fixture
async def settings(settings: Settings, mock: MockTwilio) -> Settings:
    """Settings that name the mock."""
    return replace(settings, twilio_api_url=mock.url)


@pytest.fixture
def plant(mock: MockTwilio) -> Callable[..., str]:
    """Lets the list have a contact's message of an hour ago; its sid."""

    def plant(contact: str = CONTACT, to: str = WA1, **fields: Any) -> str:
        given: dict[str, Any] = {"body": SECRET, "date_sent": ago(hours=1)} | fields
        return mock.plant(Planted(from_=contact, to=to, **given)).sid

    return plant


Plant = Callable[..., str]


async def have(
    owner: Owner, channels: dict[str, str], account: str = ACCOUNT, *, removed: bool = False
) -> None:
    """Have channels, without a worker; of two with one address the last one is the newer."""
    await save_channels(
        owner,
        [
            Channel(
                account_id=AccountId(account),
                channel_id=ChannelId(channel_id),
                provider="whatsapp",
                address=address,
                name="Sales",
                installed_by=UserId("ana"),
                removed=removed,
            )
            for channel_id, address in channels.items()
        ],
        datetime.now(UTC),
    )


def ended(done: Completed) -> tuple[int, list[str]]:
    """The exit status and what the command itself says on stderr.

    Kafka's client warns there of partitions of a new topic whose leader it does not know yet.
    """
    own = ("inbox: ", f"{ACCOUNT}/", "Traceback")
    return done.status, [line for line in done.err.splitlines() if line.startswith(own)]


def lists(mock: MockTwilio) -> int:
    """How many pages were asked for."""
    return sum(request.route == "list" for request in mock.ledger.requests)


async def test_a_missed_message_is_published_and_recorded_once(
    settings: Settings, bus: Bus, worker: Worker, owner: Owner, plant: Plant
) -> None:
    await bus.publish(user("ana"))
    await install(bus, owner, {"wa1": WA1})
    sent_at = ago(hours=1)
    sid = plant(body=f"{SECRET} \0 Olá 👍", date_sent=sent_at)
    done = await inbox(settings, "reconcile", *SINCE)

    assert ended(done) == (0, [])
    assert done.lines == [
        "acme/wa1  listed 1  recorded 0  published 1  left alone 0",
        "1 of 1 channels  listed 1  recorded 0  published 1  left alone 0",
    ]
    [record] = await bus.read("messages.received")
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
    # It is a message of today: somebody is told.
    assert await bus.read_until("notifications", 1)

    again = await inbox(settings, "reconcile", *SINCE)
    assert again.lines[0] == "acme/wa1  listed 1  recorded 1  published 0  left alone 0"
    assert len(await bus.read("messages.received")) == 1
    assert SECRET not in done.out + again.out


async def test_what_came_by_webhook_or_was_deleted_is_not_published(
    settings: Settings, bus: Bus, twilio: Twilio, owner: Owner, plant: Plant
) -> None:
    await bus.publish(user("ana"))
    await install(bus, owner, {"wa1": WA1})
    assert await twilio.post(form(From=CONTACT, MessageSid=plant())) == 204
    assert await twilio.post(form(From=OTHER, MessageSid=plant(OTHER))) == 204
    await messages(owner, 2)
    await bus.publish(command("delete", OTHER, "ana"))
    await bus.read_until("results", 1)
    await messages(owner, 1)

    done = await inbox(settings, "reconcile", *SINCE)
    assert ended(done) == (0, [])
    assert done.lines[0] == "acme/wa1  listed 2  recorded 2  published 0  left alone 0"
    assert len(await bus.read("messages.received")) == 2


async def test_what_an_older_channel_recorded_is_not_published_for_the_one_that_has_its_address_now(
    settings: Settings, bus: Bus, twilio: Twilio, owner: Owner, plant: Plant
) -> None:
    await install(bus, owner, {"wa1": WA1})
    assert await twilio.post(form(From=CONTACT, MessageSid=plant())) == 204
    await messages(owner, 1)
    missed = plant()
    await bus.publish(channel(WA1, channel_id="wa2"))

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
    settings: Settings, bus: Bus, twilio: Twilio, owner: Owner, plant: Plant
) -> None:
    await install(bus, owner, {"wa1": WA1})
    sids = [plant(f"whatsapp:+49{number % 5}") for number in range(20)]
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
    published = len(await bus.read("messages.received"))

    async def applied() -> bool:
        query = "SELECT sum(next_offset) FROM inbox.positions WHERE topic = $1"
        topic = settings.topic("messages.received")
        return bool(await owner.fetchval(query, topic) == published)

    await until(applied, "all that was published")
    assert len(await messages(owner, 20)) == 20


async def test_all_pages_are_read_and_each_is_published_from_its_oldest_message_on(
    settings: Settings, bus: Bus, owner: Owner, plant: Plant, mock: MockTwilio
) -> None:
    await have(owner, {"wa1": WA1})
    start = ago(minutes=100)
    sids = [
        plant(date_sent=start + timedelta(seconds=number)) for number in range(PAGE_MESSAGES + 5)
    ]
    done = await inbox(settings, "reconcile", *SINCE)

    assert ended(done) == (0, [])
    count = PAGE_MESSAGES + 5
    assert done.lines[0] == f"acme/wa1  listed {count}  recorded 0  published {count}  left alone 0"
    assert lists(mock) == 2
    records = await bus.read("messages.received")
    # One contact, hence one partition; lists have the newest first.
    assert [record.data["provider_message_id"] for record in records] == sids[5:] + sids[:5]


async def test_only_what_contacts_wrote_to_the_channel_since_then_is_listed(
    settings: Settings, bus: Bus, owner: Owner, plant: Plant, mock: MockTwilio
) -> None:
    await have(owner, {"wa1": WA1})
    since = ago(hours=3)
    first = plant(date_sent=since)
    plant(date_sent=since - timedelta(seconds=1))
    plant(date_sent=since - timedelta(days=2))
    plant("messenger:1", FB1)
    plant(date_sent=now() + timedelta(hours=1))
    # What another number of ours sent to this one.
    mock.messages.add(
        Message(
            sid="SM" + "0" * 32,
            account_sid=SID,
            to=WA1,
            from_=FB1,
            body=SECRET,
            direction="outbound-api",
            status="delivered",
            created_at=since,
            updated_at=since,
            sent_at=since,
        )
    )
    offset = (since + timedelta(hours=14)).replace(tzinfo=None).isoformat() + "+14:00"
    done = await inbox(settings, "reconcile", "--since", offset)

    assert ended(done) == (0, [])
    assert done.lines[0] == "acme/wa1  listed 2  recorded 0  published 1  left alone 1"
    [record] = await bus.read("messages.received")
    assert record.data["provider_message_id"] == first


async def test_files_are_told_as_a_webhook_tells_them(
    settings: Settings, bus: Bus, owner: Owner, plant: Plant, mock: MockTwilio
) -> None:
    await have(owner, {"wa1": WA1})
    sid = plant(body="", media=["https://x.example.com/a.png", "https://x.example.com/b.pdf"])
    assert (await inbox(settings, "reconcile", *SINCE)).status == 0

    [record] = await bus.read("messages.received")
    files = [media.sid for media in mock.messages.get(SID, sid).media]
    start = f"{mock.url}/2010-04-01/Accounts/{SID}/Messages/{sid}/Media/"
    assert record.data["body"] == ""
    assert record.data["media"] == [
        {"url": start + files[0], "content_type": "image/png"},
        {"url": start + files[1], "content_type": "application/pdf"},
    ]


async def test_old_ones_can_be_published_as_imports(
    settings: Settings, bus: Bus, worker: Worker, owner: Owner, plant: Plant
) -> None:
    await bus.publish(user("ana"))
    await install(bus, owner, {"wa1": WA1})
    plant(date_sent=ago(days=40))
    done = await inbox(settings, "reconcile", "--since", "50d", "--historical")

    assert ended(done) == (0, [])
    [row] = await messages(owner, 1)
    assert row["historical"]
    await bus.read_until("conversations", 2)
    assert await bus.read("notifications") == []


async def test_a_dry_run_says_what_would_be_published_and_needs_no_kafka(
    settings: Settings, bus: Bus, owner: Owner, plant: Plant
) -> None:
    await have(owner, {"wa1": WA1, "fb1": FB1})
    plant(media=["https://x.example.com/a.png"])
    done = await inbox(replace(settings, kafka=None), "reconcile", *SINCE, "--dry-run")

    assert ended(done) == (0, [])
    assert done.lines == [
        "acme/fb1  listed 0  recorded 0  to publish 0  left alone 0",
        "acme/wa1  listed 1  recorded 0  to publish 1  left alone 0",
        "2 of 2 channels  listed 1  recorded 0  to publish 1  left alone 0",
    ]
    assert await bus.read("messages.received") == []


async def test_it_is_for_all_accounts_at_twilio_or_for_one_tenant_or_for_one_channel(
    settings: Settings, bus: Bus, owner: Owner, plant: Plant
) -> None:
    third = "AC" + "2" * 32
    both = settings.twilio_accounts | {
        OTHER_SID: TwilioAccount(account_id=AccountId(ACCOUNT), auth_token=TOKEN),
        third: TwilioAccount(account_id=OTHER_ACCOUNT, auth_token=TOKEN),
    }
    # The tenant has two accounts at Twilio, and its channels may be in either.
    await have(owner, {"wa1": WA1, "fb1": FB1})
    plant()
    plant("messenger:1", FB1, account_sid=OTHER_SID)
    two = replace(settings, twilio_accounts=both)
    done = await inbox(two, "reconcile", *SINCE, "--account", ACCOUNT, "--dry-run")
    assert ended(done) == (0, [])
    assert done.lines[-1] == "2 of 2 channels  listed 2  recorded 0  to publish 2  left alone 0"

    one = await inbox(two, "reconcile", *SINCE, "--channel", "fb1", "--dry-run")
    assert ended(one) == (0, [])
    assert one.lines[-1] == "1 of 1 channels  listed 1  recorded 0  to publish 1  left alone 0"

    # Another tenant's channel may have the same id.
    tenants = settings.twilio_accounts | {
        OTHER_SID: TwilioAccount(account_id=OTHER_ACCOUNT, auth_token=TOKEN)
    }
    await have(owner, {"fb1": FB1}, OTHER_ACCOUNT)
    done = await inbox(replace(settings, twilio_accounts=tenants), "reconcile", *SINCE)
    assert ended(done) == (0, [])
    assert [line.partition("  left")[0] for line in done.lines] == [
        "acme/fb1  listed 0  recorded 0  published 0",
        "acme/wa1  listed 1  recorded 0  published 1",
        "globex/fb1  listed 1  recorded 0  published 1",
        "3 of 3 channels  listed 2  recorded 0  published 2",
    ]
    accounts = {record.data["account_id"] for record in await bus.read("messages.received")}
    assert accounts == {ACCOUNT, OTHER_ACCOUNT}


async def test_a_message_that_no_event_can_be_made_of_is_named_and_the_others_are_published(
    settings: Settings, bus: Bus, owner: Owner, plant: Plant
) -> None:
    await have(owner, {"wa1": WA1})
    plant()
    nobody = plant("")
    done = await inbox(settings, "reconcile", *SINCE)

    assert done.lines[0] == "acme/wa1  listed 2  recorded 0  published 1  left alone 0"
    assert ended(done) == (
        1,
        [
            f"acme/wa1: {nobody} cannot be published: From is missing",
            "inbox: 1 of the messages cannot be published",
        ],
    )
    assert len(await bus.read("messages.received")) == 1


@pytest.mark.usefixtures("worker")
async def test_when_twilio_fails_it_says_how_far_it_got_and_the_next_run_does_the_rest(
    settings: Settings, bus: Bus, owner: Owner, plant: Plant, mock: MockTwilio
) -> None:
    await install(bus, owner, {"fb1": FB1, "wa1": WA1})
    plant("messenger:1", FB1)
    start = ago(minutes=100)
    for number in range(PAGE_MESSAGES + 1):
        plant(date_sent=start + timedelta(seconds=number))
    mock.faults.add(Fault(act="answer", on="list", status=503, skip=2))
    done = await inbox(settings, "reconcile", *SINCE)

    read_back = f"{start + timedelta(seconds=1):%Y-%m-%d %H:%M:%S} UTC"
    assert done.lines == [
        "acme/fb1  listed 1  recorded 0  published 1  left alone 0",
        f"acme/wa1  listed {PAGE_MESSAGES}  recorded 0  published {PAGE_MESSAGES}  left alone 0"
        f"  unfinished: read back to {read_back}",
        f"1 of 2 channels  listed {PAGE_MESSAGES + 1}  recorded 0  published {PAGE_MESSAGES + 1}"
        "  left alone 0",
    ]
    assert ended(done) == (1, [f"inbox: Twilio answers for {SID} 503"])

    mock.faults.clear()
    await messages(owner, PAGE_MESSAGES + 1)
    rest = await inbox(settings, "reconcile", *SINCE)
    assert rest.status == 0
    assert rest.lines[-1] == (
        f"2 of 2 channels  listed {PAGE_MESSAGES + 2}  recorded {PAGE_MESSAGES + 1}  published 1"
        "  left alone 0"
    )
    await messages(owner, PAGE_MESSAGES + 2)


FAILURES = {
    f"Twilio answers for {SID} 429": Fault(act="answer", on="any", status=429),
    f"Twilio answers for {SID} 502": Fault(act="answer", on="any", status=502, shape="html"),
    f"Twilio answers for {SID} 503": Fault(act="answer", on="any", status=503, shape="problem"),
    f"Twilio refuses the auth_token of {SID}": Fault(act="answer", on="any", status=401),
    f"Twilio does not answer for {SID}: Server disconnected": Fault(act="drop", on="any"),
    f"Twilio answers for {SID} what makes no sense: Expecting value": Fault(
        act="answer", on="any", status=200, shape="html"
    ),
    f"Twilio answers for {SID} what makes no sense: Page Records": Fault(
        act="answer", on="any", status=200
    ),
}


@pytest.mark.parametrize("said", FAILURES)
async def test_whatever_twilio_comes_up_with_is_one_line(
    settings: Settings, owner: Owner, plant: Plant, mock: MockTwilio, said: str
) -> None:
    await have(owner, {"wa1": WA1})
    plant(media=["https://x.example.com/a.png"])
    # First when it is asked for its list, then for a message's files.
    for listed in (0, 1):
        mock.faults.clear()
        mock.faults.add(msgspec.structs.replace(FAILURES[said], skip=listed))
        done = await inbox(settings, "reconcile", *SINCE, "--dry-run")
        assert done.status == 1
        count = f"listed {listed}  recorded 0  to publish 0  left alone 0"
        assert done.lines == [f"acme/wa1  {count}  unfinished", f"0 of 1 channels  {count}"]
        [line] = done.err.splitlines()
        assert line.startswith(f"inbox: {said}")


async def test_a_twilio_that_is_away_or_refuses_the_token_is_one_line(
    settings: Settings, owner: Owner
) -> None:
    await have(owner, {"wa1": WA1})
    away = replace(settings, twilio_api_url="http://127.0.0.1:1")
    done = await inbox(away, "reconcile", *SINCE)
    assert done.status == 1
    [line] = done.err.splitlines()
    assert line.startswith(f"inbox: Twilio does not answer for {SID}: Cannot connect to host")

    wrong = TwilioAccount(account_id=AccountId(ACCOUNT), auth_token="wrong")
    refused = replace(settings, twilio_accounts={SID: wrong})
    done = await inbox(refused, "reconcile", *SINCE)
    assert (done.status, done.err) == (1, f"inbox: Twilio refuses the auth_token of {SID}\n")


async def test_an_account_without_a_token_is_named_and_the_others_are_read(
    settings: Settings, owner: Owner, plant: Plant
) -> None:
    silent = TwilioAccount(account_id=AccountId(ACCOUNT), signing_keys={"k": "s"})
    no_token = f"{OTHER_SID} of account acme has no auth_token: nothing of it is listed"
    alone = replace(settings, twilio_accounts={OTHER_SID: silent})
    done = await inbox(alone, "reconcile", *SINCE)
    assert (done.status, done.out, done.err) == (1, "", f"inbox: {no_token}\n")

    await have(owner, {"wa1": WA1})
    plant()
    both = replace(settings, twilio_accounts=settings.twilio_accounts | {OTHER_SID: silent})
    done = await inbox(both, "reconcile", *SINCE)
    assert ended(done) == (1, [f"inbox: {no_token}"])
    assert done.lines[0] == "acme/wa1  listed 1  recorded 0  published 1  left alone 0"


async def test_an_unknown_account_or_channel_is_named(
    settings: Settings, owner: Owner, mock: MockTwilio
) -> None:
    async def error(*arguments: str, **changed: Any) -> str:
        done = await inbox(replace(settings, **changed), "reconcile", *SINCE, *arguments)
        assert (done.status, done.out) == (1, "")
        return done.err.removeprefix("inbox: ").removesuffix("\n")

    assert await error() == "no channel is installed, account acme"
    await have(owner, {"old": WA1, "gone": FB1}, removed=True)
    assert await error() == "no channel is installed, account acme"
    await have(owner, {"old": WA1})
    await have(owner, {"new": WA1})
    # What is in the database is no reason to ask Twilio for an account that is not ours.
    assert await error("--account", "no") == "INBOX_TWILIO_ACCOUNTS names no account no"
    assert await error(twilio_accounts={}) == "INBOX_TWILIO_ACCOUNTS names no account"
    channel_is = "channel {} gets no messages: {}, account acme"
    assert await error("--channel", "no") == "there is no channel no, account acme"
    assert await error("--channel", "gone") == channel_is.format("gone", "it was removed")
    assert await error("--channel", "old") == channel_is.format(
        "old", "a newer one has its address"
    )
    assert mock.ledger.requests == []


async def test_what_is_missing_or_away_is_one_line_too(settings: Settings, owner: Owner) -> None:
    await have(owner, {"wa1": WA1})
    environment = {key: value for key, value in os.environ.items() if key[:6] != "INBOX_"}
    no_database = await run(environment, "reconcile", *SINCE)
    assert no_database.status == 2
    assert no_database.err == "inbox: INBOX_DATABASE_URL: is not set, and this command needs it\n"
    no_kafka = await inbox(replace(settings, kafka=None), "reconcile", *SINCE)
    assert no_kafka.status == 2
    assert no_kafka.err == "inbox: INBOX_KAFKA: is not set, and this command needs it\n"

    no_topics = await inbox(replace(settings, topic_prefix="nowhere."), "reconcile", *SINCE)
    assert no_topics.status == 1
    assert no_topics.err == (
        "inbox: nowhere.messages.received: no such topic, run `inbox topics`\n"
    )
    nowhere = replace(settings, database_url="postgresql://inbox@127.0.0.1:1/inbox")
    away = await inbox(nowhere, "reconcile", *SINCE)
    assert (away.status, away.out) == (1, "")
    assert away.err.startswith("inbox: Postgres does not answer: ")
