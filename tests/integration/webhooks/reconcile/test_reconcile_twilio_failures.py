"""When Twilio fails, `inbox reconcile` reports it in one line, and the next run does the rest."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from bench.mock_twilio import Fault, MockTwilio
from bench.mock_twilio.account import SID
from schemas.fields import AccountId
from tests.harness.command import inbox
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT
from tests.harness.reconcile import FB1, SINCE, WA1, add_channels, add_missed, ago, ended
from tests.harness.topics import Topics
from tests.harness.webhook_forms import install, messages
from workers.settings import Settings
from workers.settings.values import TwilioAccount
from workers.twilio.client import PAGE_MESSAGES


@pytest.mark.usefixtures("worker")
async def test_when_twilio_fails_it_says_how_far_it_got_and_the_next_run_does_the_rest(
    settings: Settings, topics: Topics, owner: Owner, mock: MockTwilio
) -> None:
    await install(topics, owner, {"fb1": FB1, "wa1": WA1})
    add_missed(mock, "messenger:1", FB1)
    start = ago(minutes=100)
    for number in range(PAGE_MESSAGES + 1):
        add_missed(mock, date_sent=start + timedelta(seconds=number))
    mock.faults.add(Fault(act="answer", on="list", status=503, skip=2))
    done = await inbox(settings, "reconcile", *SINCE)

    read_back = f"{start + timedelta(seconds=1):%Y-%m-%d %H:%M:%S} UTC"
    assert done.lines == [
        "acme/fb1  listed 1  recorded 0  published 1  left alone 0",
        f"acme/wa1  listed {PAGE_MESSAGES}  recorded 0  published {PAGE_MESSAGES}  left alone 0"
        f"  unfinished: read back to {read_back}",
        f"1 of 2 channels  listed {PAGE_MESSAGES + 1}  recorded 0  published {PAGE_MESSAGES + 1}"
        "  left alone 0",
    ]
    assert ended(done) == (1, [f"inbox: Twilio answers for {SID} 503"])

    mock.faults.clear()
    await messages(owner, PAGE_MESSAGES + 1)
    rest = await inbox(settings, "reconcile", *SINCE)
    assert rest.status == 0
    assert rest.lines[-1] == (
        f"2 of 2 channels  listed {PAGE_MESSAGES + 2}  recorded {PAGE_MESSAGES + 1}  published 1"
        "  left alone 0"
    )
    await messages(owner, PAGE_MESSAGES + 2)


FAILURES = {
    f"Twilio answers for {SID} 429": Fault(act="answer", on="any", status=429),
    f"Twilio answers for {SID} 502": Fault(act="answer", on="any", status=502, shape="html"),
    f"Twilio answers for {SID} 503": Fault(act="answer", on="any", status=503, shape="problem"),
    f"Twilio refuses the auth_token of {SID}": Fault(act="answer", on="any", status=401),
    f"Twilio does not answer for {SID}: Server disconnected": Fault(act="drop", on="any"),
    f"Twilio answers for {SID} what makes no sense: Expecting value": Fault(
        act="answer", on="any", status=200, shape="html"
    ),
    f"Twilio answers for {SID} what makes no sense: Page Records": Fault(
        act="answer", on="any", status=200
    ),
}


@pytest.mark.parametrize("line", FAILURES)
async def test_whatever_twilio_comes_up_with_is_one_line(
    settings: Settings, owner: Owner, mock: MockTwilio, line: str
) -> None:
    await add_channels(owner, {"wa1": WA1})
    add_missed(mock, media=["https://x.example.com/a.png"])
    # First the request for the list fails, then the one for a message's files.
    for listed in (0, 1):
        mock.faults.clear()
        mock.faults.add(msgspec.structs.replace(FAILURES[line], skip=listed))
        done = await inbox(settings, "reconcile", *SINCE, "--dry-run")
        assert done.status == 1
        count = f"listed {listed}  recorded 0  to publish 0  left alone 0"
        assert done.lines == [f"acme/wa1  {count}  unfinished", f"0 of 1 channels  {count}"]
        [written] = done.err.splitlines()
        assert written.startswith(f"inbox: {line}")


async def test_a_twilio_that_is_away_or_refuses_the_token_is_one_line(
    settings: Settings, owner: Owner
) -> None:
    await add_channels(owner, {"wa1": WA1})
    away = replace(settings, twilio_api_url="http://127.0.0.1:1")
    done = await inbox(away, "reconcile", *SINCE)
    assert done.status == 1
    [line] = done.err.splitlines()
    assert line.startswith(f"inbox: Twilio does not answer for {SID}: Cannot connect to host")

    wrong = TwilioAccount(account_id=AccountId(ACCOUNT), auth_token="wrong")
    refused = replace(settings, twilio_accounts={SID: wrong})
    done = await inbox(refused, "reconcile", *SINCE)
    assert (done.status, done.err) == (1, f"inbox: Twilio refuses the auth_token of {SID}\n")
