"""The outcomes of a POST: only a part that was certainly not taken may be posted again."""

import pytest
from msgspec.structs import replace as changed

from bench.mock_twilio import Fault, MockTwilio, faults
from domain.sending import NotTaken, PostOutcome, Refused, Send, Taken, Unknown
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
        (faults.refused(20006, 403), 20006),
        (Fault(act="answer", status=401, shape="html"), 401),
        (faults.problem("before", 400, 63016), 63016),
        (Fault(act="answer", status=404, shape="html"), 404),
    ],
)
async def test_any_4xx_that_does_not_pass_is_a_refusal_with_twilios_code(
    mock: MockTwilio, twilio: Twilio, fault: Fault, error_code: int
) -> None:
    mock.faults.add(fault)
    assert await twilio.post(SEND) == Refused(error_code)


@pytest.mark.parametrize(
    ("fault", "error_code"),
    [
        (faults.refused(21611), 21611),
        (faults.problem("before", 400, 21611), 21611),
        (faults.throttled(), 20429),
        (faults.refused(20429), 20429),
        (faults.refused(63018), 63018),
        (faults.refused(63038, 403), 63038),
    ],
    ids=str,
)
async def test_what_passes_is_posted_again_later_and_later(
    mock: MockTwilio, twilio: Twilio, fault: Fault, error_code: int | None
) -> None:
    mock.faults.add(fault)
    waits = [await twilio.post(changed(SEND, attempts=attempts)) for attempts in (1, 2, 9, 3_000)]
    for outcome, seconds in zip(waits, (0.1, 0.2, 25.6, 30), strict=True):
        assert isinstance(outcome, NotTaken)
        assert outcome.error_code == error_code
        assert 0.9 * seconds <= outcome.again_seconds <= 1.1 * seconds


async def test_how_long_to_wait_counts_for_any_error_that_passes(
    mock: MockTwilio, twilio: Twilio
) -> None:
    mock.faults.add(changed(faults.refused(21611), retry_after=90))
    assert await twilio.post(SEND) == NotTaken(90.0, 21611)


async def test_an_account_that_may_not_send_is_reported_once_until_it_may(
    mock: MockTwilio, twilio: Twilio, caplog: pytest.LogCaptureFixture
) -> None:
    report = ["replies of acme fail: Twilio answers 20003 for it"]
    for times in (1, 2):
        mock.faults.add(faults.refused(20003, 401, times=2))
        assert await twilio.post(SEND) == Refused(20003)
        assert await twilio.post(SEND) == Refused(20003)
        assert isinstance(await twilio.post(SEND), Taken)
        assert [each.getMessage() for each in caplog.records] == report * times
    assert {each.levelname for each in caplog.records} == {"WARNING"}


@pytest.mark.parametrize(
    "send", [changed(SEND, to_address="whatsapp:nobody"), changed(SEND, body="x" * 1601)]
)
async def test_what_twilio_cannot_send_is_refused(twilio: Twilio, send: Send) -> None:
    outcome = await twilio.post(send)
    assert isinstance(outcome, Refused)
    assert outcome.error_code in {21211, 21617}
