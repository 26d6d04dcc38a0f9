"""Only the user who installed a conversation's channel may delete it."""

import pytest

from tests.harness.deletion import BODY, JONAS, MARIA, SENDER, UNKNOWN, count_rows, delete, results
from tests.harness.inbox import Inbox, Owner, open_inbox
from tests.harness.input_events import ACCOUNT, CHANNEL, channel, conversation, event, message, user
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def inbox(settings: Settings, topics: Topics, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    return await open_inbox(settings, topics, owner)


async def test_only_the_user_who_installed_the_channel_may_delete(inbox: Inbox) -> None:
    await inbox.apply(
        user("cy", inbox_access=False),
        message(MARIA),
        message(JONAS, channel_id="untold"),
    )
    untold = conversation(JONAS, channel="untold")
    data = {"account_id": ACCOUNT, "conversation_id": untold, "actor_id": "ana"}
    await inbox.apply(
        delete(actor="bo", id="bo"),
        delete(actor="cy", id="cy"),
        delete(actor="nobody", id="nobody"),
        event("conversation.delete", data, key=untold, id="untold"),
    )
    assert await results(inbox) == {
        "bo": ("not_installer", 2),
        "cy": ("no_inbox_access", 2),
        "nobody": ("unknown_user", 2),
        "untold": ("unknown_channel", 2),
    }
    assert len(await inbox.read("conversations")) == 4
    assert await inbox.owner.fetchval("SELECT count(*) FROM inbox.conversations") == 2
    assert await inbox.owner.fetchval("SELECT count(*) FROM inbox.tombstones") == 0

    await inbox.apply(delete(id="ana"))
    assert (await results(inbox))["ana"] == (None, 3)
    assert await count_rows(inbox.owner, "conversations") == 0


async def test_who_installed_the_channel_last_may_delete_though_it_was_removed(
    inbox: Inbox,
) -> None:
    removed = event("channel.removed", {"account_id": ACCOUNT, "channel_id": CHANNEL}, key=ACCOUNT)
    await inbox.apply(message(MARIA), channel(SENDER, installed_by="bo"), removed)
    await inbox.apply(delete(actor="ana", id="ana"), delete(actor="bo", id="bo"))
    assert await results(inbox) == {"ana": ("not_installer", 2), "bo": (None, 3)}


async def test_nobody_deletes_in_the_name_of_another_account(inbox: Inbox) -> None:
    theirs = event(
        "channel.installed",
        {
            "account_id": "other",
            "channel_id": CHANNEL,
            "provider": "whatsapp",
            "address": SENDER,
            "name": "Theirs",
            "installed_by": "ana",
        },
        key="other",
    )
    await inbox.apply(user("ana", account="other"), theirs)
    await inbox.apply(message(MARIA, BODY), message(MARIA, BODY, account_id="other"))
    await inbox.apply(delete(account_id="other", id="other"))
    assert await results(inbox) == {"other": (UNKNOWN, 0)}
    assert await count_rows(inbox.owner, "messages") == 1

    # A deletion in our account does not delete the other account's conversation either.
    await inbox.apply(delete(id="own"))
    rows = await inbox.owner.fetch("SELECT account_id, message_count FROM inbox.conversations")
    assert [tuple(row) for row in rows] == [("other", 1)]
    assert await inbox.owner.fetchval("SELECT count(*) FROM inbox.messages") == 1
