"""Replies and windows: a free text is only sent while the contact's window is open."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from bench.mock_twilio import faults
from bench.mock_twilio.callback_rules import callbacks_missing, delivery_failing
from tests.harness.input_events import channel, reply
from tests.harness.sending_inbox import JONAS, MARIA, TEMPLATE, SendingInbox, inbound, receipt

DAYS_AGO = timedelta(days=2)
SMS_SENDER, SMS_CONTACT = "+16505552222", "+16505551111"


async def test_once_the_window_is_closed_only_templates_go_out_and_text_messages(
    inbox: SendingInbox,
) -> None:
    await inbox.apply(inbound(JONAS, DAYS_AGO), reply(JONAS, "late"))
    assert await inbox.results() == [("message.send", "window_closed")]
    variables = {"1": "Jonas"}
    await inbox.apply(reply(JONAS, "", content_sid=TEMPLATE, content_variables=variables))
    await inbox.until_parts({"": "accepted"})
    sent = inbox.sent("")
    assert (sent.to, sent.content_sid) == (JONAS, TEMPLATE)
    assert sent.content_variables == '{"1":"Jonas"}'
    assert "Body" not in sent.raw

    await inbox.apply(
        channel(SMS_SENDER), inbound(SMS_CONTACT, DAYS_AGO), reply(SMS_CONTACT, "sms")
    )
    await inbox.until_parts({"": "accepted", "sms": "accepted"})
    sent = inbox.sent("sms")
    assert (sent.from_, sent.to) == (SMS_SENDER, SMS_CONTACT)


async def test_a_window_may_close_before_the_reply_is_posted(inbox: SendingInbox) -> None:
    async with inbox.mock.refusing():
        await inbox.reply("hi")
        await inbox.until_tried("hi", 1)
        await inbox.owner.execute(
            "UPDATE inbox.conversations SET window_until = clock_timestamp() - interval '1 minute'"
        )
        await inbox.until_parts({"hi": "failed"})
    assert await inbox.published() == {"hi": [("failed", "failed", 63016)]}
    assert inbox.posts() == {}


async def test_who_is_told_that_the_window_is_closed_believes_it_until_the_contact_writes(
    inbox: SendingInbox,
) -> None:
    contacts = MARIA, JONAS
    first, third = ({contact: f"{word} to {contact}" for contact in contacts} for word in "13")
    await inbox.receive_from(JONAS)
    # The window of Maria is refused in an answer, the one of Jonas in a receipt.
    inbox.mock.faults.add(faults.window_closed(MARIA))
    inbox.mock.callback_rules.add(delivery_failing(63016, where={"To": JONAS}))
    await inbox.apply(*[reply(contact, first[contact]) for contact in contacts])
    await inbox.until_parts(dict.fromkeys(first.values(), 63016), "error_code")
    await inbox.apply(*[reply(contact, "too late") for contact in contacts])
    assert Counter(await inbox.results()) == {
        ("message.send", None): 2,
        ("message.send", "window_closed"): 2,
    }
    published = await inbox.published()
    assert {published[body][-1][1:] for body in first.values()} == {("failed", 63016)}

    inbox.mock.faults.clear()
    inbox.mock.callback_rules.clear()
    await inbox.apply(*map(inbound, contacts), *[reply(each, third[each]) for each in contacts])
    await inbox.until_parts(
        dict.fromkeys(first.values(), "failed") | dict.fromkeys(third.values(), "read"), "status"
    )


async def test_a_late_word_of_a_closed_window_does_not_close_the_next_one(
    inbox: SendingInbox,
) -> None:
    inbox.mock.callback_rules.add(callbacks_missing())
    await inbox.reply("before")
    await inbox.until_parts({"before": "accepted"})
    late = receipt(inbox.sent("before").sid, "failed", error_code=63016)
    await inbox.apply(inbound(), late, reply(MARIA, "after"))
    assert (await inbox.parts("error_code"))["before"] == 63016
    await inbox.until_parts({"before": "accepted", "after": "accepted"})
    window_until = await inbox.owner.fetchval("SELECT window_until FROM inbox.conversations")
    assert window_until > datetime.now(UTC) + timedelta(hours=23)
