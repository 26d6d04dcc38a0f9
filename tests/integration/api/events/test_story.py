"""What the streams of users say while they work: every kind of event, and who gets it."""

from datetime import UTC, datetime
from pathlib import Path

from tests.harness.api import ApiClient, trusting
from tests.harness.event_stream import EventStream
from tests.harness.inbox import Inbox, Owner
from tests.harness.input_events import command, conversation, event, message, reply, user
from tests.harness.sending_inbox import MARIA, WITHOUT_SEND, serving
from tests.harness.topics import Topics
from tests.harness.waiting import until
from workers.settings import Settings

CONTACT = "whatsapp:+4915112345678"
ID = conversation(CONTACT)


async def test_users_are_told_what_changes_as_each_sees_it(
    inbox: Inbox, settings: Settings, ana: ApiClient, bo: ApiClient
) -> None:
    async with (
        EventStream(settings, "ana") as of_ana,
        EventStream(settings, "bo") as of_bo,
    ):
        head = of_ana.response.headers
        assert head["Content-Type"] == "text/event-stream"
        assert (head["Cache-Control"], head["X-Accel-Buffering"]) == ("no-store", "no")
        for stream in (of_ana, of_bo):
            await stream.until_some("reset")
            assert stream.names == ["hello", "reset"]
            assert stream.retry == 2000

        await inbox.apply(message(CONTACT, "Do you have red shoes?", sent_at=datetime.now(UTC)))
        shown = await of_ana.until_version(ID, 2)
        assert (shown["section"], shown["unseen"]) == ("unassigned", True)
        assert shown["last_message"]["preview"] == "Do you have red shoes?"
        assert shown == (await ana.get("/conversations", section="unassigned")).json["items"][0]
        [new] = await of_bo.until_some("message")
        assert (new["conversation_id"], new["body"]) == (ID, "Do you have red shoes?")
        [told] = await of_bo.until_some("notification")
        assert (told["kind"], told["reason"]) == ("message", "unassigned")
        assert (told["contact_name"], told["preview"]) == ("Ana", "Do you have red shoes?")
        [counts] = await of_bo.until_some("sections")
        assert counts["unassigned"] == {"count": 1, "more": False}

        seen = await bo.post(f"/conversations/{ID}/seen", {"version": 2})
        assert seen.status == 200
        await inbox.apply(command("assign", CONTACT, "ana", assignee_id="bo"))
        assert (await of_ana.until_version(ID, 3))["section"] == "assigned_to_others"
        mine = await of_bo.until_version(ID, 3)
        assert (mine["section"], mine["unseen"]) == ("assigned_to_me", False)
        assert mine["assignee"] == {"user_id": "bo", "name": "Bo"}
        [_, told] = await of_bo.until_some("notification", 2)
        assert (told["kind"], told["preview"]) == ("assignment", None)

        await inbox.apply(reply(CONTACT, "Yes, in all sizes.", "bo"))
        [_, sent] = await of_ana.until_some("message", 2)
        assert sent["direction"] == "outbound"
        assert [part["status"] for part in sent["parts"]] == ["queued"]

        settings_of_bo = {"unassigned": {"desktop": False, "email": True}}
        changed = {"account_id": "acme", "user_id": "bo", "settings": settings_of_bo}
        await inbox.apply(event("user.notification_settings_changed", changed, key="acme"))
        [me] = await of_bo.until_some("me")
        assert me == (await bo.get("/me")).json
        assert me["notification_settings"]["unassigned"] == {"desktop": False, "email": True}

        await inbox.apply(command("delete", CONTACT, "ana"))
        assert await of_bo.until_some("removed") == [{"conversation_id": ID, "version": 5}]
        assert of_ana.of("me") == []
        for stream in (of_ana, of_bo):
            numbers = [int(each.id.rpartition("-")[2]) for each in stream.events]
            assert numbers == sorted(set(numbers))
            versions = [each["version"] for each in stream.of("conversation")]
            assert versions == sorted(set(versions))


async def test_another_account_is_told_nothing(inbox: Inbox, settings: Settings) -> None:
    await inbox.apply(user("eve", account="evil"))
    async with (
        EventStream(settings, "eve", "evil") as of_eve,
        EventStream(settings, "ana") as of_ana,
    ):
        await of_eve.until_some("reset")
        await of_ana.until_some("reset")
        await inbox.apply(message(CONTACT))
        await of_ana.until_version(ID, 2)
        # A change of her own, after it, shows that nothing else came before.
        await inbox.apply(user("eve", account="evil"))
        await of_eve.until_some("me")
        assert of_eve.names == ["hello", "reset", "me"]


async def test_users_are_told_what_becomes_of_a_reply(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    roles, log = f"{WITHOUT_SEND},send,api", tmp_path / "worker.log"
    async with (
        serving(trusting(settings), topics, owner, log, roles) as inbox,
        EventStream(inbox.settings, "ana") as stream,
    ):
        await stream.until_some("reset")
        await inbox.reply("Hello Maria")

        async def is_read() -> bool:
            parts = [told["parts"] for told in stream.of("status")]
            return parts[-1:] == [[{"status": "read", "error_code": None}]]

        await until(is_read, "the contact to read it")
        [sent] = [each for each in stream.of("message") if each["direction"] == "outbound"]
        for told in stream.of("status"):
            assert told["message_id"] == sent["message_id"]
            assert told["conversation_id"] == conversation(MARIA)
