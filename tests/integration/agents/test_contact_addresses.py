"""A contact with several addresses has one conversation, whichever address comes first."""

from typing import Any

import pytest

from tests.harness.identities import (
    PHONE,
    THIRD,
    USER,
    aliases,
    log_of,
    message_counts,
    message_from,
)
from tests.harness.inbox import Inbox, Owner, open_inbox
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def inbox(settings: Settings, topics: Topics, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    return await open_inbox(settings, topics, owner)


async def test_a_phone_first_then_both_then_the_user_id_alone(inbox: Inbox) -> None:
    await inbox.apply(message_from(PHONE))
    await inbox.apply(
        message_from(PHONE, USER),
        message_from(USER),
        message_from(USER, PHONE),
        message_from(PHONE),
    )
    assert await message_counts(inbox) == {PHONE: 5}
    assert await aliases(inbox) == {USER: PHONE}
    await inbox.assert_exact()


async def test_a_user_id_first_then_the_phone_that_names_it_then_the_phone_alone(
    inbox: Inbox,
) -> None:
    await inbox.apply(message_from(USER), message_from(PHONE, USER), message_from(PHONE))
    assert await message_counts(inbox) == {USER: 3}
    assert await aliases(inbox) == {PHONE: USER}
    await inbox.assert_exact()


async def test_both_in_the_first_message_of_all(inbox: Inbox) -> None:
    await inbox.apply(message_from(PHONE, USER), message_from(USER))
    assert await message_counts(inbox) == {PHONE: 2}
    assert [read.kind for read in await log_of(inbox, PHONE)] == [
        "conversation.created",
        *["conversation.message_recorded"] * 2,
    ]


async def test_in_one_batch_it_is_as_one_by_one(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner
) -> None:
    # All have one key, and are published before the worker starts: one poll, one transaction.
    await worker.stop()
    inbox = Inbox(settings, topics, owner)
    fourth = "whatsapp:+4944"
    given = [
        *(
            message_from(USER),
            message_from(PHONE),
            message_from(THIRD, fourth),
            message_from(fourth),
            message_from(PHONE, USER),
        ),
        *(
            message_from(THIRD, PHONE),
            message_from(fourth),
            message_from(THIRD),
            message_from(PHONE),
        ),
    ]
    await topics.publish(*[one._replace(key="one") for one in given])
    await worker.start()
    await topics.read_until("conversations", 3 + len(given) + 2)
    assert await message_counts(inbox) == {USER: 6, PHONE: 1, THIRD: 2}
    assert await aliases(inbox) == {fourth: USER}
    batches = "SELECT count(DISTINCT recorded_at) FROM inbox.messages"
    assert await owner.fetchval(batches) == 1
    await inbox.assert_exact()


async def test_nothing_crosses_accounts_or_channels(inbox: Inbox) -> None:
    await inbox.apply(message_from(PHONE, USER))
    elsewhere: tuple[dict[str, Any], ...] = ({"channel_id": "wa2"}, {"account_id": "other"})
    for fields in elsewhere:
        await inbox.apply(message_from(USER, **fields), message_from(PHONE, **fields))
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
    await inbox.apply(message_from(PHONE, USER, channel_id="wa2"))
    found = await inbox.owner.fetch(
        "SELECT account_id, channel_id, contact_address FROM inbox.conversations"
        " WHERE merged_into IS NOT NULL"
    )
    assert [tuple(row) for row in found] == [("acme", "wa2", PHONE)]
