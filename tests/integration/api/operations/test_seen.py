"""What users have seen: it drives `unseen`, and never goes back."""

from tests.harness.api import ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import command, conversation, message
from tests.harness.stored_conversations import numbered, store_conversation

MARIA = "whatsapp:+4915112345678"
ONE = f"/conversations/{conversation(MARIA)}"


async def test_what_a_user_has_seen_is_their_own_and_never_goes_back(
    inbox: Inbox, ana: ApiClient, bo: ApiClient
) -> None:
    async def unseen(client: ApiClient) -> bool:
        seen: bool = (await client.get(ONE)).json["unseen"]
        return seen

    async def see(client: ApiClient, version: int) -> int:
        seen: int = (await client.post(f"{ONE}/seen", {"version": version})).json["version"]
        return seen

    await inbox.apply(message(MARIA))
    assert await unseen(ana)
    assert await see(ana, 1) == 1
    assert await unseen(ana)  # the message is version 2
    assert await see(ana, 2) == 2
    assert not await unseen(ana)
    assert await unseen(bo)
    assert await see(ana, 1) == 2
    assert not await unseen(ana)
    # A change that is no message of the contact leaves it seen.
    await inbox.apply(command("assign", MARIA, "ana", assignee_id="bo"))
    assert not await unseen(ana)
    await inbox.apply(message(MARIA, "Are you there?"))
    assert await unseen(ana)
    [listed] = (await ana.get("/conversations", section="assigned_to_others")).json["items"]
    assert listed["unseen"]
    assert await see(ana, 4) == 4
    [listed] = (await ana.get("/conversations", section="assigned_to_others")).json["items"]
    assert not listed["unseen"]


async def test_wrong_versions_and_foreign_conversations_are_refused(
    inbox: Inbox, ana: ApiClient
) -> None:
    await inbox.apply(message(MARIA))
    await store_conversation(inbox.owner, 99, account_id="other")
    for body in (
        {},
        {"version": 0},
        {"version": 3},  # there is none yet
        {"version": 2**31},
        {"version": "1"},
        {"version": 1.5},
        {"version": None},
        {"version": 1, "user_id": "bo"},
        [1],
    ):
        answered = await ana.post(f"{ONE}/seen", body)
        assert (answered.status, answered.code) == (400, "invalid_request"), body
    for missing in (numbered(98), numbered(99), "x"):
        answered = await ana.post(f"/conversations/{missing}/seen", {"version": 1})
        assert (answered.status, answered.code) == (404, "not_found")
    assert await inbox.owner.fetchval("SELECT count(*) FROM inbox.seen") == 0
