"""A mock of Twilio and an HTTP client, for the tests of webhooks and of the mock itself."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from bench.mock_twilio import MockTwilio


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that opens a connection for each request.

    A server closes the connection after a request that makes no sense.
    """
    timeout = aiohttp.ClientTimeout(total=60)
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield session


@pytest.fixture
async def mock() -> AsyncIterator[MockTwilio]:
    """A mock of Twilio."""
    async with MockTwilio() as mock:
        yield mock
