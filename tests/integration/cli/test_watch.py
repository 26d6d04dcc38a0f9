"""`inbox watch` prints committed records as they come, and joins no consumer group."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.resources import files

import asyncpg
import msgspec
from aiokafka.admin import AIOKafkaAdminClient

from tests.harness.command import inbox
from tests.harness.input_events import command, conversation, message, user
from tests.harness.topics import Topics
from tests.harness.waiting import LIMIT_SECONDS, until
from tests.harness.worker import Worker
from workers.follow.follower import FOLLOWED_TOPICS, Follower
from workers.settings import Settings

MARIA = "whatsapp:+4911"


@asynccontextmanager
async def watch(settings: Settings, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `inbox watch`, and kill it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers", "watch", *options),
        env=os.environ | settings.environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def lines(process: asyncio.subprocess.Process, count: int) -> list[str]:
    """Returns the next lines that it prints, without the time of day."""
    assert process.stdout is not None
    async with asyncio.timeout(LIMIT_SECONDS):
        read = [(await process.stdout.readline()).decode() for _ in range(count)]
    return [line.rstrip("\n").partition("  ")[2] for line in read]


async def test_watch_prints_a_plain_line_for_each_event_until_ctrl_c(
    settings: Settings,
    topics: Topics,
    worker: Worker,
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    await topics.publish(user("ana"))
    await until(lambda: owner.fetchval("SELECT count(*) FROM inbox.users"), "the user")
    await topics.publish(message(MARIA, "Hello there"))
    await topics.read_until("conversations", 2)
    await topics.publish(command("close", MARIA, "bo"), command("close", MARIA, "ana"))
    await topics.publish_raw("assignments", b"not for your eyes", partition=3)
    await topics.read_until("dead-letters", 1)
    await topics.read_until("results", 2)

    async with watch(settings, "--from-start") as process:
        shown = await lines(process, 7)
        short = conversation(MARIA)[:8]
        assert {line.split("  ", 1)[0] for line in shown if "dead letter" not in line} == {short}
        phrases = {line.rpartition("  ")[2] for line in shown}
        assert phrases == {
            "created, v1",
            "message recorded v2",
            'notification to ana (desktop): "Hello there"',
            "rejected: unknown_user (conversation.close: no user bo)",
            "closed by ana, v3",
            "accepted: conversation.close",
            f"dead letter 3:0: not_json, {settings.topic('assignments')}/3/0",
        }
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await process.wait() == 0


async def test_watch_prints_a_notes_new_messages_below_its_line(
    settings: Settings, topics: Topics
) -> None:
    example = files("schemas").joinpath("examples/inbox.note.appended.v1.json").read_bytes()
    note_id = msgspec.json.decode(example)["data"]["note_id"]
    await topics.publish_raw("notes", example)
    async with watch(settings, "--from-start", "--topic", "notes") as process:
        assert [line.strip() for line in await lines(process, 3)] == [
            f"9c2a538f  {'':16}  note {note_id[:8]} on person person-4711 appended, r2: 1 message",
            "2026-03-02 10:02:00 UTC, contact Ana Müller 👋 at whatsapp:+4915112345678 "
            "wrote to the inbox:",
            "Perfeito, fico com 100.",
        ]


async def test_watch_joins_no_consumer_group(
    settings: Settings, topics: Topics, admin: AIOKafkaAdminClient
) -> None:
    await topics.publish_raw("results", b"not an event", partition=2)
    async with watch(settings, "--from-start", "--topic", "results") as process:
        (line,) = await lines(process, 1)
        assert line.endswith(f"unreadable: not_json, {settings.topic('results')}/2/0")

        groups = await admin.list_consumer_groups()
        assert settings.group not in {name for name, *_ in groups}


async def test_a_follower_sees_what_comes_after_it_and_nothing_before(
    settings: Settings, topics: Topics
) -> None:
    await topics.publish_raw("dead-letters", b"before", key=b"before", partition=0)
    async with Follower(settings, FOLLOWED_TOPICS, from_start=False) as follower:
        await topics.publish_raw("dead-letters", b"after", key=b"after", partition=0)
        assert [record.key for record in await follower.read_to_end()] == ["after"]


async def test_watch_names_a_topic_that_is_unknown_or_missing(settings: Settings) -> None:
    unknown = await inbox(settings, "watch", "--topic", "conversations,nonsense")
    assert unknown.status == 2
    assert "nonsense: not one of conversations" in unknown.err

    elsewhere = replace(settings, topic_prefix="nowhere.")
    missing = await inbox(elsewhere, "watch", "--topic", "results,notes")
    assert missing.status == 1
    assert missing.err == "inbox: no topic nowhere.notes, nowhere.results: run `inbox topics`\n"
