"""Connecting a channel, and removing it."""

from typing import Annotated

from msgspec import Meta, Struct

from db.directory import channel_by_address
from db.directory_lists import listed_channels
from schemas.directory import ChannelInstalled, ChannelRemoved
from schemas.fields import ADDRESS_CHARACTERS_MAX, AccountId, ChannelId, ExternalId
from schemas.fields import Channel as ChannelField
from schemas.ids import uuid5_text
from workers.api.commands.event_ids import HEADERS, event_id
from workers.api.commands.held_addresses import Address
from workers.api.operation import Answer, Call, Operation
from workers.api.operations.channels import Channel, shown_channel
from workers.api.problem import Problem, not_found
from workers.api.service import Api

_PHONE = r"\+[1-9][0-9]{4,14}"
_ADDRESS = rf"^({_PHONE}|whatsapp:{_PHONE}|messenger:[0-9A-Za-z_.-]+)\Z"
"""The senders of Twilio, as it writes them: a webhook finds its channel by the same text. Phone
numbers have at most 15 digits (ITU-T E.164)."""

_BEGINNING_OF = {"whatsapp": "whatsapp:", "messenger": "messenger:", "sms": "+"}
"""How the addresses of these providers begin. A company may name others."""

NAME_CHARACTERS_MAX = 256


class NewChannel(Struct, frozen=True, forbid_unknown_fields=True):
    """A channel to connect."""

    provider: ExternalId
    address: Annotated[
        str,
        Meta(
            pattern=_ADDRESS,
            max_length=ADDRESS_CHARACTERS_MAX,
            description="The sender: `whatsapp:+...`, `messenger:...`, or `+...` for SMS.",
        ),
    ]
    name: Annotated[str, Meta(pattern=r"\S", max_length=NAME_CHARACTERS_MAX)]


class ChannelPending(Struct, frozen=True):
    """The installation of a channel was published, and is not applied yet."""

    channel_id: ChannelId
    """As it will be in the list of channels."""


class ChannelPath(Struct, frozen=True, forbid_unknown_fields=True):
    """A channel of the account."""

    channel_id: ChannelField


async def connect_channel(api: Api, call: Call) -> Answer:
    """Publish the installation of a channel by the caller.

    The channel's id follows from the request's, so that a repeat connects the same one.
    """
    account_id, body, id_ = call.caller.account_id, call.body, event_id(call.request.headers)
    channel_id = ChannelId(uuid5_text(f"{account_id}/channel/{id_}"))
    _check_address(body)
    known = await _channel(api, account_id, channel_id)
    if known is not None:
        return Answer(body=known, status=201)
    change = ChannelInstalled(
        account_id=account_id,
        channel_id=channel_id,
        provider=body.provider,
        address=body.address,
        name=body.name,
        installed_by=call.caller.user_id,
    )
    is_applied = await _publish(api, change, id_)
    connected = await _channel(api, account_id, channel_id) if is_applied else None
    if connected is None:
        return Answer(body=ChannelPending(channel_id=channel_id), status=202)
    return Answer(body=connected, status=201)


async def _publish(api: Api, change: ChannelInstalled, id_: str) -> bool:
    """Publish an installation, unless Postgres shows it. Returns whether it does now.

    Raises Problem for an address that another channel has. It stays held for as long as Kafka may
    have the installation and Postgres has not: the next request finds nothing in Postgres.
    """
    addresses, address = api.commands.addresses, (change.account_id, change.address)
    await _hold(api, address, change.channel_id)
    may_be_published = False
    try:
        async with api.pool.acquire() as connection:
            owner = await channel_by_address(connection, *address)
        if owner is not None and owner != change.channel_id:
            raise _in_use()
        if owner is None:
            may_be_published = True
            may_be_published = not await api.commands.change_directory(change, id_)
        return not may_be_published
    except Problem:
        may_be_published = False
        raise
    finally:
        if not may_be_published:
            addresses.release(address, change.channel_id)


async def _hold(api: Api, address: Address, channel_id: ChannelId) -> None:
    """Hold an address for a channel. Raises Problem if another one holds it that is not applied."""
    addresses = api.commands.addresses
    holder = addresses.hold(address, channel_id)
    if holder == channel_id:
        return
    if await _channel(api, address[0], holder) is not None:
        # From now on Postgres says who has the address.
        addresses.release(address, holder)
        holder = addresses.hold(address, channel_id)
    if holder != channel_id:
        raise _in_use()


def _in_use() -> Problem:
    return Problem("address_in_use", "a channel of this account has this address")


def _check_address(body: NewChannel) -> None:
    """Raise Problem for an address that is surely another provider's."""
    beginning = _BEGINNING_OF.get(body.provider, "")
    if not body.address.startswith(beginning):
        detail = f"address: one of {body.provider} begins with `{beginning}`"
        raise Problem("invalid_request", detail)


async def remove_channel(api: Api, call: Call) -> Answer:
    """Publish the removal of a channel that the caller installed. Its conversations stay."""
    account_id, channel_id = call.caller.account_id, call.path.channel_id
    channel = await _channel(api, account_id, channel_id)
    if channel is None:
        raise not_found()
    if channel.installed_by != call.caller.user_id:
        raise Problem("not_installer", "only the user who installed the channel may remove it")
    if not channel.removed:
        change = ChannelRemoved(account_id=account_id, channel_id=channel_id)
        if not await api.commands.change_directory(change, event_id(call.request.headers)):
            return Answer(status=202)
        channel = await _channel(api, account_id, channel_id)
    return Answer(body=channel)


async def _channel(api: Api, account_id: AccountId, channel_id: ChannelId) -> Channel | None:
    async with api.pool.acquire() as connection:
        found = await listed_channels(connection, account_id, channel_id)
    return shown_channel(found[0], api.settings.public_url) if found else None


OPERATIONS = (
    Operation(
        name="connectChannel",
        method="POST",
        address="/channels",
        headers=HEADERS,
        summary="Connect a channel. The user who asks has installed it, and alone may remove it.",
        handle=connect_channel,
        body=NewChannel,
        answers={201: Channel, 202: ChannelPending},
        codes=("address_in_use",),
    ),
    Operation(
        name="removeChannel",
        method="DELETE",
        address="/channels/{channel_id}",
        headers=HEADERS,
        summary="Remove a channel that the user who asks installed. Its conversations stay.",
        handle=remove_channel,
        path=ChannelPath,
        answers={200: Channel, 202: None},
        codes=("not_installer",),
    ),
)
