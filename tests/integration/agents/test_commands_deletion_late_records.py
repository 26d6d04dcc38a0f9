"""Late and repeated records never bring a deleted conversation back."""

from collections import Counter
from datetime import timedelta

import pytest

from tests.harness.deletion import (
    BODY,
    HOUR,
    MARIA,
    NAME,
    REPLY,
    UNKNOWN,
    WORDS,
    columns_holding,
    count_rows,
    delete,
    earlier,
    fill_conversation,
    later,
    log_of,
    request,
    tombstone,
)
from tests.harness.inbox import Inbox, Owner, answers, open_inbox
from tests.harness.input_events import command, link, message, note_changed, reply, unlink
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings

INSTANT = timedelta(microseconds=1)


@pytest.fixture
async def inbox(settings: Settings, topics: Topics, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    return await open_inbox(settings, topics, owner)


@pytest.mark.parametrize("historical", [False, True], ids=["message", "import"])
async def test_what_a_provider_repeats_never_brings_a_conversation_back(
    inbox: Inbox, historical: bool
) -> None:
    await inbox.apply(
        earlier(provider_message_id="SM1"), earlier(provider_message_id="SM2"), delete()
    )
    before = [len(await inbox.read(topic)) for topic in ("conversations", "notifications")]
    # Repeats from a log have their old time; repeats from a webhook have the present time.
    repeats = [
        earlier(provider_message_id="SM1", historical=historical),
        later(provider_message_id="SM1", historical=historical),
        later(provider_message_id="SM2", historical=historical),
    ]
    await inbox.apply(*repeats)
    assert await count_rows(inbox.owner, "conversations") == 0
    assert await count_rows(inbox.owner, "messages") == 0

    # They change nothing before, together with and after a new message of the contact.
    await inbox.apply(*repeats, later(), *repeats)
    await inbox.apply(*repeats)
    after = [len(await inbox.read(topic)) for topic in ("conversations", "notifications")]
    assert after == [before[0] + 2, before[1] + 1]
    assert await count_rows(inbox.owner, "messages") == 1
    assert await columns_holding(inbox.owner, BODY, NAME) == set()


async def test_a_message_not_later_than_the_deletion_never_brings_a_conversation_back(
    inbox: Inbox,
) -> None:
    await inbox.apply(message(MARIA), delete())
    deleted_at = (await tombstone(inbox.owner))["deleted_at"]
    # They were never recorded: they were sent before the deletion, and come late.
    late = [
        earlier(sent_at=deleted_at - HOUR),
        earlier(sent_at=deleted_at),
        earlier(sent_at=deleted_at, historical=True),
    ]
    await inbox.apply(*late)
    assert await count_rows(inbox.owner, "conversations") == 0

    await inbox.apply(*late, later(sent_at=deleted_at + INSTANT), *late)
    assert await count_rows(inbox.owner, "messages") == 1
    await inbox.apply(*late)
    assert await count_rows(inbox.owner, "messages") == 1
    assert [read.kind for read in await log_of(inbox)] == [
        "conversation.created",
        "conversation.message_recorded",
        "conversation.deleted",
        "conversation.created",
        "conversation.message_recorded",
    ]
    assert await columns_holding(inbox.owner, BODY, NAME) == set()


async def test_every_command_on_a_deleted_conversation_is_refused_and_changes_nothing(
    inbox: Inbox,
) -> None:
    await fill_conversation(inbox)
    [*_, newest] = await inbox.read("notes")
    await inbox.apply(delete())
    before = await tombstone(inbox.owner)
    counts = [len(await inbox.read(topic)) for topic in ("conversations", "notes")]
    commands = [
        command("assign", MARIA, "ana", assignee_id="ana"),
        command("close", MARIA, "ana"),
        command("reopen", MARIA, "ana"),
        delete(),
        link(MARIA, "deal:d1"),
        link(MARIA, "deal:d3", request_id="r2"),
        unlink(MARIA, "deal:d1"),
        request(request_id="r3"),
        reply(MARIA, REPLY),
    ]
    answered = len(await inbox.read("results"))
    await inbox.apply(*commands, note_changed("deleted", MARIA, newest.data["note_id"]))
    found = (await inbox.read("results"))[answered:]
    assert Counter(answers(found)) == Counter(
        {
            ("conversation.assign", UNKNOWN, 0): 1,
            ("conversation.close", UNKNOWN, 0): 1,
            ("conversation.reopen", UNKNOWN, 0): 1,
            ("conversation.delete", UNKNOWN, 0): 1,
            ("conversation.link", UNKNOWN, 0): 2,
            ("conversation.unlink", UNKNOWN, 0): 1,
            ("entity.request", UNKNOWN, 0): 1,
            ("message.send", UNKNOWN, 0): 1,
        }
    )
    assert [len(await inbox.read(topic)) for topic in ("conversations", "notes")] == counts
    assert await columns_holding(inbox.owner, *WORDS) == set()
    assert await tombstone(inbox.owner) == before
    assert await inbox.topics.read("dead-letters") == []
