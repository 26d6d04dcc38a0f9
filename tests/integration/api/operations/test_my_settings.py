"""Changes that users make to themselves over HTTP."""

from tests.harness.api import ApiClient
from tests.harness.inbox import Inbox
from tests.harness.worker import Worker

AVAILABILITY, SETTINGS = "/me/availability", "/me/notification-settings"
NEITHER, BOTH = {"desktop": False, "email": False}, {"desktop": True, "email": True}


async def test_users_change_themselves_and_see_it_at_once(
    inbox: Inbox, ana: ApiClient, bo: ApiClient
) -> None:
    changed = await ana.put(AVAILABILITY, {"available": False})
    assert (changed.status, changed.json["available"]) == (200, False)
    assert changed.json == (await ana.get("/me")).json
    assert (await bo.get("/me")).json["available"] is True

    before = changed.json["notification_settings"]
    given = {"unassigned": BOTH, "assignment": NEITHER}
    changed = await ana.put(SETTINGS, given)
    assert (changed.status, changed.json["notification_settings"]) == (200, before | given)
    assert (await ana.put(SETTINGS, {})).json == changed.json

    # The key of the request is the event's id, and the source is the API.
    key = {"Idempotency-Key": "mine"}
    body = {"available": True}
    assert (await ana.request("PUT", AVAILABILITY, json=body, headers=key)).status == 200
    events = [read.event for read in await inbox.topics.read("directory")]
    (mine,) = [event for event in events if event["id"] == "mine"]
    assert (mine["source"], mine["data"]) == (
        "/inbox/api",
        {"account_id": "acme", "user_id": "ana", "available": True},
    )
    assert await inbox.read("dead-letters") == []


async def test_what_is_wrong_is_refused_and_what_is_not_applied_yet_is_202(
    inbox: Inbox, ana: ApiClient, worker: Worker
) -> None:
    published = len(await inbox.topics.read("directory"))
    for path, body in (
        (AVAILABILITY, {}),
        (AVAILABILITY, {"available": None}),
        (AVAILABILITY, {"available": True, "user_id": "bo"}),
        (SETTINGS, {"unassigned": {"desktop": True}}),
        (SETTINGS, {"unassigned": BOTH | {"pigeon": True}}),
        (SETTINGS, {"window_closing": BOTH}),
        (SETTINGS, []),
    ):
        refused = await ana.put(path, body)
        assert (refused.status, refused.code) == (400, "invalid_request"), body
    assert len(await inbox.topics.read("directory")) == published

    # Postgres cannot move while its positions are locked.
    async with inbox.owner.transaction():
        await inbox.owner.execute("LOCK TABLE inbox.positions IN SHARE ROW EXCLUSIVE MODE")
        waiting = await ana.put(AVAILABILITY, {"available": False})
        assert (waiting.status, waiting.body) == (202, b"")
        assert (await ana.get("/me")).json["available"] is True
    assert (await ana.put(AVAILABILITY, {"available": False})).json["available"] is False
