"""A reply is posted at most once, whatever happens between the POST and its answer."""

from collections import Counter
from collections.abc import Mapping

from msgspec import structs

from bench.mock_twilio import Fault, faults
from bench.mock_twilio.tellings import missing
from tests.harness.sending_inbox import JONAS, MARIA, Desk, heard, part_of, receipt
from tests.harness.waiting import until


async def test_a_reply_waits_while_connections_are_refused(desk: Desk) -> None:
    async with desk.mock.refusing():
        await desk.write("hi")
        await desk.until_tried("hi", 2)
    await desk.until_parts({"hi": "accepted"})
    assert desk.posts() == {"hi": 1}


async def test_a_reply_waits_as_long_as_it_is_told_to(desk: Desk) -> None:
    desk.mock.faults.add(faults.throttled(1000, times=1))
    await desk.write("hi")

    async def waits() -> bool:
        waits = "state = 'queued' AND due_at > clock_timestamp() + interval '900 seconds'"
        return bool(await desk.owner.fetchval(f"SELECT {waits} FROM inbox.sends"))  # noqa: S608

    await until(waits, "a reply that waits")
    await desk.pass_time()
    await desk.until_parts({"hi": "accepted"})
    assert desk.posts() == {"hi": 2}


REFUSED = {
    "refused with JSON": (faults.refused(21211), 21211),
    "refused with a problem": (faults.problem("before", 400, 21610), 21610),
}


async def test_a_reply_that_is_refused_fails_and_those_after_it_go_on(desk: Desk) -> None:
    await meet(desk, {body: fault for body, (fault, _) in REFUSED.items()})
    await desk.write("good")
    await desk.until_parts(dict.fromkeys(REFUSED, "failed") | {"good": "accepted"})
    codes = {body: code for body, (_, code) in REFUSED.items()}
    assert await desk.parts("error_code") == codes | {"good": None}
    told = await desk.published()
    assert {body: told[body] for body in REFUSED} == {
        body: [("failed", "failed", code)] for body, code in codes.items()
    }
    assert desk.posts() == Counter([*REFUSED, "good"])


TAKEN = {
    "5xx": faults.server_error("after"),
    "HTML": faults.html_502("after"),
    "lost": faults.answer_lost(),
    "cut": faults.answer_cut(),
    "reset": faults.connection_reset("after"),
}
"""Answers that do not say that the message was taken, though it was, by the text of a reply."""

UNTAKEN = {
    "5xx": faults.server_error("before"),
    "500": faults.server_error("before", 500),
    "HTML": faults.html_502("before"),
    "closed": faults.connection_closed(),
    "reset": faults.connection_reset("before"),
}
"""Likewise, though it was not."""


async def meet(desk: Desk, met: Mapping[str, Fault]) -> None:
    """Write a reply for each fault, which meets that one alone."""
    desk.mock.faults.add(
        *[structs.replace(fault, where={"Body": body}) for body, fault in met.items()]
    )
    await desk.write(*met)


async def test_callbacks_settle_what_was_taken(desk: Desk) -> None:
    await meet(desk, TAKEN)
    await desk.until_parts(dict.fromkeys(TAKEN, "read"), "status")
    assert await desk.parts("provider_message_id") == desk.sids()
    assert desk.posts() == Counter(TAKEN.keys())
    for told in (await desk.published()).values():
        assert [kind for kind, *_ in told].count("accepted") == 1


async def test_the_list_settles_what_was_taken(desk: Desk) -> None:
    desk.mock.tellings.add(missing())
    await meet(desk, TAKEN)
    await desk.until_parts(dict.fromkeys(TAKEN, "uncertain"))
    await desk.pass_time(15)
    await desk.until_parts(dict.fromkeys(TAKEN, "accepted"))
    assert await desk.parts("provider_message_id") == desk.sids()
    assert await desk.published() == {body: [("accepted", "read", None)] for body in TAKEN}
    assert desk.posts() == Counter(TAKEN.keys())


async def test_what_nobody_finds_is_uncertain_until_a_receipt_comes(desk: Desk) -> None:
    await meet(desk, UNTAKEN)
    await desk.until_parts(dict.fromkeys(UNTAKEN, "uncertain"))
    await desk.pass_time(601)
    await desk.until_parts(dict.fromkeys(UNTAKEN, True), "told_uncertain")
    # Nobody looks again, even if one is due, and others pass.
    await desk.pass_time(1000)
    await desk.write("next")
    await desk.until_parts(dict.fromkeys(UNTAKEN, "uncertain") | {"next": "accepted"})
    told = await desk.published()
    assert [told[body] for body in UNTAKEN] == [[("uncertain", "uncertain", None)]] * len(UNTAKEN)
    assert desk.posts() == Counter([*UNTAKEN, "next"])

    late, sid = str((await desk.parts("message_id"))["closed"]), "SM" + "f" * 32
    await desk.apply(receipt(sid, "delivered", message_id=late, attempt=1))
    assert (await desk.parts())["closed"] == "accepted"
    assert (await desk.parts("provider_message_id"))["closed"] == sid
    assert (await desk.published())["closed"][1:] == [
        ("accepted", "accepted", None),
        ("status_changed", "delivered", None),
    ]
    assert desk.posts() == Counter([*UNTAKEN, "next"])


async def test_of_equal_texts_nobody_but_callbacks_can_tell_which_was_taken(desk: Desk) -> None:
    desk.mock.tellings.add(missing())
    await desk.hear(JONAS)
    desk.mock.faults.add(
        faults.answer_lost(),
        # Of Maria's both are taken, of Jonas' the first.
        faults.connection_closed(where={"To": JONAS}, skip=1),
    )
    await desk.write("same", "same")
    await desk.write("same", "same", to=JONAS)
    await desk.until_states(uncertain=4)
    assert len(desk.mock.ledger.sends) == 3
    await desk.pass_time(20)
    await desk.until_looked()
    assert {row["state"] for row in await desk.rows()} == {"uncertain"}
    await desk.pass_time(600)

    async def all_are_told() -> bool:
        return all(row["told_uncertain"] for row in await desk.rows())

    await until(all_are_told, "four of which people are told")
    assert {read.kind for read in await desk.read("messages.sent")} == {"message.uncertain"}
    # In whatever order they come.
    for sent in reversed(desk.mock.ledger.sends):
        await desk.call_back(sent, "delivered")
    settled = {
        (str(row["message_id"]), row["part"]): row["provider_message_id"]
        for row in await desk.rows()
        if row["state"] == "accepted"
    }
    assert settled == {part_of(sent): sent.sid for sent in desk.mock.ledger.sends}
    assert desk.posts() == {"same": 4}


async def test_parts_of_one_reply_are_in_doubt_each_for_itself(desk: Desk) -> None:
    parts = lost, untaken, good = [str(number).ljust(1600, ".") for number in range(3)]
    desk.mock.tellings.add(missing())
    desk.mock.faults.add(
        faults.answer_lost(where={"Body": lost}),
        faults.connection_closed(where={"Body": untaken}),
    )
    await desk.write("".join(parts))
    await desk.until_parts({lost: "uncertain", untaken: "uncertain", good: "accepted"})
    await desk.pass_time(15)
    await desk.until_parts({lost: "accepted", untaken: "uncertain", good: "accepted"})
    assert await desk.parts("provider_message_id") == {untaken: None} | desk.sids()
    assert desk.posted() == parts


async def test_contacts_are_heard_while_twilio_hangs(desk: Desk) -> None:
    desk.mock.faults.add(faults.hanging("before"))
    await desk.write("hi")
    await desk.until_posted(1)
    await desk.apply(heard(MARIA), heard(JONAS))
    assert await desk.parts() == {"hi": "posting"}
    assert await desk.owner.fetchval("SELECT count(*) FROM inbox.messages") == 4
    # An answer is not waited for for ever.
    await desk.until_parts({"hi": "uncertain"})
    assert desk.posts() == {"hi": 1}
