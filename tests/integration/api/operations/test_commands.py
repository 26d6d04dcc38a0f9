"""Commands over HTTP: what is published, and how each outcome is answered."""

from datetime import UTC, datetime, timedelta

from tests.harness.api import Answered, ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import conversation, event, message, user

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
