"""`inbox reconcile` reports in one line what it cannot do, and does the rest."""

import os
from dataclasses import replace
from typing import Any

from bench.mock_twilio import MockTwilio
from schemas.fields import AccountId
from tests.harness.command import inbox, run
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT
from tests.harness.reconcile import FB1, OTHER_SID, SINCE, WA1, add_channels, add_missed, ended
from tests.harness.topics import Topics
from workers.settings import Settings
from workers.settings.values import TwilioAccount


async def test_a_message_that_no_event_can_be_made_of_is_named_and_the_others_are_published(
    settings: Settings, topics: Topics, owner: Owner, mock: MockTwilio
) -> None:
    await add_channels(owner, {"wa1": WA1})
    add_missed(mock)
    nobody = add_missed(mock, "")
    done = await inbox(settings, "reconcile", *SINCE)

    assert done.lines[0] == "acme/wa1  listed 2  recorded 0  published 1  left alone 0"
    assert ended(done) == (
        1,
        [
            f"acme/wa1: {nobody} cannot be published: From is missing",
            "inbox: 1 of the messages cannot be published",
        ],
    )
    assert len(await topics.read("messages.received")) == 1


async def test_an_account_without_a_token_is_named_and_the_others_are_read(
    settings: Settings, owner: Owner, mock: MockTwilio
) -> None:
    silent = TwilioAccount(account_id=AccountId(ACCOUNT), signing_keys={"k": "s"})
    no_token = f"{OTHER_SID} of account acme has no auth_token: nothing of it is listed"
    alone = replace(settings, twilio_accounts={OTHER_SID: silent})
    done = await inbox(alone, "reconcile", *SINCE)
    assert (done.status, done.out, done.err) == (1, "", f"inbox: {no_token}\n")

    await add_channels(owner, {"wa1": WA1})
    add_missed(mock)
    both = replace(settings, twilio_accounts=settings.twilio_accounts | {OTHER_SID: silent})
    done = await inbox(both, "reconcile", *SINCE)
    assert ended(done) == (1, [f"inbox: {no_token}"])
    assert done.lines[0] == "acme/wa1  listed 1  recorded 0  published 1  left alone 0"


async def test_an_unknown_account_or_channel_is_named(
    settings: Settings, owner: Owner, mock: MockTwilio
) -> None:
    async def error(*arguments: str, **changed: Any) -> str:
        done = await inbox(replace(settings, **changed), "reconcile", *SINCE, *arguments)
        assert (done.status, done.out) == (1, "")
        return done.err.removeprefix("inbox: ").removesuffix("\n")

    assert await error() == "no channel is installed, account acme"
    await add_channels(owner, {"old": WA1, "gone": FB1}, removed=True)
    assert await error() == "no channel is installed, account acme"
    await add_channels(owner, {"old": WA1})
    await add_channels(owner, {"new": WA1})
    # An account without an account at Twilio is not listed, though it has channels.
    assert await error("--account", "no") == "INBOX_TWILIO_ACCOUNTS names no account no"
    assert await error(twilio_accounts={}) == "INBOX_TWILIO_ACCOUNTS names no account"
    channel_is = "channel {} gets no messages: {}, account acme"
    assert await error("--channel", "no") == "there is no channel no, account acme"
    assert await error("--channel", "gone") == channel_is.format("gone", "it was removed")
    assert await error("--channel", "old") == channel_is.format(
        "old", "a newer one has its address"
    )
    assert mock.ledger.requests == []


async def test_what_is_missing_or_away_is_one_line_too(settings: Settings, owner: Owner) -> None:
    await add_channels(owner, {"wa1": WA1})
    environment = {key: value for key, value in os.environ.items() if key[:6] != "INBOX_"}
    no_database = await run(environment, "reconcile", *SINCE)
    assert no_database.status == 2
    assert no_database.err == "inbox: INBOX_DATABASE_URL: is not set, and this command needs it\n"
    no_kafka = await inbox(replace(settings, kafka=None), "reconcile", *SINCE)
    assert no_kafka.status == 2
    assert no_kafka.err == "inbox: INBOX_KAFKA: is not set, and this command needs it\n"

    no_topics = await inbox(replace(settings, topic_prefix="nowhere."), "reconcile", *SINCE)
    assert no_topics.status == 1
    assert no_topics.err == (
        "inbox: nowhere.messages.received: no such topic, run `inbox topics`\n"
    )
    nowhere = replace(settings, database_url="postgresql://inbox@127.0.0.1:1/inbox")
    away = await inbox(nowhere, "reconcile", *SINCE)
    assert (away.status, away.out) == (1, "")
    assert away.err.startswith("inbox: Postgres does not answer: ")
