"""Which messages of Twilio's lists `inbox reconcile` publishes, for which accounts and channels."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bench.mock_twilio import MockTwilio
from bench.mock_twilio.account import ACCOUNTS, SID, TOKEN
from schemas.fields import AccountId
from tests.harness.command import inbox
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT, user
from tests.harness.reconcile import FB1, OTHER_SID, SINCE, WA1, add_channels, add_missed, ago, ended
from tests.harness.topics import Topics
from tests.harness.twilio import SECRET
from tests.harness.webhook_forms import install, messages
from tests.harness.worker import Worker
from workers.dev.twilio_stand_in.messages import Message, now
from workers.dev.twilio_stand_in.server import Account
from workers.settings import Settings
from workers.settings.values import TwilioAccount
from workers.twilio.client import PAGE_MESSAGES

OTHER_ACCOUNT = AccountId("globex")


@pytest.fixture
async def mock() -> AsyncIterator[MockTwilio]:
    """A mock of Twilio with a second account, which has the same token."""
    async with MockTwilio(ACCOUNTS | {OTHER_SID: Account(auth_token=TOKEN)}) as mock:
        yield mock


def lists(mock: MockTwilio) -> int:
    """How many pages of lists were requested."""
    return sum(request.route == "list" for request in mock.ledger.requests)


async def test_all_pages_are_read_and_each_is_published_from_its_oldest_message_on(
    settings: Settings, topics: Topics, owner: Owner, mock: MockTwilio
) -> None:
    await add_channels(owner, {"wa1": WA1})
    start = ago(minutes=100)
    sids = [
        add_missed(mock, date_sent=start + timedelta(seconds=number))
        for number in range(PAGE_MESSAGES + 5)
    ]
    done = await inbox(settings, "reconcile", *SINCE)

    assert ended(done) == (0, [])
    count = PAGE_MESSAGES + 5
    assert done.lines[0] == f"acme/wa1  listed {count}  recorded 0  published {count}  left alone 0"
    assert lists(mock) == 2
    records = await topics.read("messages.received")
    # All of one contact, and so on one partition. Lists have the newest first.
    assert [record.data["provider_message_id"] for record in records] == sids[5:] + sids[:5]


async def test_only_what_contacts_wrote_to_the_channel_since_then_is_listed(
    settings: Settings, topics: Topics, owner: Owner, mock: MockTwilio
) -> None:
    await add_channels(owner, {"wa1": WA1})
    since = ago(hours=3)
    first = add_missed(mock, date_sent=since)
    add_missed(mock, date_sent=since - timedelta(seconds=1))
    add_missed(mock, date_sent=since - timedelta(days=2))
    add_missed(mock, "messenger:1", FB1)
    add_missed(mock, date_sent=now() + timedelta(hours=1))
    # A message from another number of ours to this one.
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
    [record] = await topics.read("messages.received")
    assert record.data["provider_message_id"] == first


async def test_files_are_told_as_a_webhook_tells_them(
    settings: Settings, topics: Topics, owner: Owner, mock: MockTwilio
) -> None:
    await add_channels(owner, {"wa1": WA1})
    sid = add_missed(
        mock, body="", media=["https://x.example.com/a.png", "https://x.example.com/b.pdf"]
    )
    assert (await inbox(settings, "reconcile", *SINCE)).status == 0

    [record] = await topics.read("messages.received")
    files = [media.sid for media in mock.messages.get(SID, sid).media]
    start = f"{mock.url}/2010-04-01/Accounts/{SID}/Messages/{sid}/Media/"
    assert record.data["body"] == ""
    assert record.data["media"] == [
        {"url": start + files[0], "content_type": "image/png"},
        {"url": start + files[1], "content_type": "application/pdf"},
    ]


async def test_old_ones_can_be_published_as_imports(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner, mock: MockTwilio
) -> None:
    await topics.publish(user("ana"))
    await install(topics, owner, {"wa1": WA1})
    add_missed(mock, date_sent=ago(days=40))
    done = await inbox(settings, "reconcile", "--since", "50d", "--historical")

    assert ended(done) == (0, [])
    [row] = await messages(owner, 1)
    assert row["historical"]
    await topics.read_until("conversations", 2)
    assert await topics.read("notifications") == []


async def test_a_dry_run_says_what_would_be_published_and_needs_no_kafka(
    settings: Settings, topics: Topics, owner: Owner, mock: MockTwilio
) -> None:
    await add_channels(owner, {"wa1": WA1, "fb1": FB1})
    add_missed(mock, media=["https://x.example.com/a.png"])
    done = await inbox(replace(settings, kafka=None), "reconcile", *SINCE, "--dry-run")

    assert ended(done) == (0, [])
    assert done.lines == [
        "acme/fb1  listed 0  recorded 0  to publish 0  left alone 0",
        "acme/wa1  listed 1  recorded 0  to publish 1  left alone 0",
        "2 of 2 channels  listed 1  recorded 0  to publish 1  left alone 0",
    ]
    assert await topics.read("messages.received") == []


async def test_it_is_for_all_accounts_at_twilio_or_for_one_tenant_or_for_one_channel(
    settings: Settings, topics: Topics, owner: Owner, mock: MockTwilio
) -> None:
    third = "AC" + "2" * 32
    both = settings.twilio_accounts | {
        OTHER_SID: TwilioAccount(account_id=AccountId(ACCOUNT), auth_token=TOKEN),
        third: TwilioAccount(account_id=OTHER_ACCOUNT, auth_token=TOKEN),
    }
    # The tenant has two accounts at Twilio, and its channels may be in either.
    await add_channels(owner, {"wa1": WA1, "fb1": FB1})
    add_missed(mock)
    add_missed(mock, "messenger:1", FB1, account_sid=OTHER_SID)
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
    await add_channels(owner, {"fb1": FB1}, OTHER_ACCOUNT)
    done = await inbox(replace(settings, twilio_accounts=tenants), "reconcile", *SINCE)
    assert ended(done) == (0, [])
    assert [line.partition("  left")[0] for line in done.lines] == [
        "acme/fb1  listed 0  recorded 0  published 0",
        "acme/wa1  listed 1  recorded 0  published 1",
        "globex/fb1  listed 1  recorded 0  published 1",
        "3 of 3 channels  listed 2  recorded 0  published 2",
    ]
    accounts = {record.data["account_id"] for record in await topics.read("messages.received")}
    assert accounts == {ACCOUNT, OTHER_ACCOUNT}
