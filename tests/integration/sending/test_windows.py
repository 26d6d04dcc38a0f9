"""Replies and windows: a free text only while the contact's window is open, by the word of all."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from bench.mock_twilio import faults
from bench.mock_twilio.tellings import failing, missing
from tests.harness.published import channel, reply
from tests.harness.sending_inbox import JONAS, MARIA, TEMPLATE, Desk, heard, receipt

DAYS_AGO = timedelta(days=2)
SMS_SENDER, SMS_CONTACT = "+16505552222", "+16505551111"


async def test_once_the_window_is_closed_only_templates_go_out_and_text_messages(
    desk: Desk,
) -> None:
    await desk.apply(heard(JONAS, DAYS_AGO), reply(JONAS, "late"))
    assert await desk.results() == [("message.send", "window_closed")]
    variables = {"1": "Jonas"}
    await desk.apply(reply(JONAS, "", content_sid=TEMPLATE, content_variables=variables))
    await desk.until_parts({"": "accepted"})
    sent = desk.sent("")
    assert (sent.to, sent.content_sid) == (JONAS, TEMPLATE)
    assert sent.content_variables == '{"1":"Jonas"}'
    assert "Body" not in sent.raw

    await desk.apply(channel(SMS_SENDER), heard(SMS_CONTACT, DAYS_AGO), reply(SMS_CONTACT, "sms"))
    await desk.until_parts({"": "accepted", "sms": "accepted"})
    sent = desk.sent("sms")
    assert (sent.from_, sent.to) == (SMS_SENDER, SMS_CONTACT)


async def test_a_window_may_close_before_the_reply_is_posted(desk: Desk) -> None:
    async with desk.mock.refusing():
        await desk.write("hi")
        await desk.until_tried("hi", 1)
        await desk.owner.execute(
            "UPDATE inbox.conversations SET window_until = clock_timestamp() - interval '1 minute'"
        )
        await desk.until_parts({"hi": "failed"})
    assert await desk.published() == {"hi": [("failed", "failed", 63016)]}
    assert desk.posts() == {}


async def test_who_is_told_that_the_window_is_closed_believes_it_until_the_contact_writes(
    desk: Desk,
) -> None:
    contacts = MARIA, JONAS
    first, third = ({contact: f"{word} to {contact}" for contact in contacts} for word in "13")
    await desk.hear(JONAS)
    # Of Maria's by an answer, of Jonas' by a receipt.
    desk.mock.faults.add(faults.window_closed(MARIA))
    desk.mock.tellings.add(failing(63016, where={"To": JONAS}))
    await desk.apply(*[reply(contact, first[contact]) for contact in contacts])
    await desk.until_parts(dict.fromkeys(first.values(), 63016), "error_code")
    await desk.apply(*[reply(contact, "too late") for contact in contacts])
    assert Counter(await desk.results()) == {
        ("message.send", None): 2,
        ("message.send", "window_closed"): 2,
    }
    told = await desk.published()
    assert {told[body][-1][1:] for body in first.values()} == {("failed", 63016)}

    desk.mock.faults.clear()
    desk.mock.tellings.clear()
    await desk.apply(*map(heard, contacts), *[reply(each, third[each]) for each in contacts])
    await desk.until_parts(
        dict.fromkeys(first.values(), "failed") | dict.fromkeys(third.values(), "read"), "status"
    )


async def test_a_late_word_of_a_closed_window_does_not_close_the_next_one(desk: Desk) -> None:
    desk.mock.tellings.add(missing())
    await desk.write("before")
    await desk.until_parts({"before": "accepted"})
    late = receipt(desk.sent("before").sid, "failed", error_code=63016)
    await desk.apply(heard(), late, reply(MARIA, "after"))
    assert (await desk.parts("error_code"))["before"] == 63016
    await desk.until_parts({"before": "accepted", "after": "accepted"})
    window_until = await desk.owner.fetchval("SELECT window_until FROM inbox.conversations")
    assert window_until > datetime.now(UTC) + timedelta(hours=23)
