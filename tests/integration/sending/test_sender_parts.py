"""The parts of a reply: what each channel takes in one message, and what follows a failure."""

from typing import NamedTuple
from urllib.parse import parse_qs

import pytest

from bench.mock_twilio import faults
from bench.mock_twilio.callback_rules import callbacks_missing, delivery_failing
from tests.harness.input_events import channel, reply
from tests.harness.sending_inbox import JONAS, MARIA, SendingInbox, inbound
from tests.harness.waiting import until

SMS_SENDER, SMS_CONTACT = "+15550001111", "+15550002222"
MESSENGER_SENDER, MESSENGER_CONTACT = "messenger:103800709108123", "messenger:27456897512"
PICTURES = [f"https://files.example.com/{number}.jpg" for number in range(1, 12)]
VOICE = "https://files.example.com/voice.ogg"
LONG = "x" * 1_500
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


class Posted(NamedTuple):
    """What a POST contained."""

    body: str
    media_urls: list[str]


async def posts(inbox: SendingInbox, to: str, count: int) -> list[Posted]:
    """Wait until all parts are accepted, and return the POSTs to a contact: so many."""

    async def are_accepted() -> bool:
        states = [row["state"] for row in await inbox.rows() if row["to_address"] == to]
        return states == ["accepted"] * count

    await until(are_accepted, f"{count} accepted parts")
    forms = [parse_qs(each.body) for each in inbox.mock.ledger.requests if each.route == "send"]
    return [
        Posted(form.get("Body", [""])[0], form.get("MediaUrl", []))
        for form in forms
        if form["To"] == [to]
    ]


async def test_whatsapp_gets_each_file_in_a_message_of_its_own(inbox: SendingInbox) -> None:
    await inbox.receive_from(JONAS)
    await inbox.reply("three pictures", media_urls=PICTURES[:3])
    assert await posts(inbox, MARIA, 3) == [
        ("three pictures", [PICTURES[0]]),
        ("", [PICTURES[1]]),
        ("", [PICTURES[2]]),
    ]
    # A voice note has no caption, and a long text is none.
    await inbox.reply("listen", media_urls=[VOICE], to=JONAS)
    await inbox.reply(LONG, media_urls=PICTURES[:1], to=JONAS)
    assert await posts(inbox, JONAS, 4) == [
        ("listen", []),
        ("", [VOICE]),
        (LONG, []),
        ("", [PICTURES[0]]),
    ]
    events = [read for read in await inbox.read("messages.sent") if read.kind == "message.accepted"]
    assert {(read.data["part"], read.data["parts"]) for read in events} == {
        (part, parts) for parts in (2, 3) for part in range(1, parts + 1)
    }
    bodies = "SELECT body FROM inbox.messages WHERE direction = 'outbound' ORDER BY version"
    rows = await inbox.owner.fetch(bodies)
    assert {row["body"] for row in rows} == {"three pictures", "listen", LONG}


async def test_messenger_gets_texts_and_files_apart_and_sms_all_at_once(
    inbox: SendingInbox,
) -> None:
    await inbox.apply(channel(MESSENGER_SENDER), inbound(MESSENGER_CONTACT))
    await inbox.apply(reply(MESSENGER_CONTACT, "look", media_urls=PICTURES[:2]))
    assert await posts(inbox, MESSENGER_CONTACT, 3) == [
        ("look", []),
        ("", [PICTURES[0]]),
        ("", [PICTURES[1]]),
    ]
    await inbox.apply(channel(SMS_SENDER), inbound(SMS_CONTACT))
    await inbox.apply(reply(SMS_CONTACT, "look", media_urls=PICTURES[:10]))
    assert await posts(inbox, SMS_CONTACT, 1) == [("look", PICTURES[:10])]


async def test_what_cannot_be_sent_is_rejected_when_it_is_asked_for(inbox: SendingInbox) -> None:
    await inbox.apply(channel(SMS_SENDER), inbound(SMS_CONTACT))
    await inbox.apply(
        reply(SMS_CONTACT, "look", media_urls=PICTURES),
        reply(SMS_CONTACT, " \n\u00a0\u200b"),
        reply(SMS_CONTACT, ""),
    )
    rejected = [("message.send", code) for code in ("too_long", "empty", "empty")]
    assert await inbox.results() == rejected
    assert (await inbox.rows(), inbox.posted()) == ([], [])


async def test_no_part_ends_within_what_is_seen_as_one_character(inbox: SendingInbox) -> None:
    await inbox.reply("x" * 1_597 + FAMILY + "y")
    assert await posts(inbox, MARIA, 2) == [("x" * 1_597, []), (FAMILY + "y", [])]


async def test_what_follows_a_part_that_is_refused_is_not_sent(inbox: SendingInbox) -> None:
    inbox.mock.faults.add(faults.refused(21620, where={"Body": "bad"}))
    await inbox.reply("bad", media_urls=PICTURES[:3])
    await inbox.reply("good")
    await inbox.until_states(failed=3, accepted=1)
    assert inbox.posted() == ["bad", "good"]
    failed = [
        (read.data["part"], read.data["status"], read.data["error_code"])
        for read in await inbox.read("messages.sent")
        if read.kind == "message.failed"
    ]
    assert failed == [(part, "failed", 21620) for part in (1, 2, 3)]


async def test_what_follows_a_part_that_does_not_arrive_is_not_sent(inbox: SendingInbox) -> None:
    inbox.mock.callback_rules.add(delivery_failing(30005, "undelivered", where={"Body": "lost"}))
    # The second part waits until the receipt of the first one has come.
    inbox.mock.faults.add(faults.throttled(1000, where={"MediaUrl": PICTURES[1]}))
    await inbox.reply("lost", media_urls=PICTURES[:3])

    async def is_lost() -> bool:
        rows = await inbox.rows()
        return [row["status"] for row in rows] == ["undelivered", None, None]

    await until(is_lost, "a first part that did not arrive")
    await inbox.until_posted(2)
    await inbox.until_states(accepted=1, queued=2)
    await inbox.pass_time()
    await inbox.until_states(accepted=1, failed=2)
    assert [row["error_code"] for row in await inbox.rows()] == [30005] * 3
    assert inbox.posts() == {"lost": 1, "": 1}


async def test_what_follows_a_part_in_doubt_is_sent(inbox: SendingInbox) -> None:
    inbox.mock.callback_rules.add(callbacks_missing())
    inbox.mock.faults.add(faults.connection_closed(where={"Body": "doubtful"}))
    await inbox.reply("doubtful", media_urls=PICTURES[:2])
    await inbox.until_states(uncertain=1, accepted=1)
    assert inbox.posted() == ["doubtful", ""]


async def test_what_follows_a_part_that_waited_too_long_is_not_sent(inbox: SendingInbox) -> None:
    inbox.mock.faults.add(faults.refused(21611))
    await inbox.reply("late", media_urls=PICTURES[:2])
    await inbox.until_posted(2)
    await inbox.owner.execute(
        "UPDATE inbox.conversations SET window_until = window_until + interval '2 days'"
    )
    await inbox.pass_time(25 * 3600)
    await inbox.until_states(failed=2)
    assert [row["error_code"] for row in await inbox.rows()] == [21611] * 2
    assert set(inbox.posted()) == {"late"}


@pytest.mark.parametrize(
    "fault",
    [
        faults.refused(21611, times=2),
        faults.throttled(times=2),
        faults.refused(20429, times=2),
    ],
    ids=["queue full", "429", "20429"],
)
async def test_what_was_surely_not_taken_is_posted_again(
    inbox: SendingInbox, fault: faults.Fault
) -> None:
    inbox.mock.faults.add(fault)
    await inbox.reply("hi")
    await inbox.until_parts({"hi": "accepted"})
    assert inbox.posts() == {"hi": 3}
    assert await inbox.parts("error_code") == {"hi": None}
    assert next(kind for kind, *_ in (await inbox.published())["hi"]) == "accepted"
