"""For tests of webhooks: Twilio's forms, installed channels, and recorded messages."""

import asyncpg

from tests.harness import signed_forms
from tests.harness.inbox import Owner
from tests.harness.input_events import channel
from tests.harness.topics import Topics
from tests.harness.waiting import until

SMS, WHATSAPP, MESSENGER = (
    form.decode() for form in (signed_forms.SMS, signed_forms.WHATSAPP, signed_forms.MESSENGER)
)


async def install(topics: Topics, owner: Owner, channels: dict[str, str]) -> None:
    """Install channels, and wait until they are installed."""
    for channel_id, address in channels.items():
        await topics.publish(channel(address, channel_id=channel_id))

    async def are_installed() -> bool:
        return bool(await owner.fetchval("SELECT count(*) FROM inbox.channels") == len(channels))

    await until(are_installed, "channels")


async def messages(owner: Owner, count: int) -> list[asyncpg.Record]:
    """Wait until Postgres has so many messages; all of them, sorted by provider_message_id."""

    async def enough() -> list[asyncpg.Record]:
        rows = await owner.fetch(
            "SELECT *, media::text AS files FROM inbox.messages ORDER BY provider_message_id"
        )
        return rows if len(rows) >= count else []

    rows = await until(enough, f"{count} messages")
    assert len(rows) == count
    return rows
