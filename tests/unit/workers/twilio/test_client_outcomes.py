"""The outcomes of a POST: only a part that was certainly not taken may be posted again."""

import pytest
from msgspec.structs import replace as changed

from bench.mock_twilio import Fault, MockTwilio, faults
from domain.sending import NotTaken, PostOutcome, Refused, Send, Unknown
from tests.harness.twilio_account import SEND
from workers.twilio.client import Twilio

FAULTS: list[tuple[Fault, type[PostOutcome], int]] = [
    (faults.throttled(), NotTaken, 0),
    (faults.throttled(7), NotTaken, 0),
    *((faults.server_error("before", status), Unknown, 0) for status in (500, 502, 503, 504)),
    (faults.server_error("after"), Unknown, 1),
    (faults.html_502("before"), Unknown, 0),
    (faults.html_502("after"), Unknown, 1),
    (faults.problem("after", 500, 20500), Unknown, 1),
    (faults.answer_lost(), Unknown, 1),
    (faults.answer_cut(), Unknown, 1),
    (faults.connection_closed(), Unknown, 0),
    (faults.connection_reset("before"), Unknown, 0),
    (faults.connection_reset("after"), Unknown, 1),
]


@pytest.mark.parametrize(("fault", "kind", "sends"), FAULTS, ids=lambda value: str(value)[:60])
async def test_only_what_twilio_surely_did_not_take_is_not_taken(
    mock: MockTwilio, twilio: Twilio, fault: Fault, kind: type[PostOutcome], sends: int
) -> None:
    mock.faults.add(fault)
    assert type(await twilio.post(SEND)) is kind
    # One request: nothing retries by itself.
    assert (len(mock.ledger.requests), len(mock.ledger.sends)) == (1, sends)


@pytest.mark.parametrize(
    ("fault", "error_code"),
    [
        (faults.refused(21610), 21610),
        (faults.refused(63016), 63016),
        (faults.refused(20003, 401), 20003),
        (faults.problem("before", 400, 63016), 63016),
        (Fault(act="answer", status=404, shape="html"), 404),
    ],
)
async def test_any_other_4xx_is_a_refusal_with_twilios_code(
    mock: MockTwilio, twilio: Twilio, fault: Fault, error_code: int
) -> None:
    mock.faults.add(fault)
    assert await twilio.post(SEND) == Refused(error_code)


@pytest.mark.parametrize(
    "send", [changed(SEND, to_address="whatsapp:nobody"), changed(SEND, body="x" * 1601)]
)
async def test_what_twilio_cannot_send_is_refused(twilio: Twilio, send: Send) -> None:
    outcome = await twilio.post(send)
    assert isinstance(outcome, Refused)
    assert outcome.error_code in {21211, 21617}
