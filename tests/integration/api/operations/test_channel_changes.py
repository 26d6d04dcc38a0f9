"""Channels connected and removed over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.harness.api import ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import user
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
