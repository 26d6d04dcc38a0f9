"""`inbox erase` deletes all conversations of a contact, and prints the outcome of each."""

import asyncio
from dataclasses import replace

import pytest
from click.testing import CliRunner

from tests.harness.command import Completed, environment_without_settings, inbox, run
from tests.harness.inbox import Owner
from tests.harness.input_events import (
    ACCOUNT,
    channel,
    command,
    conversation,
    event,
    link,
    message,
    user,
)
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.cli import inbox as command_line
from workers.settings import Settings

MARIA, OTHER = "whatsapp:+4915112345678", "whatsapp:+4922"
BODY = "unmistakable-words"

SELECT = ("--account", ACCOUNT, "--contact", MARIA)


async def known(owner: Owner, *, users: int, channels: int) -> None:
    """Wait until the directory has so many users and channels."""

    async def applied() -> bool:
        query = "SELECT (SELECT count(*) FROM inbox.users), (SELECT count(*) FROM inbox.channels)"
        return tuple(await owner.fetchrow(query) or ()) == (users, channels)

    await until(applied, "the directory")


async def conversations(owner: Owner) -> set[str]:
    """Returns the ids of all conversations."""
    return {row[0] for row in await owner.fetch("SELECT conversation_id::text FROM conversations")}


@pytest.fixture
async def owner(owner: Owner) -> Owner:
    """The schema's owner, whose queries need not name the schema."""
    await owner.execute("SET search_path TO inbox")
    return owner


@pytest.fixture
async def of_two_channels(topics: Topics, worker: Worker, owner: Owner) -> list[str]:
    """Maria's conversations with two channels, which ana and bo installed."""
    await topics.publish(user("ana"), user("bo"), channel("whatsapp:+1", "ana"))
    await topics.publish(channel("whatsapp:+2", "bo", "wa2"))
    await known(owner, users=2, channels=2)
    sent_at = "2026-03-02T11:02:00+01:00"
    await topics.publish(
        message(MARIA, BODY, sent_at=sent_at),
        message(MARIA, BODY, sent_at="2026-03-01T10:02:00Z"),
        message(MARIA, BODY, channel_id="wa2", sent_at=sent_at),
        message(OTHER, BODY),
        message(MARIA, BODY, account_id="another"),
    )
    await topics.read_until("conversations", 9)
    await topics.publish(link(MARIA, "deal:d1"), command("close", MARIA, "bo"))
    await topics.read_until("results", 2)
    return [conversation(MARIA), conversation(MARIA, channel="wa2")]


async def test_without_yes_it_says_what_it_would_erase_and_erases_nothing(
    settings: Settings, topics: Topics, of_two_channels: list[str], owner: Owner
) -> None:
    before = await conversations(owner)
    commands = await topics.read("lifecycle")
    shown = await inbox(settings, "erase", *SELECT)

    assert (shown.status, shown.err) == (0, "")
    first, second = of_two_channels
    assert shown.lines == [
        f"{first}  channel wa1  closed  messages 2  links 1  newest 2026-03-02 10:02:00 UTC"
        "  to be deleted by ana",
        f"{second}  channel wa2  open  messages 1  links 0  newest 2026-03-02 10:02:00 UTC"
        "  to be deleted by bo",
        "2 conversations found, none erased: add --yes to erase",
    ]
    assert await conversations(owner) == before
    assert await topics.read("lifecycle") == commands


async def test_with_yes_each_conversation_is_deleted_by_who_installed_its_channel(
    settings: Settings, topics: Topics, of_two_channels: list[str], owner: Owner
) -> None:
    before = await conversations(owner)
    erased = await inbox(settings, "erase", *SELECT, "--yes")

    assert (erased.status, erased.err) == (0, "")
    assert sorted(erased.lines) == sorted(f"{each}  erased" for each in of_two_channels)
    # Those of another contact stay, and those of the same contact in another account.
    assert await conversations(owner) == before - set(of_two_channels)
    assert len(before) == 4
    rows = await owner.fetch("SELECT conversation_id::text, deleted_by FROM tombstones")
    assert dict(map(tuple, rows)) == dict(zip(of_two_channels, ("ana", "bo"), strict=True))
    deleted = [r for r in await topics.read("conversations") if r.kind == "conversation.deleted"]
    assert len(deleted) == 2

    again = await inbox(settings, "erase", *SELECT, "--yes")
    assert (again.status, again.err) == (0, "")
    assert again.out == "nothing found: the account has no conversation of this contact\n"
    assert BODY not in erased.out + erased.err


async def test_what_nobody_may_delete_is_named_with_the_remedy_and_the_others_are_erased(
    settings: Settings, topics: Topics, of_two_channels: list[str], owner: Owner
) -> None:
    # wa1 is still ana's. bo is removed, cy has no inbox access, and wa4 was never installed.
    await topics.publish(
        user("cy", inbox_access=False),
        channel("whatsapp:+3", "cy", "wa3"),
        event("user.removed", {"account_id": ACCOUNT, "user_id": "bo"}, key=ACCOUNT),
    )
    await known(owner, users=2, channels=3)
    await topics.publish(*[message(MARIA, BODY, channel_id=id_) for id_ in ("wa3", "wa4")])
    await topics.read_until("conversations", 15)
    wa1, wa2, wa3, wa4 = (conversation(MARIA, channel=id_) for id_ in ("wa1", "wa2", "wa3", "wa4"))
    remedy = "publish channel.installed again, naming an installer who has inbox access"
    obstacles = {
        wa2: f"bo, who installed channel wa2, is no user any more: {remedy}",
        wa3: f"cy, who installed channel wa3, has no inbox access: {remedy}",
        wa4: f"channel wa4 is unknown: {remedy}",
    }
    shown = await inbox(settings, "erase", *SELECT)
    assert shown.status == 0
    for line, (id_, obstacle) in zip(shown.lines[1:4], obstacles.items(), strict=True):
        assert line.startswith(id_)
        assert line.endswith(f"  cannot be deleted: {obstacle}")

    erased = await inbox(settings, "erase", *SELECT, "--yes")
    assert erased.status == 1
    not_erased = [f"{id_}  not erased: {obstacle}" for id_, obstacle in obstacles.items()]
    assert erased.lines == [*not_erased, f"{wa1}  erased"]
    assert erased.err == "inbox: 3 of 4 conversations not erased\n"
    assert not await conversations(owner) & {wa1}

    # The remedy that the lines contain.
    await topics.publish(*[channel("whatsapp:+9", "ana", id_) for id_ in ("wa2", "wa3", "wa4")])
    await known(owner, users=2, channels=4)
    rest = await inbox(settings, "erase", *SELECT, "--yes")
    assert (rest.status, rest.err) == (0, "")
    assert sorted(rest.lines) == sorted(f"{id_}  erased" for id_ in (wa2, wa3, wa4))


async def _start_erase(
    settings: Settings, topics: Topics, records: int
) -> "asyncio.Task[Completed]":
    """Start `inbox erase --yes`, and wait until its commands are published.

    The topic `lifecycle` then has so many records.
    """
    task = asyncio.create_task(inbox(settings, "erase", *SELECT, "--yes"))
    await topics.read_until("lifecycle", records)
    return task


async def test_a_command_that_is_rejected_is_told_with_its_code(
    settings: Settings, topics: Topics, worker: Worker, of_two_channels: list[str]
) -> None:
    await worker.stop()
    # Another delete was published before. It stays unapplied until the worker is back.
    await topics.publish(command("delete", MARIA, "ana"))
    before = len(await topics.read("lifecycle"))
    task = await _start_erase(settings, topics, before + 2)
    await worker.start()
    erased = await task

    first, second = of_two_channels
    assert erased.status == 1
    assert sorted(erased.lines) == sorted(
        [
            f"{first}  not erased: unknown_conversation: no conversation {first}",
            f"{second}  erased",
        ]
    )
    assert erased.err == "inbox: 1 of 2 conversations not erased\n"


async def test_a_command_that_nobody_answers_in_time_is_told_and_is_applied_later(
    settings: Settings, topics: Topics, worker: Worker, of_two_channels: list[str], owner: Owner
) -> None:
    await worker.stop()
    erased = await inbox(settings, "erase", *SELECT, "--yes", "--wait", "1")

    assert erased.status == 1
    ids = [record.event["id"] for record in await topics.read("lifecycle")][-2:]
    assert {line.partition("  ")[0] for line in erased.lines} == set(of_two_channels)
    for line in erased.lines:
        assert "not answered within 1 s: command " in line
        assert any(id_ in line for id_ in ids)
    assert erased.err == "inbox: 2 of 2 conversations not erased\n"

    await worker.start()
    await topics.read_until("results", 4)
    assert not await conversations(owner) & set(of_two_channels)


async def test_what_is_missing_or_away_is_one_line(settings: Settings) -> None:
    no_database = await run(environment_without_settings(), "erase", *SELECT)
    assert no_database.status == 2
    assert no_database.err == ("inbox: INBOX_DATABASE_URL: is not set, and this command needs it\n")
    no_kafka = await inbox(replace(settings, kafka=None), "erase", *SELECT, "--yes")
    assert no_kafka.status == 2
    assert no_kafka.err == "inbox: INBOX_KAFKA: is not set, and this command needs it\n"
    # Without --yes no Kafka is needed.
    without = await inbox(replace(settings, kafka=None), "erase", *SELECT)
    assert without.err == f"inbox: no such account here: {ACCOUNT}\n"

    no_topics = await inbox(replace(settings, topic_prefix="nowhere."), "erase", *SELECT, "--yes")
    assert no_topics.status == 1
    assert no_topics.err == (
        "inbox: nowhere.lifecycle, nowhere.results: no such topic, run `inbox topics`\n"
    )
    nowhere = replace(settings, database_url="postgresql://inbox@127.0.0.1:1/inbox")
    away = await inbox(nowhere, "erase", *SELECT)
    assert (away.status, away.out) == (1, "")
    assert away.err.startswith("inbox: Postgres does not answer: ")
    assert "Traceback" not in away.err


async def test_what_no_text_can_hold_is_refused(settings: Settings) -> None:
    # A shell passes on bytes that are not UTF-8, but not NUL. Other programs may pass on NUL.
    for select in (("--account", "a\udcff", "--contact", MARIA), (*SELECT[:3], "+49\udcff")):
        refused = await inbox(settings, "erase", *select)
        assert (refused.status, refused.out) == (2, "")
        assert "holds what no text can" in refused.err
    for select in (("--account", "a\0", "--contact", MARIA), (*SELECT[:3], "+49\0")):
        refused_here = CliRunner().invoke(command_line, ["erase", *select])
        assert refused_here.exit_code == 2
        assert "holds what no text can" in refused_here.output
