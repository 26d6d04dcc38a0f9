"""`/conversations/{id}/messages` over HTTP."""

from datetime import UTC, datetime
from uuid import uuid4

from db.message_pages import PAGE_BYTES
from schemas.ids import reply_message_id
from tests.harness.api import ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import ACCOUNT, conversation, event, message, reply, user
from tests.harness.stored_conversations import store_conversation, store_message
from workers.settings import Settings

CONTACT = "whatsapp:+4915112345678"
FILE = {"url": "https://api.twilio.com/1", "content_type": "image/png"}


async def test_messages_are_paged_from_the_newest_to_the_first(
    inbox: Inbox, ana: ApiClient
) -> None:
    path = f"/conversations/{conversation(CONTACT)}/messages"
    # Three of one second: the version tells their order, across pages too.
    times = ["10:00", "12:00", "12:00", "12:00", "11:00"]
    await inbox.apply(
        *(
            message(CONTACT, f"{number}", sent_at=f"2026-01-01T{time}:00Z", historical=True)
            for number, time in enumerate(times)
        )
    )
    whole = (await ana.get(path)).json
    assert [each["body"] for each in whole["items"]] == ["0", "4", "1", "2", "3"]
    assert whole["before"] is None
    bodies, query = [], {"limit": "2"}
    while True:
        page = (await ana.get(path, **query)).json
        bodies.append([each["body"] for each in page["items"]])
        if page["before"] is None:
            break
        query["before"] = page["before"]
    assert bodies == [["2", "3"], ["4", "1"], ["0"]]
    exact = (await ana.get(path, limit="5")).json
    assert (len(exact["items"]), exact["before"]) == (5, None)


async def test_a_page_of_large_messages_ends_before_its_limit(inbox: Inbox, ana: ApiClient) -> None:
    conversation_id = await store_conversation(inbox.owner, 1)
    path = f"/conversations/{conversation_id}/messages"
    large = "x" * (PAGE_BYTES // 2)
    for version in range(1, 6):
        await store_message(inbox.owner, conversation_id, version, large)
    versions, query = [], {"limit": "4"}
    while True:
        page = (await ana.get(path, **query)).json
        versions.append([each["version"] for each in page["items"]])
        if page["before"] is None:
            break
        query["before"] = page["before"]
    assert versions == [[4, 5], [2, 3], [1]]
    # A message that is too large by itself comes all the same.
    await store_message(inbox.owner, conversation_id, 6, large * 3)
    page = (await ana.get(path)).json
    assert [each["version"] for each in page["items"]] == [6]


async def test_a_message_has_what_it_is_about_and_a_reply_what_became_of_it(
    inbox: Inbox, ana: ApiClient
) -> None:
    path = f"/conversations/{conversation(CONTACT)}/messages"
    now = datetime.now(UTC).isoformat()  # a reply needs an open window
    form = {"number": 10**30, "note": None}
    await inbox.apply(
        message(CONTACT, "Hi", media=[FILE, FILE], context={"forwarded": True, "form": form}),
        message(CONTACT, "Again", sent_at=now),
        reply(CONTACT, "x" * 1700, id="two-parts"),
    )
    first, second, answer = (await ana.get(path)).json["items"]
    message_id = first["message_id"]
    assert first["media"] == [
        {"url": f"/api/v1/media/{message_id}/{number}", "content_type": "image/png"}
        for number in (0, 1)
    ]
    assert first["context"] == {"forwarded": True, "form": form}
    assert second | {"message_id": ""} == {
        "message_id": "",
        "direction": "inbound",
        "sender_name": "Ana",
        "sender_address": CONTACT,
        "body": "Again",
        "media": [],
        "sent_at": now.replace("+00:00", "Z"),
        "version": 3,
        "historical": False,
    }
    assert answer["direction"] == "outbound"
    assert answer["parts"] == [{"status": "queued", "error_code": None}] * 2
    await inbox.apply(
        event(
            "message.status",
            {
                "account_id": ACCOUNT,
                "channel_id": "wa1",
                "conversation_id": conversation(CONTACT),
                "provider_message_id": "SM" + "f" * 32,
                "message_id": reply_message_id(ACCOUNT, "two-parts"),
                "attempt": 2,
                "status": "undelivered",
                "error_code": 30003,
            },
            key=conversation(CONTACT),
        )
    )
    assert (await ana.get(path, limit="1")).json["items"][0]["parts"] == [
        {"status": "queued", "error_code": None},
        {"status": "undelivered", "error_code": 30003},
    ]


async def test_what_is_foreign_or_wrong_is_refused(
    inbox: Inbox, ana: ApiClient, settings: Settings
) -> None:
    path = f"/conversations/{conversation(CONTACT)}/messages"
    await inbox.apply(message(CONTACT), user("eve", account="rival"))
    assert (await ana.get(path)).status == 200
    async with ApiClient(settings, "eve", "rival") as eve:
        foreign = await eve.get(path)
        unknown = await eve.get(f"/conversations/{uuid4()}/messages")
    assert (foreign.status, foreign.body) == (404, unknown.body)
    assert (await ana.get("/conversations/7/messages")).code == "not_found"
    for query in ({"limit": "0"}, {"limit": "101"}, {"before": "x"}, {"after": "x"}):
        assert (await ana.get(path, **query)).code == "invalid_request", query
