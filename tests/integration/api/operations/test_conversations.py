"""The conversations of sections and contacts over HTTP, and what is refused."""

from tests.harness.api import ApiClient
from tests.harness.event_stream import EventStream
from tests.harness.identities import message_from
from tests.harness.inbox import Inbox
from tests.harness.input_events import channel, command, conversation, link, message, user
from tests.harness.stored_conversations import numbered, store_conversation
from workers.settings import Settings

MARIA, OLENA = "whatsapp:+4915112345678", "whatsapp:+380441234567"
OLENA_AS_TOLD = {"address": OLENA, "name": "Олена", "identities": ["whatsapp:38044"]}


async def test_the_story_of_two_conversations(inbox: Inbox, ana: ApiClient, bo: ApiClient) -> None:
    await inbox.apply(
        message(MARIA, "Good morning"),
        message_from(OLENA, contact=OLENA_AS_TOLD),
        command("assign", MARIA, "ana", assignee_id="ana"),
        link(MARIA, "deal:d1"),
    )
    mine = (await ana.get("/conversations", section="assigned_to_me")).json
    assert mine["next"] is None
    [maria] = mine["items"]
    window_until = maria.pop("window_until")
    assert maria == {
        "conversation_id": conversation(MARIA),
        "version": 4,
        "section": "assigned_to_me",
        "status": "open",
        "assignee": {"user_id": "ana", "name": "Ana"},
        "channel": {"channel_id": "wa1", "name": "Sales", "provider": "whatsapp"},
        "contact": {"name": "Ana", "address": MARIA},
        "last_message_at": "2026-01-01T12:00:00Z",
        "last_message": {"direction": "inbound", "preview": "Good morning"},
        "message_count": 1,
        "unseen": True,
    }
    assert window_until == "2026-01-02T12:00:00Z"
    # For bo it is another's.
    [others] = (await bo.get("/conversations", section="assigned_to_others")).json["items"]
    assert others == maria | {"section": "assigned_to_others", "window_until": window_until}
    assert (await bo.get("/sections")).json == {
        "unassigned": {"count": 1, "more": False},
        "assigned_to_me": {"count": 0, "more": False},
        "assigned_to_others": {"count": 1, "more": False},
        "closed": {"count": 0, "more": False},
    }
    whole = (await ana.get(f"/conversations/{conversation(MARIA)}")).json
    [linked] = whole.pop("links")
    assert linked["entity"] == {"type": "deal", "id": "d1"}
    more = {"addresses": [MARIA], "can_delete": True, "window_until": window_until}
    assert whole == maria | more
    seen_by_bo = (await bo.get(f"/conversations/{conversation(OLENA)}")).json
    assert (seen_by_bo["can_delete"], seen_by_bo["addresses"]) == (False, [OLENA, "whatsapp:38044"])
    found = (await bo.get("/conversations", contact="+38 044")).json["items"]
    assert [each["contact"]["name"] for each in found] == ["Олена"]
    await inbox.apply(command("close", MARIA, "ana"))
    [closed] = (await bo.get("/conversations", section="closed")).json["items"]
    assert (closed["status"], closed["section"], closed["version"]) == ("closed", "closed", 5)
    await inbox.assert_exact()


async def test_a_conversation_may_be_there_before_its_channel(
    inbox: Inbox, settings: Settings, ana: ApiClient
) -> None:
    id_ = conversation(OLENA, channel="wa2")
    async with EventStream(settings, "ana") as stream:
        await stream.until_some("reset")
        await inbox.apply(message(OLENA, channel_id="wa2"))
        told = await stream.until_version(id_, 2)
    assert told["channel"] == {"channel_id": "wa2", "name": None, "provider": None}
    assert (await ana.get("/conversations", section="unassigned")).json["items"] == [told]
    assert (await ana.get("/conversations", contact="+38044")).json["items"] == [told]
    assert (await ana.get("/sections")).json["unassigned"] == {"count": 1, "more": False}
    more = {"links": [], "addresses": [OLENA], "can_delete": False}
    assert (await ana.get(f"/conversations/{id_}")).json == told | more
    assert (await ana.post(f"/conversations/{id_}/delete", {})).code == "unknown_channel"
    assert (await ana.post(f"/conversations/{id_}/close", {})).status == 200
    [closed] = (await ana.get("/conversations", section="closed")).json["items"]
    assert closed["channel"] == told["channel"]

    await inbox.apply(channel("whatsapp:+14155550000", channel_id="wa2"))
    whole = (await ana.get(f"/conversations/{id_}")).json
    assert whole["channel"] == {"channel_id": "wa2", "name": "Sales", "provider": "whatsapp"}
    assert whole["can_delete"]


async def test_pages_follow_each_other_and_wrong_requests_are_refused(
    inbox: Inbox, ana: ApiClient, bo: ApiClient, settings: Settings
) -> None:
    for number in range(1, 8):
        await store_conversation(inbox.owner, number, assignee_id="bo" if number > 5 else None)
    await inbox.owner.execute(
        "UPDATE inbox.conversations SET last_message_at = '9998-12-31 23:59:59.999999Z'"
        " WHERE conversation_id = $1",
        numbered(5),
    )
    await store_conversation(inbox.owner, 99, account_id="other")
    query = {"section": "unassigned", "limit": "1"}
    shown: list[str] = []
    cursor = None
    while True:
        page = (await ana.get("/conversations", **query, **cursor or {})).json
        shown += [each["conversation_id"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert shown == [numbered(number) for number in (5, 4, 3, 2, 1)]
    assert cursor is not None
    assert len((await ana.get("/conversations", contact="contact")).json["items"]) == 7
    only = {"contact": "contact", "section": "assigned_to_others"}
    assert len((await ana.get("/conversations", **only)).json["items"]) == 2

    # The cursor is that of this user, this section and this search.
    assert (await bo.get("/conversations", **query, **cursor)).code == "invalid_request"
    own = {"section": "closed", **cursor}
    assert (await ana.get("/conversations", **own)).code == "invalid_request"
    own = {"contact": "contact", "section": "unassigned", **cursor}
    assert (await ana.get("/conversations", **own)).code == "invalid_request"
    text = cursor["cursor"]
    for forged in (text[:-4], text[4:], text.swapcase(), "x", "W10", "🙂", "x" * 5000):
        answered = await ana.get("/conversations", section="unassigned", cursor=forged)
        assert answered.code == "invalid_request", forged
    for wrong in (
        {},
        {"section": "mine"},
        {"section": ""},
        {"limit": "0", **only},
        {"limit": "101", **only},
        {"limit": "x", **only},
        {"limit": "1.5", **only},
        {"contact": "ab"},
        {"contact": "  a  "},
        {"contact": "a\0bc"},
        {"contact": "x" * 257},
        {"sections": "closed"},
    ):
        answered = await ana.get("/conversations", **wrong)
        assert (answered.status, answered.code) == (400, "invalid_request"), wrong

    for text in ("żółw", "%", "_", "\\", "'", '"', "\u202e", "\ud7ff", "🙂", "\U0010ffff"):
        answered = await ana.get("/conversations", contact=text * 3)
        assert (answered.status, answered.json["items"]) == (200, []), text
    for missing in (numbered(98), numbered(99), "x", "1", "%00", numbered(1) + "0"):
        answered = await ana.get(f"/conversations/{missing}")
        assert (answered.status, answered.code) == (404, "not_found"), missing
    async with ApiClient(settings, "eve", account="other") as eve:
        await inbox.apply(user("eve", account="other"))
        theirs = (await eve.get("/conversations", section="unassigned")).json["items"]
        assert [each["conversation_id"] for each in theirs] == [numbered(99)]
        assert (await eve.get(f"/conversations/{numbered(1)}")).code == "not_found"
