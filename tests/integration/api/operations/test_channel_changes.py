"""Channels connected and removed over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.harness.api import ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import user
from tests.harness.waiting import until
from workers.settings import Settings

PAGE = {"provider": "twilio", "address": "messenger:103800709108123", "name": "Page"}


@pytest.fixture
async def zoe(inbox: Inbox, settings: Settings) -> AsyncIterator[ApiClient]:
    """The API as a user of another account."""
    await inbox.apply(user("zoe", account="other"))
    async with ApiClient(settings, "zoe", "other") as client:
        yield client


async def test_users_connect_channels_and_remove_their_own(
    inbox: Inbox, ana: ApiClient, bo: ApiClient, zoe: ApiClient
) -> None:
    key = {"Idempotency-Key": "page"}
    connected = await bo.post("/channels", PAGE, headers=key)
    assert connected.status == 201
    channel = connected.json
    assert {name: channel[name] for name in PAGE} == PAGE
    assert (channel["installed_by"], channel["removed"]) == ("bo", False)
    assert channel in (await ana.get("/channels")).json["items"]

    # A repeat of the key is the same channel, and another request is refused.
    assert (await bo.post("/channels", PAGE, headers=key)).json == channel
    assert (await bo.post("/channels", PAGE)).code == "address_in_use"
    # So is a second one that comes at the same time.
    sms = PAGE | {"address": "+4915112345678"}
    both = await asyncio.gather(ana.post("/channels", sms), bo.post("/channels", sms))
    assert sorted(each.status for each in both) == [201, 409]

    # Only the installer removes it, of this account, and nobody learns of others.
    address = f"/channels/{channel['channel_id']}"
    refused = await ana.delete(address)
    assert (refused.status, refused.code) == (403, "not_installer")
    assert (await zoe.delete(address)).code == "not_found"
    removed = await bo.delete(address)
    assert (removed.status, removed.json) == (200, channel | {"removed": True})
    assert (await bo.delete(address)).json == removed.json
    for unknown in ("/channels/nothing", "/channels/a%00b", "/channels/%20"):
        assert (await bo.delete(unknown)).code == "not_found"
    # The address is free again.
    assert (await ana.post("/channels", PAGE)).status == 201
    assert await inbox.read("dead-letters") == []


async def test_an_address_has_one_channel_though_nothing_is_applied(
    inbox: Inbox, ana: ApiClient, bo: ApiClient
) -> None:
    key = {"Idempotency-Key": "page"}
    # Postgres cannot move while its positions are locked.
    async with inbox.owner.transaction():
        await inbox.owner.execute("LOCK TABLE inbox.positions IN SHARE ROW EXCLUSIVE MODE")
        # The same request twice at the same time, and once more.
        both = [ana.post("/channels", PAGE, headers=key) for _ in range(2)]
        pending = [*await asyncio.gather(*both), await ana.post("/channels", PAGE, headers=key)]
        assert [each.status for each in pending] == [202, 202, 202]
        channel_id = pending[0].json["channel_id"]
        assert [each.json for each in pending] == [{"channel_id": channel_id}] * 3
        assert "Location" not in pending[0].headers
        # Another request for the address, and the same address of another request's.
        for again in (await ana.post("/channels", PAGE), await bo.post("/channels", PAGE)):
            assert (again.status, again.code) == (409, "address_in_use")

    async def connected() -> bool:
        return (await ana.post("/channels", PAGE, headers=key)).status == 201

    await until(connected, "the channel is connected")
    assert (await bo.post("/channels", PAGE)).code == "address_in_use"
    pages = [each for each in (await ana.get("/channels")).json["items"] if each["name"] == "Page"]
    assert [each["channel_id"] for each in pages] == [channel_id]
    # Once the channel is removed, the address is free.
    assert (await ana.delete(f"/channels/{channel_id}")).status == 200
    assert (await bo.post("/channels", PAGE)).status == 201


async def test_what_no_webhook_could_find_is_refused(inbox: Inbox, ana: ApiClient) -> None:
    published = len(await inbox.topics.read("directory"))
    wrong = [
        PAGE | {"address": address}
        for address in (
            "",
            "+",
            "4915112345678",
            "whatsapp:4915112345678",
            "whatsapp:+0123456",
            "WhatsApp:+491511",
            "+4915112345678\n",
            "messenger:",
            "messenger:a b",
            "+" + "1" * 16,
            "mailto:a@example.com",
        )
    ]
    wrong += [PAGE | {"name": name} for name in ("", " ", "x" * 257, "a\0")]
    wrong += [PAGE | {"provider": provider} for provider in ("sms", "whatsapp")]
    wrong += [PAGE | {"provider": "messenger", "address": "+4915112345678"}]
    wrong += [PAGE | {"provider": ""}, PAGE | {"installed_by": "bo"}, {"address": PAGE["address"]}]
    for body in wrong:
        refused = await ana.post("/channels", body)
        assert (refused.status, refused.code) == (400, "invalid_request"), body
    assert len(await inbox.topics.read("directory")) == published
