"""What webhooks are tested with: Twilio's forms, channels to take them, and what became of them."""

from typing import TypeAlias

import asyncpg

from tests.harness.published import channel
from tests.harness.topics import Bus
from tests.harness.twilio import SID
from tests.harness.waiting import until

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SMS = (
    "ToCountry=US&ToState=CA&SmsMessageSid=SM00000000000000000000000000000001&NumMedia=0"
    "&ToCity=SAN+BRUNO&FromZip=&SmsSid=SM00000000000000000000000000000001&FromState=CA"
    "&SmsStatus=received&FromCity=&Body=you+got+it%21+3&FromCountry=US&To=%2B16505552222"
    "&ToZip=94030&NumSegments=1&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000001"
    f"&AccountSid={SID}&From=%2B16505551111&ApiVersion=2010-04-01"
)
WHATSAPP = (
    "SmsMessageSid=SM00000000000000000000000000000002&NumMedia=0"
    "&ProfileName=Ana+M%C3%BCller+%F0%9F%91%8B&MessageType=text"
    "&SmsSid=SM00000000000000000000000000000002&WaId=4915112345678&SmsStatus=received"
    "&Body=Ol%C3%A1%2C+pre%C3%A7o%3F+%F0%9F%91%8D&To=whatsapp%3A%2B14155238886&NumSegments=1"
    "&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000002"
    f"&AccountSid={SID}&From=whatsapp%3A%2B4915112345678&ApiVersion=2010-04-01"
)
MESSENGER = (
    "SmsMessageSid=SM00000000000000000000000000000005&NumMedia=0"
    "&SmsSid=SM00000000000000000000000000000005&SmsStatus=received"
    "&Body=is+this+still+available%3F&To=messenger%3A103800709108123&NumSegments=1"
    "&ReferralNumMedia=0&MessageSid=SM00000000000000000000000000000005"
    f"&AccountSid={SID}&From=messenger%3A27456897512&ApiVersion=2010-04-01"
)


async def install(bus: Bus, owner: Owner, channels: dict[str, str]) -> None:
    """Install channels, and wait until they are."""
    for channel_id, address in channels.items():
        await bus.publish(channel(address, channel_id=channel_id))

    async def ask() -> bool:
        return bool(await owner.fetchval("SELECT count(*) FROM inbox.channels") == len(channels))

    await until(ask, "channels")


async def messages(owner: Owner, count: int) -> list[asyncpg.Record]:
    """The messages in Postgres once there are so many, by their provider's id."""

    async def ask() -> list[asyncpg.Record]:
        rows = await owner.fetch(
            "SELECT *, media::text AS files FROM inbox.messages ORDER BY provider_message_id"
        )
        return rows if len(rows) >= count else []

    rows = await until(ask, f"{count} messages")
    assert len(rows) == count
    return rows
