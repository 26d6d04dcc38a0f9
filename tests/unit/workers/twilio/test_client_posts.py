"""The fields and the account of a POST; POSTs at once; and nothing of them in a log."""

import asyncio
from urllib.parse import parse_qs

import pytest
from msgspec.structs import replace as changed

from bench.mock_twilio import MockTwilio, faults
from bench.mock_twilio.account import SID
from domain.sending import NotTaken, Taken
from tests.harness.twilio_account import ACCOUNTS, SEND, listed, settings
from tests.harness.twilio_clients import CONTACT, SENDER
from workers.twilio.client import Twilio

TEMPLATE = "HX" + "0" * 32


def sent_fields(mock: MockTwilio) -> dict[str, list[str]]:
    """The fields of the only message that was sent."""
    [send] = mock.ledger.sends
    return parse_qs(send.raw, keep_blank_values=True)


async def test_a_text_is_posted_with_its_files_and_where_to_call_back(
    mock: MockTwilio, twilio: Twilio
) -> None:
    files = ("https://a.b/1.png", "https://a.b/2.png?x=1&y=2")
    outcome = await twilio.post(changed(SEND, body="Olá, 1 + 1 = 2 👋", media_urls=files, part=2))
    assert outcome == Taken(mock.ledger.sends[0].sid, "queued")
    assert mock.ledger.sends[0].sid.startswith("MM")
    assert sent_fields(mock) == {
        "From": [SENDER],
        "To": [CONTACT],
        "Body": ["Olá, 1 + 1 = 2 👋"],
        "MediaUrl": list(files),
        "StatusCallback": [f"https://inbox.example.com/in/twilio/status?mid={SEND.message_id}&a=2"],
    }


async def test_a_template_is_posted_with_its_variables_and_without_a_text(
    mock: MockTwilio, twilio: Twilio
) -> None:
    template = changed(SEND, body="", content_sid=TEMPLATE, content_variables={"1": "Ana"})
    assert isinstance(await twilio.post(template), Taken)
    fields = sent_fields(mock)
    assert fields["ContentSid"] == [TEMPLATE]
    assert fields["ContentVariables"] == ['{"1":"Ana"}']
    assert "Body" not in fields


async def test_an_account_without_a_token_at_twilio_waits() -> None:
    accounts = f'{{"{SID}": {{"account_id": "acme", "signing_keys": {{"k": "s"}}}}}}'
    twilio = Twilio(settings("http://127.0.0.1:1", INBOX_TWILIO_ACCOUNTS=accounts))
    assert twilio.account_of(SEND) is None
    assert await twilio.post(SEND) == NotTaken(30.0)
    await twilio.close()


async def test_of_several_accounts_at_twilio_the_first_one_sends(mock: MockTwilio) -> None:
    other = "AC" + "1" * 32
    accounts = f'{ACCOUNTS[:-1]}, "{other}": {{"account_id": "acme", "auth_token": "9"}}}}'
    twilio = Twilio(settings(mock.url, INBOX_TWILIO_ACCOUNTS=accounts))
    assert isinstance(await twilio.post(SEND), Taken)
    await twilio.close()


async def test_texts_secrets_and_addresses_are_not_logged(
    mock: MockTwilio, twilio: Twilio, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await twilio.post(changed(SEND, body="between-you-and-me"))
    mock.faults.add(faults.refused(21211), faults.answer_lost())
    await twilio.post(changed(SEND, body="between-you-and-me"))
    await listed(twilio, from_address=SENDER, to_address=CONTACT)
    logged = caplog.text
    for secret in ("between-you-and-me", "12345", CONTACT.partition("+")[2], "Authorization"):
        assert secret not in logged


async def test_posts_at_once_do_not_wait_for_each_other(mock: MockTwilio, twilio: Twilio) -> None:
    mock.faults.add(faults.hanging("before", times=1))
    slow = asyncio.create_task(twilio.post(SEND))
    quick = await asyncio.gather(*(twilio.post(SEND) for _ in range(20)))
    assert sum(isinstance(outcome, Taken) for outcome in quick) >= 19
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


@pytest.mark.parametrize(
    ("named", "learned", "through"),
    [
        (None, None, SID),
        (None, "AC" + "1" * 32, "AC" + "1" * 32),
        ("AC" + "1" * 32, SID, "AC" + "1" * 32),
        # It was replaced since the webhook came.
        (None, "AC" + "3" * 32, SID),
        # Another tenant's, or one that is not set: nothing goes out through a guess.
        ("AC" + "2" * 32, SID, None),
        ("AC" + "3" * 32, None, None),
        (None, "AC" + "2" * 32, SID),
    ],
)
async def test_a_part_goes_out_through_the_account_that_is_named_or_else_learned_or_else_the_first(
    named: str | None, learned: str | None, through: str | None
) -> None:
    others = "".join(
        f', "AC{number * 32}": {{"account_id": "{tenant}", "auth_token": "t"}}'
        for number, tenant in (("1", "acme"), ("2", "foreign"))
    )
    accounts = f"{ACCOUNTS[:-1]}{others}}}"
    twilio = Twilio(settings("http://127.0.0.1:1", INBOX_TWILIO_ACCOUNTS=accounts))
    part = changed(SEND, provider_account_id=named, webhook_account_id=learned)
    assert twilio.account_of(part) == through
    await twilio.close()
