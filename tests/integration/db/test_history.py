"""The history is what the log says of conversations, and the outcomes are what the results say."""

from datetime import UTC, datetime
from typing import Any

from db.commands import Outcome, load_outcome
from db.connect import connect
from schemas.fields import AccountId
from tests.harness.inbox import Inbox, Owner, open_inbox
from tests.harness.input_events import ACCOUNT, command, conversation, link, message, reply, unlink
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings, required

MARIA = "whatsapp:+4911"
BECOMES_HISTORY = ("assigned", "unassigned", "closed", "reopened", "linked", "unlinked")


async def history(owner: Owner) -> list[tuple[Any, ...]]:
    """Returns all rows of the history, in order."""
    rows = await owner.fetch(
        "SELECT conversation_id::text, version, type, at, actor_id, reason, assignee_id,"
        " entity_type, entity_id FROM inbox.history WHERE account_id = $1 ORDER BY 1, 2",
        ACCOUNT,
    )
    return [tuple(row) for row in rows]


async def logged(inbox: Inbox, contact: str) -> list[tuple[Any, ...]]:
    """Returns what the log says of a conversation's history, in the order of the versions."""
    found = []
    for read in await inbox.read("conversations"):
        kind = read.kind.removeprefix("conversation.")
        if read.key != conversation(contact).encode() or kind not in BECOMES_HISTORY:
            continue
        data, entity = read.data, read.data.get("entity", {})
        at = datetime.fromisoformat(read.event["time"])
        by = (data["actor_id"], data["reason"], data["after"]["assignee_id"])
        entity_id = (entity.get("type"), entity.get("id"))
        found.append((conversation(contact), data["version"], kind, at, *by, *entity_id))
    return found


async def test_what_is_done_to_a_conversation_is_in_its_history_and_each_command_has_its_outcome(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner
) -> None:
    inbox = await open_inbox(settings, topics, owner)
    await inbox.apply(message(MARIA, sent_at=datetime.now(UTC)))
    # Issued after the message: a close that did not see it is rejected.
    await inbox.apply(
        command("assign", MARIA, "ana", assignee_id="bo", id="assign"),
        command("close", MARIA, "bo", id="close"),
        message(MARIA, sent_at=datetime.now(UTC)),
        link(MARIA, "deal:d1", id="link"),
        unlink(MARIA, "deal:d1", id="unlink"),
        command("assign", MARIA, "bo", assignee_id=None, id="unassign"),
        command("assign", MARIA, "bo", assignee_id=None, id="nothing to do"),
        command("close", MARIA, "nobody", id="unknown user"),
        command("close", "+nobody", "ana", id="unknown conversation"),
        reply(MARIA, "Hello", id="reply"),
    )

    log = await logged(inbox, MARIA)
    wanted = ["assigned", "closed", "reopened", "linked", "unlinked", "unassigned"]
    assert [row[2] for row in log] == wanted
    assert await history(owner) == log

    # The channel says when one of the contact's messages was recorded: it is written now and then.
    received = await owner.fetchval("SELECT last_received_at FROM inbox.channels")
    assert received in {
        datetime.fromisoformat(read.event["time"])
        for read in await inbox.read("conversations")
        if read.kind == "conversation.message_recorded" and read.data["direction"] == "inbound"
    }

    worker_connection = await connect(required(settings.database_url, "database"), "test")
    try:
        results = {read.data["command_id"]: read.data for read in await inbox.read("results")}
        accepted = {id_ for id_, data in results.items() if "code" not in data}
        assert results.keys() - accepted == {"unknown user", "unknown conversation"}
        assert len(accepted) == 7
        for id_, data in results.items():
            outcome = Outcome(data.get("code", "accepted"), data["version"])
            assert await load_outcome(worker_connection, ACCOUNT, id_) == outcome
        assert await load_outcome(worker_connection, ACCOUNT, "never issued") is None
        assert await load_outcome(worker_connection, AccountId("another"), "reply") is None

        # Commands of an older program have no outcome, and none is known of those that are pruned.
        # Of replies the message tells.
        replied = Outcome("accepted", results["reply"]["version"])
        await owner.execute("UPDATE inbox.commands SET code = NULL, version = NULL")
        assert await load_outcome(worker_connection, ACCOUNT, "close") == Outcome(None, None)
        assert await load_outcome(worker_connection, ACCOUNT, "reply") == replied
        await owner.execute("DELETE FROM inbox.commands")
        assert await load_outcome(worker_connection, ACCOUNT, "close") is None
        assert await load_outcome(worker_connection, ACCOUNT, "reply") == replied
    finally:
        await worker_connection.close()

    # A repeat of a reply has no result, and is still no other reply.
    await inbox.apply(reply(MARIA, "Hello", id="reply"))
    assert len(await inbox.read("results")) == len(results)
    assert await history(owner) == log
