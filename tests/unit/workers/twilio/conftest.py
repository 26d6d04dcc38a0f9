"""A mock of Twilio, and the client under test."""

from collections.abc import AsyncIterator

import pytest

from bench.mock_twilio import MockTwilio
from tests.harness.twilio_account import settings
from workers.twilio.client import Twilio


@pytest.fixture
async def mock() -> AsyncIterator[MockTwilio]:
    """A mock of Twilio that cannot reach the callback URL."""
    async with MockTwilio() as mock:
        yield mock


@pytest.fixture
async def twilio(mock: MockTwilio) -> AsyncIterator[Twilio]:
    """The client under test."""
    twilio = Twilio(settings(mock.url))
    yield twilio
    await twilio.close()
