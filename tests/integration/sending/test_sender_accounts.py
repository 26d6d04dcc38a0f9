"""A reply goes out through the account at Twilio that owns the number of its channel."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bench.mock_twilio import faults
from bench.mock_twilio.account import ACCOUNTS, SID, TOKEN
from bench.mock_twilio.callback_rules import callbacks_missing
from schemas.fields import AccountId
from tests.harness.inbox import Owner
from tests.harness.input_events import ACCOUNT, channel
from tests.harness.sending_inbox import MARIA, SENDER, SendingInbox, serving
from tests.harness.topics import Topics
from tests.harness.twilio import Twilio, form
from tests.harness.waiting import until
from workers.dev.twilio_stand_in.server import Account
from workers.settings import Settings
from workers.settings.values import TwilioAccount

OTHER_SID, OTHER_TOKEN = "AC" + "1" * 32, "other-token"
FOREIGN_SID, FOREIGN_TOKEN = "AC" + "2" * 32, "foreign-token"


@asynccontextmanager
async def two_accounts(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> AsyncIterator[SendingInbox]:
    """An inbox whose tenant has two accounts at Twilio, beside another tenant with one."""
    admitted = {
        OTHER_SID: Account(auth_token=OTHER_TOKEN),
        FOREIGN_SID: Account(auth_token=FOREIGN_TOKEN),
    }
    configured = {
        SID: TwilioAccount(account_id=AccountId(ACCOUNT), auth_token=TOKEN),
        OTHER_SID: TwilioAccount(account_id=AccountId(ACCOUNT), auth_token=OTHER_TOKEN),
        FOREIGN_SID: TwilioAccount(account_id=AccountId("foreign"), auth_token=FOREIGN_TOKEN),
    }
    async with serving(
        settings,
        topics,
        owner,
        tmp_path / "worker.log",
        accounts=ACCOUNTS | admitted,
        twilio_accounts=configured,
    ) as inbox:
        yield inbox


async def receive_through(inbox: SendingInbox, sid: str, token: str) -> None:
    """Receive a message to the channel from an account at Twilio, and wait until it is recorded."""
    counted = "SELECT count(*) FROM inbox.messages WHERE direction = 'inbound'"
    before = await inbox.owner.fetchval(counted)
    # Not the id of a message that the harness made.
    given = {"MessageSid": f"SMf{before:031d}", "AccountSid": sid, "From": MARIA, "To": SENDER}
    async with aiohttp.ClientSession() as session:
        twilio = Twilio(inbox.settings.public_url, session, token=token)
        assert await twilio.post(form(**given)) == 204

    async def is_recorded() -> bool:
        return bool(await inbox.owner.fetchval(counted) > before)

    await until(is_recorded, "the message")


async def account_of_reply(inbox: SendingInbox, body: str) -> str:
    """Send a reply; the account at Twilio that it went out through."""
    await inbox.reply(body)

    async def is_sent() -> bool:
        return body in inbox.sids()

    await until(is_sent, f"the reply {body}")
    return inbox.sent(body).account_sid


async def test_a_reply_goes_through_the_account_that_the_newest_webhook_came_from(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    async with two_accounts(settings, topics, owner, tmp_path) as inbox:
        # Before any webhook: through the account that is set first.
        assert await account_of_reply(inbox, "first") == SID
        await receive_through(inbox, OTHER_SID, OTHER_TOKEN)
        assert await account_of_reply(inbox, "second") == OTHER_SID
        # With another address, nothing is known any more.
        await inbox.apply(channel("whatsapp:+15550003333"))
        assert await account_of_reply(inbox, "third") == SID


async def test_the_account_that_the_installation_names_counts_most(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    async with two_accounts(settings, topics, owner, tmp_path) as inbox:
        await inbox.apply(channel(SENDER, provider_account_id=OTHER_SID))
        await receive_through(inbox, SID, TOKEN)
        assert await account_of_reply(inbox, "first") == OTHER_SID
        # An installation is whole: what it leaves out is not so any more.
        await inbox.apply(channel(SENDER))
        assert await account_of_reply(inbox, "second") == SID


@pytest.mark.parametrize("named", [FOREIGN_SID, "AC" + "3" * 32], ids=["foreign", "unknown"])
async def test_a_reply_waits_rather_than_go_through_an_account_that_is_not_the_tenants(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path, named: str
) -> None:
    async with two_accounts(settings, topics, owner, tmp_path) as inbox:
        await inbox.apply(channel(SENDER, provider_account_id=named))
        await inbox.reply("first")
        await inbox.until_tried("first", 1)
        await inbox.until_states(queued=1)
        assert inbox.posted() == []
        assert f"has no auth_token for {named}" in inbox.worker.log.read_text()


async def test_an_uncertain_reply_is_searched_for_in_the_list_of_its_own_account(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    async with two_accounts(settings, topics, owner, tmp_path) as inbox:
        await inbox.apply(channel(SENDER, provider_account_id=OTHER_SID))
        inbox.mock.callback_rules.add(callbacks_missing())
        inbox.mock.faults.add(faults.answer_lost())
        await inbox.reply("lost")
        await inbox.until_states(uncertain=1)
        await inbox.pass_time(20)
        await inbox.until_states(accepted=1)
        assert await inbox.parts("provider_message_id") == inbox.sids()
