"""`/conversations/{id}/history` over HTTP."""

from typing import Any

from tests.harness.api import ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import command, conversation, link, message, unlink, user
from workers.settings import Settings

CONTACT = "whatsapp:+4915112345678"
ANA, BO = {"user_id": "ana", "name": "Ana"}, {"user_id": "bo", "name": "Bo"}
DEAL = {"type": "deal", "id": "d1"}


async def history(client: ApiClient, **query: str) -> tuple[list[dict[str, Any]], str | None]:
    """Returns a page of the contact's conversation without times, and the cursor."""
    page = (await client.get(f"/conversations/{conversation(CONTACT)}/history", **query)).json
    assert all(each.pop("at").endswith("Z") for each in page["items"])
    return page["items"], page["before"]


async def test_the_history_says_who_did_what_newest_first(
    inbox: Inbox, ana: ApiClient, settings: Settings
) -> None:
    await inbox.apply(
        message(CONTACT),
        command("assign", CONTACT, "ana", assignee_id="bo"),
        link(CONTACT, "deal:d1"),
        unlink(CONTACT, "deal:d1"),
        user("eve", account="rival"),
    )
    # Its time has to be after the message was recorded.
    await inbox.apply(command("close", CONTACT, "ana"), message(CONTACT))
    whole, before = await history(ana)
    assert before is None
    assert whole[-1] == {
        "version": 3,
        "type": "assigned",
        "actor": ANA,
        "reason": "command",
        "assignee": BO,
        "entity": None,
    }
    changes = [(each["type"], each["actor"], each["assignee"], each["entity"]) for each in whole]
    assert changes == [
        ("reopened", None, BO, None),
        ("closed", ANA, BO, None),
        ("unlinked", ANA, BO, DEAL),
        ("linked", ANA, BO, DEAL),
        ("assigned", ANA, BO, None),
    ]
    first, cursor = await history(ana, limit="3")
    rest, end = await history(ana, limit="3", before=str(cursor))
    assert (first + rest, end) == (whole, None)
    path = f"/conversations/{conversation(CONTACT)}/history"
    async with ApiClient(settings, "eve", "rival") as eve:
        assert (await eve.get(path)).code == "not_found"
    assert (await ana.get(path, before="W10")).code == "invalid_request"
    # Who was removed has no name any more; what was deleted has no history.
    await inbox.owner.execute("DELETE FROM inbox.users WHERE user_id = 'bo'")
    assert (await history(ana))[0][0]["assignee"] == {"user_id": "bo", "name": None}
    await inbox.apply(command("delete", CONTACT, "ana"))
    assert (await ana.get(path)).code == "not_found"
    await inbox.apply(message(CONTACT, sent_at="2030-01-01T00:00:00Z"))
    # The version tells what is left of the deleted one. The time does not: a clock may be behind.
    deleted = await inbox.owner.fetchval("SELECT version FROM inbox.tombstones")
    for version in (deleted, deleted + 1):
        await inbox.owner.execute(
            "INSERT INTO inbox.history (account_id, conversation_id, version, type, at, reason)"
            " VALUES ('acme', $1, $2, 'closed', now() - interval '1 day', 'command')",
            conversation(CONTACT),
            version,
        )
    items, before = await history(ana)
    assert ([each["version"] for each in items], before) == ([deleted + 1], None)
