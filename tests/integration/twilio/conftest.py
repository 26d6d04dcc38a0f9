"""A client of the mock of Twilio, and a receiver of its callbacks, for the tests of this folder."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.harness.twilio_clients import CallbackReceiver, PlainClient


@pytest.fixture
def plain(session: aiohttp.ClientSession) -> PlainClient:
    """A plain client of a mock of Twilio."""
    return PlainClient(session)


@pytest.fixture
async def receiver() -> AsyncIterator[CallbackReceiver]:
    """A receiver of status callbacks, each of which must be signed."""
    async with CallbackReceiver().running() as receiver:
        yield receiver
    assert receiver.unsigned == []
