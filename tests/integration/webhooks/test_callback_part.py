"""A status callback whose address no channel has is the receipt of the reply that it names."""

from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from bench.mock_twilio.account import SID
from bench.mock_twilio.callback_rules import callbacks_missing
from schemas.fields import AccountId
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT, channel
from tests.harness.sending_inbox import MARIA, SENDER, SendingInbox, part_of, serving
from tests.harness.topics import Topics
from tests.harness.twilio import STATUS_PATH, Twilio, form
from workers.settings import Settings
from workers.twilio.form import parse_form
from workers.twilio.status_form import callback_query, status_event
from workers.webhooks.callback_part import with_channel_of_reply
from workers.webhooks.webhook import ANY_CHANNEL

FALLBACK = "+15550001111"


async def post_status(inbox: SendingInbox, sid: str, query: str, **fields: str) -> None:
    """Post a callback as Twilio does: the message could not be delivered."""
    given = {
        "MessageSid": sid,
        "AccountSid": SID,
        "SmsStatus": "undelivered",
        "MessageStatus": "undelivered",
        "ErrorCode": "30005",
        "From": SENDER,
        "To": MARIA,
    }
    async with aiohttp.ClientSession() as session:
        callbacks = Twilio(inbox.settings.public_url, session, path=STATUS_PATH)
        assert await callbacks.post(form(**given | fields), query=query) == 200


@pytest.mark.parametrize("named", [True, False], ids=["by its URL", "by the provider's id"])
@pytest.mark.parametrize(
    ("installed", "fields"),
    [
        ("whatsapp:+15550002222", {}),
        (SENDER, {"From": FALLBACK, "To": MARIA.removeprefix("whatsapp:")}),
    ],
    ids=["the channel has another address", "from a fallback sender"],
)
async def test_the_reply_of_a_callback_tells_its_channel(
    settings: Settings,
    topics: Topics,
    owner: Owner,
    tmp_path: Path,
    *,
    installed: str,
    fields: dict[str, str],
    named: bool,
) -> None:
    async with serving(settings, topics, owner, tmp_path / "worker.log") as inbox:
        inbox.mock.callback_rules.add(callbacks_missing())
        await inbox.reply("Hello")
        await inbox.until_states(accepted=1)
        sent = inbox.sent("Hello")
        message_id, part = part_of(sent)
        await inbox.apply(channel(installed))
        query = f"?mid={message_id}&a={part}" if named else ""
        await post_status(inbox, sent.sid, query, **fields)
        await inbox.until_parts({"Hello": "undelivered"}, "status")
        [receipt] = await inbox.topics.read("messages.status")
        [row] = await inbox.rows()
        assert receipt.data["channel_id"] == row["channel_id"]
        assert receipt.data["conversation_id"] == str(row["conversation_id"])
        assert receipt.key == str(row["conversation_id"]).encode()
        events = (await inbox.published())["Hello"]
        assert events[-1] == ("status_changed", "undelivered", 30005)


async def test_the_reply_of_another_account_tells_nothing(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    async with serving(settings, topics, owner, tmp_path / "worker.log") as inbox:
        inbox.mock.callback_rules.add(callbacks_missing())
        await inbox.reply("Hello")
        await inbox.until_states(accepted=1)
        sent = inbox.sent("Hello")
        message_id, part = part_of(sent)
        for account, found in ((ACCOUNT, True), ("foreign", False)):
            fields = parse_form(form(MessageSid=sent.sid, MessageStatus="sent").encode())
            query = callback_query(message_id, part)
            event = status_event(fields, query, AccountId(account), ANY_CHANNEL, datetime.now(UTC))
            assert (await with_channel_of_reply(owner, event) is not None) == found
