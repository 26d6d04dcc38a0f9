"""A reply is posted at most once, even if anything goes wrong between the POST and its answer."""

from collections import Counter
from collections.abc import Mapping

from msgspec import structs

from bench.mock_twilio import Fault, faults
from bench.mock_twilio.callback_rules import callbacks_missing
from tests.harness.sending_inbox import JONAS, MARIA, SendingInbox, inbound, part_of, receipt
from tests.harness.waiting import until


async def test_a_reply_waits_while_connections_are_refused(inbox: SendingInbox) -> None:
    async with inbox.mock.refusing():
        await inbox.reply("hi")
        await inbox.until_tried("hi", 2)
    await inbox.until_parts({"hi": "accepted"})
    assert inbox.posts() == {"hi": 1}


async def test_a_reply_waits_as_long_as_it_is_told_to(inbox: SendingInbox) -> None:
    inbox.mock.faults.add(faults.throttled(1000, times=1))
    await inbox.reply("hi")

    async def waits() -> bool:
        waits = "state = 'queued' AND due_at > clock_timestamp() + interval '900 seconds'"
        return bool(await inbox.owner.fetchval(f"SELECT {waits} FROM inbox.sends"))  # noqa: S608

    await until(waits, "a reply that waits")
    await inbox.pass_time()
    await inbox.until_parts({"hi": "accepted"})
    assert inbox.posts() == {"hi": 2}


REFUSED = {
    "refused with JSON": (faults.refused(21211), 21211),
    "refused with a problem": (faults.problem("before", 400, 21610), 21610),
}


async def test_a_reply_that_is_refused_fails_and_those_after_it_go_on(inbox: SendingInbox) -> None:
    await reply_with_faults(inbox, {body: fault for body, (fault, _) in REFUSED.items()})
    await inbox.reply("good")
    await inbox.until_parts(dict.fromkeys(REFUSED, "failed") | {"good": "accepted"})
    codes = {body: code for body, (_, code) in REFUSED.items()}
    assert await inbox.parts("error_code") == codes | {"good": None}
    published = await inbox.published()
    assert {body: published[body] for body in REFUSED} == {
        body: [("failed", "failed", code)] for body, code in codes.items()
    }
    assert inbox.posts() == Counter([*REFUSED, "good"])


TAKEN = {
    "5xx": faults.server_error("after"),
    "HTML": faults.html_502("after"),
    "lost": faults.answer_lost(),
    "cut": faults.answer_cut(),
    "reset": faults.connection_reset("after"),
}
"""By the text of a reply: faults after which Twilio has taken it, but the answer is unusable."""

UNTAKEN = {
    "5xx": faults.server_error("before"),
    "500": faults.server_error("before", 500),
    "HTML": faults.html_502("before"),
    "closed": faults.connection_closed(),
    "reset": faults.connection_reset("before"),
}
"""By the text of a reply: such faults after which Twilio has not taken it."""


async def reply_with_faults(inbox: SendingInbox, by_text: Mapping[str, Fault]) -> None:
    """Publish a reply with each text, whose POST has the fault of that text."""
    inbox.mock.faults.add(
        *[structs.replace(fault, where={"Body": body}) for body, fault in by_text.items()]
    )
    await inbox.reply(*by_text)


async def test_callbacks_settle_what_was_taken(inbox: SendingInbox) -> None:
    await reply_with_faults(inbox, TAKEN)
    await inbox.until_parts(dict.fromkeys(TAKEN, "read"), "status")
    assert await inbox.parts("provider_message_id") == inbox.sids()
    assert inbox.posts() == Counter(TAKEN.keys())
    for events in (await inbox.published()).values():
        assert [kind for kind, *_ in events].count("accepted") == 1


async def test_the_list_settles_what_was_taken(inbox: SendingInbox) -> None:
    inbox.mock.callback_rules.add(callbacks_missing())
    await reply_with_faults(inbox, TAKEN)
    await inbox.until_parts(dict.fromkeys(TAKEN, "uncertain"))
    await inbox.pass_time(15)
    await inbox.until_parts(dict.fromkeys(TAKEN, "accepted"))
    assert await inbox.parts("provider_message_id") == inbox.sids()
    assert await inbox.published() == {body: [("accepted", "read", None)] for body in TAKEN}
    assert inbox.posts() == Counter(TAKEN.keys())


async def test_what_nobody_finds_is_uncertain_until_a_receipt_comes(inbox: SendingInbox) -> None:
    await reply_with_faults(inbox, UNTAKEN)
    await inbox.until_parts(dict.fromkeys(UNTAKEN, "uncertain"))
    await inbox.pass_time(601)
    await inbox.until_parts(dict.fromkeys(UNTAKEN, True), "told_uncertain")
    # They are not checked again, even if a check is due, and later replies are posted.
    await inbox.pass_time(1000)
    await inbox.reply("next")
    await inbox.until_parts(dict.fromkeys(UNTAKEN, "uncertain") | {"next": "accepted"})
    published = await inbox.published()
    uncertain = [("uncertain", "uncertain", None)]
    assert [published[body] for body in UNTAKEN] == [uncertain] * len(UNTAKEN)
    assert inbox.posts() == Counter([*UNTAKEN, "next"])

    late, sid = str((await inbox.parts("message_id"))["closed"]), "SM" + "f" * 32
    await inbox.apply(receipt(sid, "delivered", message_id=late, attempt=1))
    assert (await inbox.parts())["closed"] == "accepted"
    assert (await inbox.parts("provider_message_id"))["closed"] == sid
    assert (await inbox.published())["closed"][1:] == [
        ("accepted", "accepted", None),
        ("status_changed", "delivered", None),
    ]
    assert inbox.posts() == Counter([*UNTAKEN, "next"])


async def test_of_equal_texts_nobody_but_callbacks_can_tell_which_was_taken(
    inbox: SendingInbox,
) -> None:
    inbox.mock.callback_rules.add(callbacks_missing())
    await inbox.receive_from(JONAS)
    inbox.mock.faults.add(
        faults.answer_lost(),
        # Twilio takes both replies to Maria, and the first one to Jonas.
        faults.connection_closed(where={"To": JONAS}, skip=1),
    )
    await inbox.reply("same", "same")
    await inbox.reply("same", "same", to=JONAS)
    await inbox.until_states(uncertain=4)
    assert len(inbox.mock.ledger.sends) == 3
    await inbox.pass_time(20)
    await inbox.until_checked()
    assert {row["state"] for row in await inbox.rows()} == {"uncertain"}
    await inbox.pass_time(600)

    async def all_are_reported() -> bool:
        return all(row["told_uncertain"] for row in await inbox.rows())

    await until(all_are_reported, "four parts that are reported as uncertain")
    assert {read.kind for read in await inbox.read("messages.sent")} == {"message.uncertain"}
    # In another order than they were taken.
    for sent in reversed(inbox.mock.ledger.sends):
        await inbox.call_back(sent, "delivered")
    settled = {
        (str(row["message_id"]), row["part"]): row["provider_message_id"]
        for row in await inbox.rows()
        if row["state"] == "accepted"
    }
    assert settled == {part_of(sent): sent.sid for sent in inbox.mock.ledger.sends}
    assert inbox.posts() == {"same": 4}


async def test_parts_of_one_reply_are_in_doubt_each_for_itself(inbox: SendingInbox) -> None:
    parts = lost, untaken, good = [str(number).ljust(1600, ".") for number in range(3)]
    inbox.mock.callback_rules.add(callbacks_missing())
    inbox.mock.faults.add(
        faults.answer_lost(where={"Body": lost}),
        faults.connection_closed(where={"Body": untaken}),
    )
    await inbox.reply("".join(parts))
    await inbox.until_parts({lost: "uncertain", untaken: "uncertain", good: "accepted"})
    await inbox.pass_time(15)
    await inbox.until_parts({lost: "accepted", untaken: "uncertain", good: "accepted"})
    assert await inbox.parts("provider_message_id") == {untaken: None} | inbox.sids()
    assert inbox.posted() == parts


async def test_contacts_are_heard_while_twilio_hangs(inbox: SendingInbox) -> None:
    inbox.mock.faults.add(faults.hanging("before"))
    await inbox.reply("hi")
    await inbox.until_posted(1)
    await inbox.apply(inbound(MARIA), inbound(JONAS))
    assert await inbox.parts() == {"hi": "posting"}
    assert await inbox.owner.fetchval("SELECT count(*) FROM inbox.messages") == 4
    # The wait for an answer has a limit.
    await inbox.until_parts({"hi": "uncertain"})
    assert inbox.posts() == {"hi": 1}
