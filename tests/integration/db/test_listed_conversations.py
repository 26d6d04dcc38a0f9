"""What lists show of conversations, and how far users have seen them."""

from typing import TypeAlias

import asyncpg

from db.listed_conversations import ListedConversation, load_listed, seen_versions
from schemas.fields import AccountId, UserId
from tests.harness.input_events import ACCOUNT
from tests.harness.stored_conversations import (
    NOON,
    numbered,
    store_conversation,
    store_directory,
    store_message,
)

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def listed(owner: Owner, *numbers: int) -> list[ListedConversation]:
    return await load_listed(owner, ACCOUNT, [numbered(number) for number in numbers])


async def test_what_lists_show_comes_in_the_order_of_the_ids(owner: Owner) -> None:
    await store_directory(owner)
    for number in (1, 2, 3):
        await store_conversation(owner, number)
    await store_conversation(owner, 4, account_id="other")
    found = await listed(owner, 2, 4, 9, 1)
    assert [each.conversation_id for each in found] == [numbered(2), numbered(1)]
    assert await listed(owner) == []
    assert await load_listed(owner, AccountId("other"), [numbered(1)]) == []


async def test_the_assignee_has_a_name_unless_they_were_removed(owner: Owner) -> None:
    await store_directory(owner)
    await store_conversation(owner, 1, assignee_id="bo")
    await store_conversation(owner, 2, assignee_id="gone")
    one, two = await listed(owner, 1, 2)
    assert (one.assignee_id, one.assignee_name) == ("bo", "Bo")
    assert (two.assignee_id, two.assignee_name) == ("gone", None)
    assert (one.channel_name, one.provider) == ("Sales", "whatsapp")


async def test_a_channel_that_the_directory_has_not_yet_has_no_name(owner: Owner) -> None:
    await store_directory(owner)
    await store_conversation(owner, 1, channel_id="new")
    [one] = await listed(owner, 1)
    assert (one.channel_id, one.channel_name, one.provider) == ("new", None, None)


async def test_the_last_message_is_shown_as_notifications_show_it(owner: Owner) -> None:
    await store_directory(owner)
    for number in (1, 2, 3, 4):
        await store_conversation(owner, number)
    await store_message(owner, numbered(1), 1, "First")
    await store_message(owner, numbered(1), 2, "x" * 500, direction="outbound")
    file = '[{"url": "https://example.com/1", "content_type": "image/png"}]'
    await store_message(owner, numbered(2), 1, "", media=file)
    place = '{"location": {"label": "Head office"}}'
    await store_message(owner, numbered(3), 1, "", context=place)
    long, image, location, silent = await listed(owner, 1, 2, 3, 4)
    assert (long.last_direction, long.preview) == ("outbound", "x" * 139 + "…")
    assert (image.last_direction, image.preview) == ("inbound", "image/png")
    assert "Head office" in location.preview
    assert (silent.last_direction, silent.preview) == (None, "")


async def test_what_the_contact_wrote_last_is_known_by_its_version(owner: Owner) -> None:
    await store_directory(owner)
    for number in (1, 2):
        await store_conversation(owner, number)
    await store_message(owner, numbered(1), 1)
    await store_message(owner, numbered(1), 2)
    await store_message(owner, numbered(1), 3, direction="outbound")
    await store_message(owner, numbered(1), 4, historical=True)
    [one] = await listed(owner, 1)
    assert one.inbound_version == 2
    # However many replies follow, it was the contact's last.
    await store_message(owner, numbered(2), 1)
    for version in range(2, 62):
        await store_message(owner, numbered(2), version, direction="outbound")
    assert [each.inbound_version for each in await listed(owner, 2)] == [1]
    # It was sent before all of them, and came late: nobody has seen it.
    await store_message(owner, numbered(2), 62, sent_at=NOON)
    assert [each.inbound_version for each in await listed(owner, 2)] == [62]


async def test_how_far_users_have_seen_conversations(owner: Owner) -> None:
    for account, user, version in ((ACCOUNT, "ana", 3), (ACCOUNT, "bo", 2), ("other", "ana", 9)):
        await owner.execute(
            "INSERT INTO inbox.seen (account_id, conversation_id, user_id, version)"
            " VALUES ($1, $2, $3, $4)",
            account,
            numbered(1),
            user,
            version,
        )
    found = await seen_versions(
        owner, ACCOUNT, [numbered(1), numbered(2)], [UserId("ana"), UserId("bo")]
    )
    assert found == {(numbered(1), "ana"): 3, (numbered(1), "bo"): 2}
