"""Commands over HTTP: what is published, and how each outcome is answered."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.harness.api import Answered, ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import conversation, event, message, user
from workers.settings import Settings

MARIA = "whatsapp:+4915112345678"
ADDRESS = f"/conversations/{conversation(MARIA)}"
DEAL = {"type": "deal", "id": "d1"}


def accepted(answered: Answered) -> int:
    """Returns the version of an accepted command."""
    assert (answered.status, answered.json["code"]) == (200, "accepted"), answered.body
    version: int = answered.json["version"]
    return version


def rejected(answered: Answered) -> tuple[int, str | None]:
    """Returns the status and the code of a rejection, which has words too."""
    assert answered.json["detail"]
    return answered.status, answered.code


async def test_each_command_is_answered_by_its_outcome(
    inbox: Inbox, ana: ApiClient, bo: ApiClient
) -> None:
    now = datetime.now(UTC)
    await inbox.apply(message(MARIA, sent_at=now))
    # Accepted, each with the next version.
    assert accepted(await bo.post(f"{ADDRESS}/assign", {"assignee_id": "ana"})) == 3
    assert accepted(await bo.post(f"{ADDRESS}/assign", {"assignee_id": None})) == 4
    assert accepted(await bo.post(f"{ADDRESS}/close", {"expected_version": 4})) == 5
    assert accepted(await bo.post(f"{ADDRESS}/reopen")) == 6
    assert accepted(await bo.post(f"{ADDRESS}/reply", {"body": "Hi"})) == 7
    assert accepted(await bo.post(f"{ADDRESS}/link", {"entity": DEAL})) == 8
    assert accepted(await bo.post(f"{ADDRESS}/unlink", {"entity": DEAL})) == 9
    request = {"entity": {"type": "lead", "name": "Maria", "fields": {"a": [1]}}}
    requested = await bo.post(f"{ADDRESS}/entity-requests", request | {"request_id": "r1"})
    assert accepted(requested) == 10
    answer = {"entity": {"type": "lead", "id": "l1"}, "request_id": "r1"}
    assert accepted(await bo.post(f"{ADDRESS}/link", answer)) == 11

    # Rejected, each with its code.
    again = await bo.post(f"{ADDRESS}/link", answer)
    assert rejected(again) == (409, "already_answered")
    stale = await bo.post(f"{ADDRESS}/close", {"expected_version": 3})
    assert rejected(stale) == (409, "stale_version")
    unknown = await bo.post(f"{ADDRESS}/assign", {"assignee_id": "nobody"})
    assert rejected(unknown) == (409, "unknown_user")
    unlinked = await bo.post(f"{ADDRESS}/unlink", {"entity": DEAL})
    assert rejected(unlinked) == (409, "not_linked")
    assert rejected(await bo.post(f"{ADDRESS}/reply", {"body": " "})) == (409, "empty")
    long = await bo.post(f"{ADDRESS}/reply", {"body": "x" * 60_000})
    assert rejected(long) == (422, "too_long")
    assert rejected(await bo.post(f"{ADDRESS}/delete")) == (403, "not_installer")

    away = event(
        "user.availability_changed",
        {"account_id": "acme", "user_id": "ana", "available": False},
        key="acme",
    )
    await inbox.apply(user("eve", inbox_access=False), away)
    unavailable = await bo.post(f"{ADDRESS}/assign", {"assignee_id": "ana"})
    assert rejected(unavailable) == (409, "assignee_unavailable")
    no_access = await bo.post(f"{ADDRESS}/assign", {"assignee_id": "eve"})
    assert rejected(no_access) == (409, "no_inbox_access")

    await inbox.owner.execute(
        "UPDATE inbox.conversations SET window_until = now() - '1s'::interval"
    )
    closed = await bo.post(f"{ADDRESS}/reply", {"body": "Hi"})
    assert rejected(closed) == (422, "window_closed")
    # As after a moment in which the clock of the API was behind that of Postgres.
    await inbox.owner.execute(
        "UPDATE inbox.conversations SET last_inbound_at = $1", now + timedelta(hours=1)
    )
    assert rejected(await bo.post(f"{ADDRESS}/close")) == (409, "superseded")
    removed = event("channel.removed", {"account_id": "acme", "channel_id": "wa1"}, key="acme")
    await inbox.apply(removed)
    assert rejected(await bo.post(f"{ADDRESS}/reply", {"body": "Hi"})) == (409, "unknown_channel")
    await inbox.assert_exact()
    assert accepted(await ana.post(f"{ADDRESS}/delete")) == 12
    assert (await ana.post(f"{ADDRESS}/close")).code == "not_found"


WRONG: list[tuple[str, Any, str]] = [
    # A typo must not unassign, and what the API fills in is not for the client to say.
    ("assign", {"asignee_id": "bo"}, "asignee_id"),
    ("assign", {"assignee_id": None, "actor_id": "bo"}, "actor_id"),
    ("assign", {"assignee_id": "bo", "conversation_id": conversation(MARIA)}, "conversation_id"),
    ("assign", {}, "assignee_id"),
    ("assign", {"assignee_id": "a b"}, "assignee_id"),
    ("close", {"expected_version": "3"}, "expected_version"),
    ("close", {"expected_version": 2**31}, "expected_version"),
    ("close", [], "object"),
    ("link", {"entity": {"type": "deal"}}, "entity"),
    ("link", {"entity": DEAL | {"name": "x"}}, "name"),
    ("link", {"entity": {"type": "company", "id": "c1"}}, "entity.type"),
    ("entity-requests", {"entity": {"type": "lead", "name": ""}}, "entity.name"),
    ("entity-requests", {"entity": {"type": "lead", "name": "x", "id": "l1"}}, "id"),
    ("reply", {}, "body"),
    ("reply", {"body": None}, "body"),
    ("reply", {"body": "Hi", "media_urls": [""]}, "media_urls[0]"),
    ("reply", {"body": "Hi", "content_variables": {"1": 2}}, "content_variables"),
    ("reply", {"body": "a\0"}, "NUL"),
    ("reply", {"body": "Hi", "content_variables": {"\0": ""}}, "NUL"),
]

LEAD = b'{"entity": {"type": "lead", "name": "x", "fields": {"a": %s}}}'
HOSTILE = [
    b"",
    b"null",
    b'{"body": "\\ud800"}',
    b'{"body": "\xff"}',
    b"[" * 60_000,
    LEAD % (b"[" * 1_000 + b"]" * 1_000),
    LEAD % (b'{"a":' * 200 + b"1" + b"}" * 200),
    LEAD % (b"1" * 5_000),
    LEAD % b"1e999",
    LEAD % b"NaN",
]


async def test_what_is_wrong_is_refused_and_not_published(
    inbox: Inbox, ana: ApiClient, settings: Settings
) -> None:
    await inbox.apply(message(MARIA), user("eve", account="rival"))
    for path, body, where in WRONG:
        refused = await ana.post(f"{ADDRESS}/{path}", body)
        assert (refused.status, refused.code) == (400, "invalid_request"), (path, body)
        assert where in refused.json["detail"], refused.json
    for text in HOSTILE:
        for path in ("entity-requests", "reply"):
            refused = await ana.request(
                "POST",
                f"{ADDRESS}/{path}",
                data=text,
                headers={"Content-Type": "application/json"},
            )
            assert (refused.status, refused.code) == (400, "invalid_request"), text[:100]
    long = await ana.post(f"{ADDRESS}/close", headers={"Idempotency-Key": "x" * 257})
    assert (long.status, long.code) == (400, "invalid_request")
    # The id of a message that the contact may have sent.
    key = {"Idempotency-Key": "wa1/SM1"}
    taken = await ana.post(f"{ADDRESS}/reply", {"body": "Hi"}, headers=key)
    assert (taken.status, taken.code) == (400, "invalid_request")
    # Ids of nothing, and of another account.
    async with ApiClient(settings, "eve", "rival") as eve:
        for client, path in (
            (eve, f"{ADDRESS}/close"),
            (ana, f"/conversations/{conversation('whatsapp:+1')}/close"),
            (ana, "/conversations/x/close"),
            (ana, "/conversations/%00/close"),
        ):
            assert (await client.post(path)).code == "not_found", path
    for path in ("/commands/%00", "/commands/%ff", f"/commands/{'x' * 257}", "/commands/%20"):
        assert (await ana.get(path)).code == "not_found", path
    assert [await inbox.topics.read(topic) for topic in ("assignments", "lifecycle", "links")] == [
        [],
        [],
        [],
    ]
    assert await inbox.topics.read("messages.send") == []
