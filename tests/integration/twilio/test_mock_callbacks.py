"""Status callbacks of the mock of Twilio: their statuses, order, time and signatures."""

import json
from typing import NamedTuple

import pytest
from twilio.request_validator import RequestValidator

from bench.mock_twilio import CallbackRule, MockTwilio, faults
from bench.mock_twilio.account import ACCOUNTS, SID, TOKEN
from bench.mock_twilio.callback_rules import callbacks_missing, delivery_failing
from tests.harness.twilio_clients import (
    CONTACT,
    SENDER,
    SMS_CONTACT,
    SMS_SENDER,
    CallbackReceiver,
    PlainClient,
)
from workers.dev.embedded.ports import HOST, free_port
from workers.dev.twilio_stand_in.callbacks import status_form
from workers.dev.twilio_stand_in.messages import Message, now
from workers.dev.twilio_stand_in.server import TwilioStandIn


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
    # Twilio published this signature of such a form.
    url = "https://inbox.example.com/twilio/status?mid=0190a719-ac96-7eb9-a837-cac215164834&t=7"
    assert RequestValidator(TOKEN).compute_signature(url, form) == "sbnUWsWvSbCk9UpJjRaRsnLkI+s="


async def test_all_is_told_in_order_after_the_answer(
    mock: MockTwilio, plain: PlainClient, receiver: CallbackReceiver
) -> None:
    sid = json.loads((await plain.send(mock, StatusCallback=receiver.url)).body)["sid"]
    await mock.drain()
    assert receiver.statuses == ["queued", "sent", "delivered", "read"]
    assert {form["MessageSid"] for form in receiver.forms} == {sid}
    assert {form["SmsSid"] for form in receiver.forms} == {sid}
    assert receiver.forms[-1]["EventType"] == "READ"
    assert mock.ledger.callback_statuses(sid) == receiver.statuses
    assert [callback.answer for callback in mock.ledger.callbacks] == [204] * 4

    sms = {"To": SMS_CONTACT, "From": SMS_SENDER, "StatusCallback": receiver.url}
    await plain.send(mock, **sms)
    await mock.drain()
    assert receiver.statuses[4:] == ["queued", "sent", "delivered"]
    assert "EventType" not in receiver.forms[-1]


async def test_a_message_whose_answer_is_lost_is_told_of_all_the_same(
    mock: MockTwilio, plain: PlainClient, receiver: CallbackReceiver
) -> None:
    mock.faults.add(faults.answer_lost(times=1), faults.html_502("after"))
    for _ in range(2):
        await plain.send(mock, StatusCallback=receiver.url)
    await mock.drain()
    assert sorted(receiver.statuses) == sorted(["queued", "sent", "delivered", "read"] * 2)


class Case(NamedTuple):
    """A rule of callbacks."""

    rule: CallbackRule
    statuses: list[str]
    """The statuses of the callbacks."""
    listed: str
    """The status in the list."""


CASES = {
    "missing": Case(callbacks_missing(), [], "read"),
    "reversed": Case(
        CallbackRule(order="reversed"), ["read", "delivered", "sent", "queued"], "read"
    ),
    "doubled": Case(
        CallbackRule(statuses=("queued", "sent"), copies=2),
        ["queued", "queued", "sent", "sent"],
        "sent",
    ),
    "unknown": Case(
        CallbackRule(statuses=("queued", "teleported")), ["queued", "teleported"], "teleported"
    ),
    "failed": Case(delivery_failing(63016), ["queued", "failed"], "failed"),
    "undelivered": Case(
        delivery_failing(30003, "undelivered"), ["queued", "undelivered"], "undelivered"
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_callbacks_come_as_they_are_told_to(
    mock: MockTwilio, plain: PlainClient, receiver: CallbackReceiver, name: str
) -> None:
    rule, statuses, listed = CASES[name]
    mock.callback_rules.add(rule)
    await plain.send(mock, StatusCallback=receiver.url)
    await mock.drain()
    assert receiver.statuses == statuses
    code = rule.error_code
    codes = [form.get("ErrorCode") for form in receiver.forms]
    assert [each for each in codes if each is not None] == ([str(code)] if code else [])
    [message] = await plain.listed(mock)
    assert (message["status"], message["error_code"]) == (listed, code)
    assert message["date_sent"] is not None


async def test_shuffled_callbacks_are_shuffled_alike_with_one_seed(
    mock: MockTwilio, plain: PlainClient, receiver: CallbackReceiver
) -> None:
    mock.callback_rules.add(CallbackRule(order="shuffled", copies=3, seed=5))
    for _ in range(2):
        await plain.send(mock, StatusCallback=receiver.url)
        await mock.drain()
    first, second = receiver.statuses[:12], receiver.statuses[12:]
    assert first == second
    assert first != sorted(first)


async def test_early_callbacks_come_before_the_answer(
    mock: MockTwilio, plain: PlainClient, receiver: CallbackReceiver
) -> None:
    mock.callback_rules.add(CallbackRule(early=3, times=1))
    # While the request has no status, its answer is not sent.
    answered: list[int | None] = []
    receiver.on_callback = lambda form: answered.append(mock.ledger.requests[0].status)
    answer = await plain.send(mock, StatusCallback=receiver.url)
    assert receiver.statuses[:3] == ["queued", "sent", "delivered"]
    assert answered[:3] == [None] * 3
    assert json.loads(answer.body)["status"] == "queued"
    await mock.drain()
    assert receiver.statuses[3:] == ["read"]
    assert [callback.early for callback in mock.ledger.callbacks] == [True] * 3 + [False]


async def test_a_callback_that_fails_is_told_again_only_with_retries(
    mock: MockTwilio, plain: PlainClient, receiver: CallbackReceiver
) -> None:
    receiver.answers = [503, 500, 204, 403, 503]
    mock.callback_rules.add(CallbackRule(statuses=("queued", "sent"), retries=3, times=1))
    mock.callback_rules.add(CallbackRule(statuses=("queued", "sent")))
    for _ in range(2):
        await plain.send(mock, StatusCallback=receiver.url)
        await mock.drain()
    assert receiver.statuses == ["queued"] * 3 + ["sent"] + ["queued", "sent"]
    assert [callback.attempt for callback in mock.ledger.callbacks] == [1, 2, 3, 1, 1, 1]
    assert [each.answer for each in mock.ledger.callbacks] == [503, 500, 204, 403, 503, 204]


async def test_a_receiver_that_is_away_is_noted(mock: MockTwilio, plain: PlainClient) -> None:
    nobody = f"http://{HOST}:{free_port()}/twilio/status"
    mock.callback_rules.add(CallbackRule(statuses=("queued",), retries=1))
    await plain.send(mock, StatusCallback=nobody)
    await mock.drain()
    assert [callback.answer for callback in mock.ledger.callbacks] == [None, None]
    assert all("ClientConnectorError" in str(each.error) for each in mock.ledger.callbacks)


async def test_a_public_url_is_signed_and_reached_on_this_machine_or_not_at_all(
    plain: PlainClient, receiver: CallbackReceiver
) -> None:
    public = "https://inbox.example.com/in"
    receiver.signed_url = f"{public}/twilio/status?mid=m1%2F&a=1"
    reached_at = {public: f"http://{HOST}:{receiver.port}"}
    async with MockTwilio(reached_at=reached_at) as mock:
        await plain.send(mock, StatusCallback=receiver.signed_url)
        await plain.send(mock, StatusCallback="https://elsewhere.example.com/twilio/status")
        await plain.send(mock, StatusCallback="http://192.0.2.1/twilio/status")
    assert receiver.statuses == ["queued", "sent", "delivered", "read"]
    refused = [callback for callback in mock.ledger.callbacks if callback.answer is None]
    assert len(refused) == 8
    assert all("ValueError" in str(callback.error) for callback in refused)


async def test_stopping_waits_for_callbacks_but_not_for_ever(plain: PlainClient) -> None:
    async with CallbackReceiver().running() as receiver, MockTwilio() as mock:
        # The pause ends when the mock does.
        mock.callback_rules.add(CallbackRule(pause_seconds=3600))
        await plain.send(mock, StatusCallback=receiver.url)
    assert receiver.statuses == ["queued", "sent", "delivered", "read"]

    async with CallbackReceiver().running() as receiver:
        async with MockTwilio() as mock:
            mock.drain_seconds = 0.1
            receiver.answering.clear()
            await plain.send(mock, StatusCallback=receiver.url)
            assert mock.ledger.pending == 1
        assert mock.ledger.pending == 0
        assert mock.ledger.callbacks == []
        receiver.answering.set()


async def test_the_provider_without_faults_tells_all_too(
    plain: PlainClient, receiver: CallbackReceiver
) -> None:
    async with TwilioStandIn(ACCOUNTS) as provider:
        assert (await plain.send(provider, StatusCallback=receiver.url)).status == 201
        assert (await plain.send(provider)).status == 201
        nowhere = f"http://{HOST}:{free_port()}/"
        assert (await plain.send(provider, StatusCallback=nowhere)).status == 201
    assert receiver.statuses == ["queued", "sent", "delivered", "read"]
    assert [message.status for message in provider.messages] == ["read"] * 3
