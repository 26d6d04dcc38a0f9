"""`/conversations/{id}/history` over HTTP."""

from tests.harness.api import ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import ACCOUNT, conversation, message, user
from workers.settings import Settings

CONTACT = "whatsapp:+4915112345678"
ROWS = [
    (2, "assigned", "ana", "assigned", "bo", None, None),
    (3, "linked", "gone", "linked", None, "deal", "d1"),
    (4, "closed", None, "inbound_message", None, None, None),
]


async def test_the_history_says_who_did_what_newest_first(
    inbox: Inbox, ana: ApiClient, settings: Settings
) -> None:
    path = f"/conversations/{conversation(CONTACT)}/history"
    await inbox.apply(message(CONTACT), user("eve", account="rival"))
    write = (
        "INSERT INTO inbox.history (account_id, conversation_id, version, type, actor_id, reason,"
        " assignee_id, entity_type, entity_id, at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() - $10 * interval '1 day')"
    )
    for row in ROWS:
        await inbox.owner.execute(write, ACCOUNT, conversation(CONTACT), *row, 0)
    # What was deleted before this conversation started afresh is not of it.
    before = (1, "reopened", "ana", "x", None, None, None)
    await inbox.owner.execute(write, ACCOUNT, conversation(CONTACT), *before, 1)
    page = (await ana.get(path)).json
    assert page["before"] is None
    assert [each | {"at": None} for each in page["items"]] == [
        {
            "version": 4,
            "type": "closed",
            "at": None,
            "actor": None,
            "reason": "inbound_message",
            "assignee": None,
            "entity": None,
        },
        {
            "version": 3,
            "type": "linked",
            "at": None,
            "actor": {"user_id": "gone", "name": None},
            "reason": "linked",
            "assignee": None,
            "entity": {"type": "deal", "id": "d1"},
        },
        {
            "version": 2,
            "type": "assigned",
            "at": None,
            "actor": {"user_id": "ana", "name": "Ana"},
            "reason": "assigned",
            "assignee": {"user_id": "bo", "name": "Bo"},
            "entity": None,
        },
    ]
    first = (await ana.get(path, limit="2")).json
    rest = (await ana.get(path, limit="2", before=first["before"])).json
    assert [each["version"] for each in first["items"] + rest["items"]] == [4, 3, 2]
    assert rest["before"] is None
    async with ApiClient(settings, "eve", "rival") as eve:
        assert (await eve.get(path)).code == "not_found"
    assert (await ana.get(path, before="W10")).code == "invalid_request"
