"""The list of messages, page by page, and the errors that end it."""

import pytest
from msgspec.structs import replace as changed

from bench.mock_twilio import Fault, MissedMessage, MockTwilio
from domain.sending import Taken
from tests.harness.twilio_account import SEND, listed
from tests.harness.twilio_clients import CONTACT, SENDER
from workers.twilio import client as twilio_client
from workers.twilio.client import Twilio
from workers.twilio.http import BadAnswer


async def test_the_list_has_what_was_sent_to_a_contact(
    mock: MockTwilio, twilio: Twilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that the list has several pages.
    monkeypatch.setattr(twilio_client, "PAGE_MESSAGES", 2)
    outcomes = [await twilio.post(changed(SEND, body=f"text {number}")) for number in range(5)]
    await twilio.post(changed(SEND, to_address="whatsapp:+4900"))
    mock.add_missed(MissedMessage(from_=CONTACT, to=SENDER, body="hi"))
    await mock.drain()
    found = await listed(twilio, from_address=SENDER, to_address=CONTACT)
    assert {message.sid for message in found} == {
        outcome.provider_message_id for outcome in outcomes if isinstance(outcome, Taken)
    }
    assert {message.body for message in found} == {f"text {number}" for number in range(5)}
    assert {(message.direction, message.error_code) for message in found} == {
        ("outbound-api", None)
    }
    assert all(message.created_at.tzinfo for message in found)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(act="answer", status=429, on="list"), 429),
        (Fault(act="answer", status=503, on="list"), 503),
        (Fault(act="answer", status=401, code=20003, on="list"), 401),
    ],
)
async def test_an_error_of_the_list_has_its_status(
    mock: MockTwilio, twilio: Twilio, fault: Fault, status: int
) -> None:
    mock.faults.add(fault)
    with pytest.raises(BadAnswer) as caught:
        await listed(twilio)
    assert caught.value.status == status
