"""Two versions of the program share the work, and go on with what older ones have written."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

import asyncpg
import pytest

from bench.checkers.messages import check
from bench.load.input_events import directory
from bench.load.message_load import MessageLoad
from bench.load.publishing import publish
from bench.mock_twilio import MockTwilio
from bench.runs.workers import until_applied
from db.commands import Outcome, load_outcome
from db.connect import connect
from db.databases import ensure_database
from db.migrate import migrate, migrations
from db.outbox import OutboxRecord, add_outbox
from tests.conftest import OWNER_PASSWORD, WORKER_PASSWORD
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT, conversation, message
from tests.harness.program_versions import LATER, NEWEST, LaterWorker, pretend
from tests.harness.sending_inbox import MARIA
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings, required

LOAD = MessageLoad(messages=900, conversations=40, doubled=0.1, commands=0.2)


@pytest.mark.long
async def test_old_and_new_workers_share_the_work_while_the_database_is_migrated(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = replace(settings, web_port=free_port())
    old = Worker(settings, tmp_path / "old.log")
    new = LaterWorker(there, tmp_path / "new.log")
    rest = LOAD.events()
    published = await publish(settings, directory())
    try:
        await old.start()
        # A message that is applied before its users are known notifies nobody.
        await until_applied(settings, [], published)
        published += await publish(settings, islice(rest, 300))
        pretend(monkeypatch, *migrations(), LATER)
        assert await migrate(required(settings.migration_database_url, "database")) == [LATER.name]
        await new.start()
        published += await publish(settings, islice(rest, 300))
        # The supervisor starts an old one again, and then a new one.
        old.kill()
        await old.start()
        published += await publish(settings, islice(rest, 300))
        await new.stop()
        await new.start()
        published += await publish(settings, rest)
        await until_applied(settings, [], published)
        assert await new.is_ready()
        assert await old.is_ready()
    finally:
        await old.stop()
        await new.stop()
    counted = await check(settings)
    assert counted["messages"] + counted["erased messages"] == LOAD.messages
    assert "Traceback" not in (tmp_path / "old.log").read_text()


async def test_a_worker_that_is_too_old_ends_with_one_line(
    settings: Settings, owner: Owner, tmp_path: Path
) -> None:
    await owner.execute(
        "INSERT INTO inbox.migrations (number, name, readable_from) VALUES ($1, 'later', $1)",
        NEWEST + 1,
    )
    worker = Worker(settings, tmp_path / "worker.log")
    await worker.start(ready=False)
    assert await asyncio.to_thread(worker.process.wait, 60) == 1
    log = worker.log.read_text()
    assert "cannot go on: the database is at migration" in log
    assert "update this program" in log
    assert "Traceback" not in log


ROWS_OF_0_2_0 = (
    "INSERT INTO inbox.accounts VALUES ('acme', 3)",
    "INSERT INTO inbox.users (account_id, user_id, name, email, inbox_access, available, settings)"
    " VALUES ('acme', 'ana', 'Ana', 'ana@example.com', true, true, '{}')",
    "INSERT INTO inbox.channels (account_id, channel_id, provider, address, name, installed_by,"
    " removed, installed_at) VALUES ('acme', 'wa1', 'twilio', 'whatsapp:+14155238886', 'WhatsApp',"
    " 'ana', false, now())",
    "INSERT INTO inbox.conversations (account_id, conversation_id, channel_id, contact_address,"
    " contact_name, status, assignee_id, version, message_count, last_message_at, last_inbound_at,"
    " link_count, window_until, last_direction) VALUES ('acme', $1, 'wa1', $2, 'Maria', 'open',"
    " 'ana', 5, 2, now(), now(), 1, now() + interval '20 hours', 'outbound')",
    "INSERT INTO inbox.messages (account_id, conversation_id, message_id, channel_id,"
    " provider_message_id, direction, sender_name, sender_address, body, media, sent_at,"
    " historical, recorded_at, version) VALUES"
    " ('acme', $1, gen_random_uuid(), 'wa1', 'SM1', 'inbound', 'Maria', $2, 'Hello', '[]', now(),"
    " false, now(), 2),"
    " ('acme', $1, '00000000-0000-4000-8000-000000000001', 'wa1', NULL, 'outbound', 'Ana',"
    " 'whatsapp:+14155238886', 'one two', '[]', now(), false, now(), 5)",
    "INSERT INTO inbox.links (account_id, conversation_id, entity_type, entity_id, linked_at,"
    " note_id, note_revision, note_starts_at, note_message_count, note_character_count,"
    " note_left_alone) VALUES ('acme', $1, 'deal', '7', now(), gen_random_uuid(), 2, now(), 2, 12,"
    " false)",
    "INSERT INTO inbox.sends (account_id, conversation_id, version, part, parts, message_id,"
    " command_id, channel_id, from_address, to_address, body, media_urls, state, attempts,"
    " created_at, due_at, told_uncertain) SELECT 'acme', $1, 5, part, 2,"
    " '00000000-0000-4000-8000-000000000001', 'command-1', 'wa1', 'whatsapp:+14155238886', $2,"
    " (ARRAY['one', 'two'])[part], '{}', 'queued', 0, now(), now(), false"
    " FROM generate_series(1, 2) AS part",
    "INSERT INTO inbox.commands VALUES ('acme', 'command-0', now())",
    "INSERT INTO inbox.outbox_shards SELECT shard, 0 FROM generate_series(0, 3) AS shard",
)
"""What version 0.2.0 wrote, at migration 3: a conversation with a link, a message, a reply of two
parts that are not sent yet, and a command that was applied. $1 is the conversation, $2 the
contact."""

WAITING = OutboxRecord("conversations", 0, b"k", b'{"id": "waiting", "data": {}}', None)


@pytest.fixture
async def written_by_old(
    settings: Settings, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Settings]:
    """A database that version 0.2.0 has written, and that is migrated since."""
    name = f"written_by_old_{settings.group}"
    await ensure_database(postgres.superuser_url, name)
    url = postgres.url(name, "inbox_owner", OWNER_PASSWORD)
    known = migrations()
    pretend(monkeypatch, *known[:3])
    await migrate(url)
    owner = await asyncpg.connect(url)
    for statement in ROWS_OF_0_2_0:
        needed = sum(parameter in statement for parameter in ("$1", "$2"))
        await owner.execute(statement, *(conversation(MARIA), MARIA)[:needed])
    topic = settings.topic(WAITING.topic)
    await add_outbox(owner, [(0, [WAITING._replace(topic=topic)])])
    await owner.close()
    pretend(monkeypatch, *known)
    await migrate(url)
    yield replace(
        settings,
        database_url=postgres.url(name, "inbox_worker", WORKER_PASSWORD),
        given_migration_database_url=url,
    )


async def test_what_an_old_version_has_written_gets_a_place_among_conversations_but_no_outcome(
    written_by_old: Settings,
) -> None:
    worker = await connect(required(written_by_old.database_url, "database"), "test")
    try:
        [[newest, slot]] = await worker.fetch(
            "SELECT last_message_at, activity_slot FROM inbox.conversations"
        )
        assert slot <= newest < slot + timedelta(minutes=15)
        assert (slot.minute % 15, slot.second, slot.microsecond) == (0, 0, 0)
        assert await load_outcome(worker, ACCOUNT, "command-0") == Outcome(None, None)
    finally:
        await worker.close()


async def test_a_worker_goes_on_with_what_an_old_version_has_written(
    written_by_old: Settings, topics: Topics, tmp_path: Path
) -> None:
    async with MockTwilio() as mock:
        given = replace(written_by_old, twilio_api_url=mock.url, send_rates={"": 1000.0})
        worker = Worker(given, tmp_path / "worker.log", "ingest,relay,send,web")
        await worker.start()
        await topics.publish(message(MARIA, "Again"))

        async def has_sent() -> bool:
            return len(mock.ledger.sends) == 2

        async def have_been_accepted() -> bool:
            kinds = [read.kind for read in await topics.read("messages.sent")]
            return kinds.count("message.accepted") == 2

        await until(has_sent, "both parts")
        assert [sent.body for sent in mock.ledger.sends] == ["one", "two"]
        await until(have_been_accepted, "the events of both parts")
        events = await topics.read_until("conversations", 2)
        [note] = await topics.read_until("notes", 1)
        await worker.stop()
    assert sorted(read.event["id"] == "waiting" for read in events) == [False, True]
    [recorded] = [read.event for read in events if read.event["id"] != "waiting"]
    assert (recorded["data"]["version"], recorded["data"]["after"]["assignee_id"]) == (6, "ana")
    assert note.kind == "note.appended"
    assert (note.data["revision"], [each["body"] for each in note.data["messages"]]) == (
        3,
        ["Again"],
    )
    assert "Traceback" not in worker.log.read_text()
