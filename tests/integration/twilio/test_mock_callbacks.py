"""Status callbacks of the mock of Twilio: which come, in which order, when, and signed how."""

import json
from typing import NamedTuple

import pytest
from twilio.request_validator import RequestValidator

from bench.mock_twilio import MockTwilio, Telling, faults
from bench.mock_twilio.server import ACCOUNTS
from bench.mock_twilio.tellings import failing, missing
from tests.harness.twilio import SID, TOKEN
from tests.harness.twilio_clients import CONTACT, SENDER, SMS_CONTACT, SMS_SENDER, Plain, Receiver
from workers.dev.embedded.ports import HOST, free_port
from workers.dev.twilio_stand_in.callbacks import status_form
from workers.dev.twilio_stand_in.messages import Message, now
from workers.dev.twilio_stand_in.server import Provider


async def test_a_status_callback_is_signed_as_twilio_signs_it() -> None:
    message = Message(
        sid="SM00000000000000000000000000000003",
        account_sid=SID,
        to=CONTACT,
        from_=SENDER,
        body="",
        direction="outbound-api",
        status="read",
        created_at=now(),
        updated_at=now(),
    )
    form = status_form(message, "read")
    assert form["ChannelToAddress"] == "+4915112XXXXX"
    # A signature that Twilio published with such a form.
    url = "https://inbox.example.com/twilio/status?mid=0190a719-ac96-7eb9-a837-cac215164834&t=7"
    assert RequestValidator(TOKEN).compute_signature(url, form) == "sbnUWsWvSbCk9UpJjRaRsnLkI+s="


async def test_all_is_told_in_order_after_the_answer(
    mock: MockTwilio, plain: Plain, receiver: Receiver
) -> None:
    sid = json.loads((await plain.send(mock, StatusCallback=receiver.url)).body)["sid"]
    await mock.drain()
    assert receiver.told == ["queued", "sent", "delivered", "read"]
    assert {form["MessageSid"] for form in receiver.forms} == {sid}
    assert {form["SmsSid"] for form in receiver.forms} == {sid}
    assert receiver.forms[-1]["EventType"] == "READ"
    assert mock.ledger.told(sid) == receiver.told
    assert [callback.answer for callback in mock.ledger.callbacks] == [204] * 4

    sms = {"To": SMS_CONTACT, "From": SMS_SENDER, "StatusCallback": receiver.url}
    await plain.send(mock, **sms)
    await mock.drain()
    assert receiver.told[4:] == ["queued", "sent", "delivered"]
    assert "EventType" not in receiver.forms[-1]


async def test_a_message_whose_answer_is_lost_is_told_of_all_the_same(
    mock: MockTwilio, plain: Plain, receiver: Receiver
) -> None:
    mock.faults.add(faults.answer_lost(times=1), faults.html_502("after"))
    for _ in range(2):
        await plain.send(mock, StatusCallback=receiver.url)
    await mock.drain()
    assert sorted(receiver.told) == sorted(["queued", "sent", "delivered", "read"] * 2)


class Told(NamedTuple):
    """A telling, what comes of it, and the status that the list shows."""

    telling: Telling
    comes: list[str]
    shown: str


TOLD = {
    "missing": Told(missing(), [], "read"),
    "reversed": Told(Telling(order="reversed"), ["read", "delivered", "sent", "queued"], "read"),
    "doubled": Told(
        Telling(statuses=("queued", "sent"), copies=2), ["queued", "queued", "sent", "sent"], "sent"
    ),
    "unknown": Told(
        Telling(statuses=("queued", "teleported")), ["queued", "teleported"], "teleported"
    ),
    "failed": Told(failing(63016), ["queued", "failed"], "failed"),
    "undelivered": Told(failing(30003, "undelivered"), ["queued", "undelivered"], "undelivered"),
}


@pytest.mark.parametrize("name", TOLD)
async def test_callbacks_come_as_they_are_told_to(
    mock: MockTwilio, plain: Plain, receiver: Receiver, name: str
) -> None:
    telling, comes, shown = TOLD[name]
    mock.tellings.add(telling)
    await plain.send(mock, StatusCallback=receiver.url)
    await mock.drain()
    assert receiver.told == comes
    code = telling.error_code
    codes = [form.get("ErrorCode") for form in receiver.forms]
    assert [each for each in codes if each is not None] == ([str(code)] if code else [])
    [message] = await plain.listed(mock)
    assert (message["status"], message["error_code"]) == (shown, code)
    assert message["date_sent"] is not None


async def test_shuffled_callbacks_are_shuffled_alike_with_one_seed(
    mock: MockTwilio, plain: Plain, receiver: Receiver
) -> None:
    mock.tellings.add(Telling(order="shuffled", copies=3, seed=5))
    for _ in range(2):
        await plain.send(mock, StatusCallback=receiver.url)
        await mock.drain()
    first, second = receiver.told[:12], receiver.told[12:]
    assert first == second
    assert first != sorted(first)


async def test_early_callbacks_come_before_the_answer(
    mock: MockTwilio, plain: Plain, receiver: Receiver
) -> None:
    mock.tellings.add(Telling(early=3, times=1))
    # Nobody knows the answer as long as the request has no status.
    answered: list[int | None] = []
    receiver.on_callback = lambda form: answered.append(mock.ledger.requests[0].status)
    seen = await plain.send(mock, StatusCallback=receiver.url)
    assert receiver.told[:3] == ["queued", "sent", "delivered"]
    assert answered[:3] == [None] * 3
    assert json.loads(seen.body)["status"] == "queued"
    await mock.drain()
    assert receiver.told[3:] == ["read"]
    assert [callback.early for callback in mock.ledger.callbacks] == [True] * 3 + [False]


async def test_a_callback_that_fails_is_told_again_only_with_retries(
    mock: MockTwilio, plain: Plain, receiver: Receiver
) -> None:
    receiver.answers = [503, 500, 204, 403, 503]
    mock.tellings.add(Telling(statuses=("queued", "sent"), retries=3, times=1))
    mock.tellings.add(Telling(statuses=("queued", "sent")))
    for _ in range(2):
        await plain.send(mock, StatusCallback=receiver.url)
        await mock.drain()
    assert receiver.told == ["queued"] * 3 + ["sent"] + ["queued", "sent"]
    assert [callback.attempt for callback in mock.ledger.callbacks] == [1, 2, 3, 1, 1, 1]
    assert [each.answer for each in mock.ledger.callbacks] == [503, 500, 204, 403, 503, 204]


async def test_a_receiver_that_is_away_is_noted(mock: MockTwilio, plain: Plain) -> None:
    nobody = f"http://{HOST}:{free_port()}/twilio/status"
    mock.tellings.add(Telling(statuses=("queued",), retries=1))
    await plain.send(mock, StatusCallback=nobody)
    await mock.drain()
    assert [callback.answer for callback in mock.ledger.callbacks] == [None, None]
    assert all("ClientConnectorError" in str(each.error) for each in mock.ledger.callbacks)


async def test_a_public_url_is_signed_and_reached_on_this_machine_or_not_at_all(
    plain: Plain, receiver: Receiver
) -> None:
    public = "https://inbox.example.com/in"
    receiver.signed_url = f"{public}/twilio/status?mid=m1%2F&a=1"
    reached_at = {public: f"http://{HOST}:{receiver.port}"}
    async with MockTwilio(reached_at=reached_at) as mock:
        await plain.send(mock, StatusCallback=receiver.signed_url)
        await plain.send(mock, StatusCallback="https://elsewhere.example.com/twilio/status")
        await plain.send(mock, StatusCallback="http://192.0.2.1/twilio/status")
    assert receiver.told == ["queued", "sent", "delivered", "read"]
    refused = [callback for callback in mock.ledger.callbacks if callback.answer is None]
    assert len(refused) == 8
    assert all("ValueError" in str(callback.error) for callback in refused)


async def test_stopping_waits_for_callbacks_but_not_for_ever(plain: Plain) -> None:
    async with Receiver().running() as receiver, MockTwilio() as mock:
        # A pause ends with the mock.
        mock.tellings.add(Telling(pause_seconds=3600))
        await plain.send(mock, StatusCallback=receiver.url)
    assert receiver.told == ["queued", "sent", "delivered", "read"]

    async with Receiver().running() as receiver:
        async with MockTwilio() as mock:
            mock.drain_seconds = 0.1
            receiver.answering.clear()
            await plain.send(mock, StatusCallback=receiver.url)
            assert mock.ledger.pending == 1
        assert mock.ledger.pending == 0
        assert mock.ledger.callbacks == []
        receiver.answering.set()


async def test_the_provider_without_faults_tells_all_too(plain: Plain, receiver: Receiver) -> None:
    async with Provider(ACCOUNTS) as provider:
        assert (await plain.send(provider, StatusCallback=receiver.url)).status == 201
        assert (await plain.send(provider)).status == 201
        nowhere = f"http://{HOST}:{free_port()}/"
        assert (await plain.send(provider, StatusCallback=nowhere)).status == 201
    assert receiver.told == ["queued", "sent", "delivered", "read"]
    assert [message.status for message in provider.messages] == ["read"] * 3
