"""Attacks on the whole system: across accounts, through texts, and by reading its logs."""

import re
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path

import aiohttp
import asyncpg
import msgspec
import pytest

from bench.mock_twilio.account import SID
from schemas.fields import AccountId
from tests.conftest import OWNER_PASSWORD, WORKER_PASSWORD
from tests.harness.inbox import Owner
from tests.harness.input_events import (
    Event,
    channel,
    command,
    conversation,
    link,
    message,
    note_changed,
    reply,
    user,
)
from tests.harness.topics import Topics
from tests.harness.twilio import CHANNELS, STATUS_PATH, Twilio, form
from tests.harness.waiting import until
from tests.harness.webhook_forms import messages
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings
from workers.settings.values import TwilioAccount

CONTACT = "whatsapp:+4915112345678"
SQL = "'; DROP TABLE inbox.messages; -- \" $1 %s"

BODY, NAME, TOKEN = "between-you-and-me", "Ana-Lucia-Quadros", "t0ken-of-acme-at-twilio"
ADDRESS = "4915187654321"

MESSAGE_SID = f"SM{'f' * 32}"
"""The id of no other message in these tests."""

TABLES = ("conversations", "messages", "links", "sends", "tombstones", "entity_requests")


def _named(event: Event, name: str) -> Event:
    """Returns a message with another name of the contact."""
    given = event.value.replace(b'"name":"Ana"', b'"name":' + msgspec.json.encode(name))
    assert given != event.value
    return event._replace(value=given)


async def _state(owner: Owner) -> dict[str, list[tuple[object, ...]]]:
    """Returns all rows of the tables that commands change."""
    return {
        table: [tuple(row) for row in await owner.fetch(f"SELECT * FROM inbox.{table} ORDER BY 1")]  # noqa: S608
        for table in TABLES
    }


@pytest.fixture
async def two_accounts(worker: Worker, topics: Topics, owner: Owner) -> AsyncIterator[Worker]:
    """Two accounts, each with a user who may do anything. `acme` has a linked conversation."""
    await topics.publish(user("ana"), channel(CHANNELS["wa1"]), user("eve", account="evil"))
    await topics.publish(message(CONTACT, BODY))
    await messages(owner, 1)
    await topics.publish(link(CONTACT, "deal:d1"))
    await topics.read_until("results", 1)
    yield worker


@pytest.mark.usefixtures("two_accounts")
async def test_a_command_that_names_another_accounts_conversation_finds_none(
    topics: Topics, owner: Owner
) -> None:
    entity = {"type": "deal", "id": "d1"}
    before, events = await _state(owner), len(await topics.read("conversations"))
    commands = [
        command("assign", CONTACT, "eve", account_id="evil", assignee_id="eve"),
        command("close", CONTACT, "eve", account_id="evil"),
        command("reopen", CONTACT, "eve", account_id="evil"),
        command("delete", CONTACT, "eve", account_id="evil"),
        command("link", CONTACT, "eve", account_id="evil", entity=entity),
        command("unlink", CONTACT, "eve", account_id="evil", entity=entity),
        command(
            "entity.request",
            CONTACT,
            "eve",
            account_id="evil",
            entity={"type": "lead", "name": "x"},
        ),
        reply(CONTACT, "Hello", "eve", account_id="evil"),
    ]
    await topics.publish(*commands)
    results = await topics.read_until("results", 1 + len(commands))
    refused = [read.data for read in results if read.data["account_id"] == "evil"]
    assert [data["code"] for data in refused] == ["unknown_conversation"] * len(commands)
    assert {data["version"] for data in refused} == {0}
    assert BODY not in str(refused)
    assert await _state(owner) == before
    assert len(await topics.read("conversations")) == events


@pytest.mark.usefixtures("two_accounts")
async def test_a_user_of_another_account_may_do_nothing_and_be_assigned_nothing(
    topics: Topics, owner: Owner
) -> None:
    before = await _state(owner)
    await topics.publish(
        command("close", CONTACT, "eve"),
        command("delete", CONTACT, "eve"),
        command("assign", CONTACT, "ana", assignee_id="eve"),
        reply(CONTACT, "Hello", "eve"),
    )
    results = await topics.read_until("results", 5)
    codes = [read.data["code"] for read in results if read.kind == "command.rejected"]
    assert codes == ["unknown_user"] * 4
    assert await _state(owner) == before


@pytest.mark.usefixtures("two_accounts")
async def test_what_another_account_reports_of_a_note_does_not_touch_it(topics: Topics) -> None:
    (created,) = await topics.read_until("notes", 1)
    event = note_changed("deleted", CONTACT, created.data["note_id"])
    decoded = msgspec.json.decode(event.value)
    decoded["data"]["account_id"] = "evil"
    await topics.publish(event._replace(value=msgspec.json.encode(decoded)))
    await topics.publish(message(CONTACT, "and more"))
    notes = await topics.read_until("notes", 2)
    assert {read.data["note_id"] for read in notes} == {created.data["note_id"]}


async def test_sql_in_every_text_is_kept_as_it_came_and_does_nothing(
    worker: Worker, topics: Topics, owner: Owner
) -> None:
    media = [{"url": SQL, "content_type": SQL}]
    await topics.publish(_named(message(SQL, SQL, media=media), SQL), message(CONTACT, "after"))
    row, _ = sorted(await messages(owner, 2), key=lambda row: str(row["body"]))
    assert (row["body"], row["sender_address"], row["sender_name"]) == (SQL, SQL, SQL)
    assert msgspec.json.decode(row["files"]) == media
    assert (
        await owner.fetchval(
            "SELECT contact_name FROM inbox.conversations WHERE conversation_id = $1",
            conversation(SQL),
        )
        == SQL
    )


@pytest.fixture
async def noisy(settings: Settings, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker at log level DEBUG, without a Twilio. Its token is in no log by chance."""
    account = TwilioAccount(account_id=AccountId("acme"), auth_token=TOKEN)
    loud = replace(
        settings,
        log_level="DEBUG",
        twilio_accounts={SID: account},
        twilio_api_url=f"http://127.0.0.1:{free_port()}",
    )
    worker = Worker(loud, tmp_path / "worker.log", "ingest,relay,send,web")
    await worker.start()
    yield worker
    await worker.stop()


async def _fail(topics: Topics, contact: str) -> None:
    """Publish records that the decoder, a rule or Postgres refuses."""
    good = message(contact, BODY).value
    text = BODY.encode()
    for bad in (
        good[:-9],
        good.replace(text, text + b"\\u0000"),
        good.replace(b'"sent_at":"', b'"sent_at":"' + text),
        good.replace(b'"provider_message_id":"', b'"provider_message_id":" ' + text),
    ):
        await topics.publish_raw("messages.received", bad)
    await topics.publish_raw("lifecycle", good)
    await topics.publish(reply(contact, BODY, "nobody"), command("close", contact, "nobody"))


async def _call(url: str, contact: str) -> None:
    """Post to the webhooks: unsigned, without a message, for no channel, and correctly."""
    address = CHANNELS["wa1"]
    async with aiohttp.ClientSession() as session:
        inbound = Twilio(url, session, token=TOKEN)
        body = form(From=contact, Body=BODY, ProfileName=NAME, MessageSid=MESSAGE_SID)
        assert await inbound.post_raw(body.encode(), {"X-Twilio-Signature": "forged"}) == 403
        assert await inbound.post(form(From=contact, Body=BODY, MessageSid=f" {BODY}")) == 400
        assert await inbound.post(form(From=contact, Body=BODY, To=f"{address}{ADDRESS}")) == 204
        assert await inbound.post(body) == 204
        status = form(To=contact, From=address, Body=BODY, MessageStatus="read")
        assert await Twilio(url, session, path=STATUS_PATH, token=TOKEN).post(status) == 200


async def _cut_off(postgres: EmbeddedPostgres, owner: Owner, publish: Awaitable[None]) -> None:
    """End the sessions of the workers while one of them is in the middle of a batch."""
    database = await owner.fetchval("SELECT current_database()")
    ours = "FROM pg_stat_activity WHERE datname = $1 AND usename = 'inbox_worker'"
    superuser = await asyncpg.connect(postgres.superuser_url)

    async def waits() -> bool:
        query = f"SELECT count(*) {ours} AND wait_event_type = 'Lock'"
        return bool(await superuser.fetchval(query, database))

    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE inbox.positions")
            await publish
            await until(waits, "a batch that waits")
            await superuser.fetch(f"SELECT pg_terminate_backend(pid) {ours}", database)
    finally:
        await superuser.close()


async def test_no_log_shows_a_text_an_address_a_name_or_a_secret_whatever_fails(
    noisy: Worker, postgres: EmbeddedPostgres, topics: Topics, owner: Owner
) -> None:
    contact = f"whatsapp:+{ADDRESS}"
    await topics.publish(user("ana"), channel(CHANNELS["wa1"]))
    await topics.publish(_named(message(contact, BODY), NAME))
    await messages(owner, 1)
    await _fail(topics, contact)
    await _call(noisy.settings.public_url, contact)
    await messages(owner, 2)
    await topics.publish(reply(contact, BODY), link(contact, "deal:d1"))
    await messages(owner, 3)
    more = [_named(message(contact, BODY), NAME) for _ in range(50)]
    await _cut_off(postgres, owner, topics.publish(*more))
    await messages(owner, 53)
    await topics.read_until("dead-letters", 6)
    log = noisy.log.read_text()
    for sign in ("DEBUG", "dead-lettered: unstorable", "refused: ", "again in"):
        assert sign in log
    for secret in (BODY, NAME, ADDRESS, TOKEN, WORKER_PASSWORD, OWNER_PASSWORD):
        assert secret not in log, _around(log, secret)


def _around(text: str, secret: str) -> str:
    """Returns the line that contains a secret."""
    return next(line for line in re.split(r"[\r\n]+", text) if secret in line)[:2000]


def test_every_test_that_the_documentation_names_is_there() -> None:
    root = Path(__file__).parents[3]
    referenced = re.findall(
        r"`(tests/\S+\.py)::(\w+)`", (root / "docs" / "security.md").read_text()
    )
    missing = [
        f"{file}::{name}"
        for file, name in referenced
        if f"def {name}(" not in (root / file).read_text("utf-8")
    ]
    assert referenced
    assert missing == []
