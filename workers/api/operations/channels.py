"""The channels of the account, and what to enter at the provider for each."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import asdict

from db.directory_lists import ListedChannel, listed_channels
from workers.api.operation import Call, Operation
from workers.api.service import Api
from workers.settings.values import without_login
from workers.twilio.form import INBOUND_PATH

RETRY_FRAGMENT = "#rc=5&rp=all"
"""Asks Twilio to repeat a webhook that was answered 5xx, up to five times. It says so in
twilio.com/docs/usage/webhooks/webhooks-connection-overrides."""


class Channel(Struct, frozen=True, kw_only=True):
    """A channel, and whether messages come in on it."""

    channel_id: str
    name: str
    provider: str
    address: str
    installed_by: str
    """The user who installed it, and who alone may remove it."""
    removed: bool
    last_received_at: datetime | None
    """When a contact last wrote to it, to within seconds; null: nobody did yet."""
    webhook_url: str
    """The URL to enter at the provider for incoming messages."""


class Channels(Struct, frozen=True, kw_only=True):
    """The channels that the account has, by name, and then those that were removed."""

    items: list[Channel]


def webhook_url(public_url: str) -> str:
    """Returns the URL to enter at Twilio.

    It has no name and no password, even if the URL that Twilio calls does: all users see it.
    """
    return without_login(public_url) + INBOUND_PATH + RETRY_FRAGMENT


def shown_channel(channel: ListedChannel, public_url: str) -> Channel:
    """Returns a channel as the API answers it."""
    return Channel(**asdict(channel), webhook_url=webhook_url(public_url))


async def list_channels(api: Api, call: Call) -> Channels:
    """Returns the channels of the caller's account, removed ones too."""
    async with api.pool.acquire() as connection:
        found = await listed_channels(connection, call.caller.account_id)
    return Channels(items=[shown_channel(each, api.settings.public_url) for each in found])


OPERATIONS = (
    Operation(
        name="listChannels",
        method="GET",
        address="/channels",
        summary="The channels of the account, and what to enter at the provider.",
        handle=list_channels,
        answers={200: Channels},
    ),
)
"""What the API does with channels, beside changes of them."""
