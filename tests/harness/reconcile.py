"""For tests of `inbox reconcile`: channels, messages at Twilio, and how a run ended."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bench.mock_twilio import MissedMessage, MockTwilio
from db.directory import save_channels
from domain.directory import Channel
from schemas.fields import AccountId, ChannelId, UserId
from tests.harness.command import Completed
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT
from tests.harness.twilio import CHANNELS, SECRET
from workers.dev.twilio_stand_in.messages import now

CONTACT, OTHER = "whatsapp:+4911", "whatsapp:+4922"
WA1, FB1 = CHANNELS["wa1"], CHANNELS["fb1"]
SINCE = ("--since", "2h")
OTHER_SID = "AC" + "1" * 32
"""A second account at Twilio."""


def ago(**age: int) -> datetime:
    """The time so long ago, in whole seconds as Twilio's times."""
    return now() - timedelta(**age)


def add_missed(mock: MockTwilio, contact: str = CONTACT, to: str = WA1, **fields: Any) -> str:
    """Add a contact's message of an hour ago, that had no webhook, to Twilio's list; its sid."""
    given: dict[str, Any] = {"body": SECRET, "date_sent": ago(hours=1)} | fields
    return mock.add_missed(MissedMessage(from_=contact, to=to, **given)).sid


async def add_channels(
    owner: Owner, channels: dict[str, str], account: str = ACCOUNT, *, removed: bool = False
) -> None:
    """Save channels without a worker. Of two with one address the last one is the newest."""
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
    """The exit status, and the lines on stderr that the command itself wrote.

    Kafka's client writes warnings there, about new partitions whose leader it does not know yet.
    """
    own = ("inbox: ", f"{ACCOUNT}/", "Traceback")
    return done.status, [line for line in done.err.splitlines() if line.startswith(own)]
