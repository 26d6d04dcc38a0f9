"""A contact with several addresses has one conversation, whichever of them comes first."""

from typing import Any

import pytest

from tests.harness.identities import PHONE, THIRD, USER, aliases, messages, of, opened, writes
from tests.harness.inbox import Inbox, Owner
from tests.harness.topics import Bus
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def inbox(settings: Settings, bus: Bus, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    return await opened(settings, bus, owner)


async def test_a_phone_first_then_both_then_the_user_id_alone(inbox: Inbox) -> None:
    await inbox.apply(writes(PHONE))
    await inbox.apply(writes(PHONE, USER), writes(USER), writes(USER, PHONE), writes(PHONE))
    assert await messages(inbox) == {PHONE: 5}
    assert await aliases(inbox) == {USER: PHONE}
    await inbox.assert_exact()


async def test_a_user_id_first_then_the_phone_that_names_it_then_the_phone_alone(
    inbox: Inbox,
) -> None:
    await inbox.apply(writes(USER), writes(PHONE, USER), writes(PHONE))
    assert await messages(inbox) == {USER: 3}
    assert await aliases(inbox) == {PHONE: USER}
    await inbox.assert_exact()


async def test_both_in_the_first_message_of_all(inbox: Inbox) -> None:
    await inbox.apply(writes(PHONE, USER), writes(USER))
    assert await messages(inbox) == {PHONE: 2}
    assert [read.kind for read in await of(inbox, PHONE)] == [
        "conversation.created",
        *["conversation.message_recorded"] * 2,
    ]


async def test_in_one_batch_it_is_as_one_by_one(
    settings: Settings, bus: Bus, worker: Worker, owner: Owner
) -> None:
    # All under one key, and there before the worker is: one poll, one transaction.
    await worker.stop()
    inbox = Inbox(settings, bus, owner)
    fourth = "whatsapp:+4944"
    given = [
        *(writes(USER), writes(PHONE), writes(THIRD, fourth), writes(fourth), writes(PHONE, USER)),
        *(writes(THIRD, PHONE), writes(fourth), writes(THIRD), writes(PHONE)),
    ]
    await bus.publish(*[one._replace(key="one") for one in given])
    await worker.start()
    await bus.read_until("conversations", 3 + len(given) + 2)
    assert await messages(inbox) == {USER: 6, PHONE: 1, THIRD: 2}
    assert await aliases(inbox) == {fourth: USER}
    batches = "SELECT count(DISTINCT recorded_at) FROM inbox.messages"
    assert await owner.fetchval(batches) == 1
    await inbox.assert_exact()


async def test_nothing_crosses_accounts_or_channels(inbox: Inbox) -> None:
    await inbox.apply(writes(PHONE, USER))
    elsewhere: tuple[dict[str, Any], ...] = ({"channel_id": "wa2"}, {"account_id": "other"})
    for fields in elsewhere:
        await inbox.apply(writes(USER, **fields), writes(PHONE, **fields))
    rows = await inbox.owner.fetch(
        "SELECT account_id, channel_id, contact_address, message_count, status"
        " FROM inbox.conversations ORDER BY account_id, channel_id, contact_address"
    )
    assert [tuple(row) for row in rows] == [
        ("acme", "wa1", PHONE, 1, "open"),
        ("acme", "wa2", PHONE, 1, "open"),
        ("acme", "wa2", USER, 1, "open"),
        ("other", "wa1", PHONE, 1, "open"),
        ("other", "wa1", USER, 1, "open"),
    ]
    await inbox.apply(writes(PHONE, USER, channel_id="wa2"))
    found = await inbox.owner.fetch(
        "SELECT account_id, channel_id, contact_address FROM inbox.conversations"
        " WHERE merged_into IS NOT NULL"
    )
    assert [tuple(row) for row in found] == [("acme", "wa2", PHONE)]
