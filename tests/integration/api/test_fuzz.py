"""The API answers as its own OpenAPI document says, whatever it is asked."""

import asyncio
import math
import os
import time
from dataclasses import replace

import pytest

from tests.fuzz.api import ApiFuzzer
from tests.harness.api import ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import ACCOUNT, CHANNEL, conversation, message
from workers.settings import Settings

CONTACTS = [f"whatsapp:+38050000000{number}" for number in range(4)]

MINUTES = float(os.environ.get("INBOX_FUZZ_MINUTES", "2"))
"""How long the long test asks."""

FIRST_SEED = int(os.environ.get("INBOX_FUZZ_SEED", "1000"))
"""The seed of its first round; each round has the next one."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of an API that one user may ask as often as this test does."""
    return replace(settings, api_user_rate=100_000, api_account_rate=100_000)


async def fuzzer_of(inbox: Inbox, ana: ApiClient) -> ApiFuzzer:
    """Returns a fuzzer that knows some conversations and their messages."""
    await inbox.apply(*(message(contact, "Hello", media=MEDIA) for contact in CONTACTS))
    ids = [str(row[0]) for row in await inbox.owner.fetch("SELECT message_id FROM inbox.messages")]
    document = (await ana.get("/openapi.json")).json
    known = {
        "conversations.id": [conversation(contact) for contact in CONTACTS],
        "channels.channel_id": [str(CHANNEL)],
        "media.message_id": ids,
        "media.n": ["0", "1"],
    }
    headers = {"X-Inbox-Account": ACCOUNT, "X-Inbox-User": "ana"}
    return ApiFuzzer(inbox.settings.local_url, document, headers, known)


MEDIA = [{"url": "https://media.example.com/1", "content_type": "image/jpeg"}]


async def ask(fuzzer: ApiFuzzer, seed: int, examples: int, deadline: float = math.inf) -> None:
    """Ask each operation, and assert that nothing was wrong."""
    wrong = await asyncio.to_thread(lambda: list(fuzzer.ask_all(seed, examples, deadline)))
    assert wrong == [], "\n\n".join(wrong)


@pytest.mark.seconds(60)
async def test_the_api_answers_as_its_document_says(inbox: Inbox, ana: ApiClient) -> None:
    fuzzer = await fuzzer_of(inbox, ana)
    await ask(fuzzer, seed=1, examples=5)
    assert {name for name, _ in fuzzer.statuses} == set(fuzzer.names)


@pytest.mark.long
@pytest.mark.timeout(MINUTES * 60 + 240)
async def test_the_api_answers_as_its_document_says_for_minutes(
    inbox: Inbox, ana: ApiClient
) -> None:
    fuzzer = await fuzzer_of(inbox, ana)
    seed = FIRST_SEED
    deadline = time.monotonic() + 60 * MINUTES
    while time.monotonic() < deadline:
        await ask(fuzzer, seed, 10, deadline)
        seed += 1
    print(*sorted(fuzzer.statuses.items()), sep="\n")
