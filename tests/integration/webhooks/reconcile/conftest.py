"""A mock of Twilio whose lists `inbox reconcile` reads, for the tests of this folder."""

from dataclasses import replace

import pytest

from bench.mock_twilio import MockTwilio
from workers.settings import Settings


@pytest.fixture
async def settings(settings: Settings, mock: MockTwilio) -> Settings:
    """Settings with the mock as Twilio's API."""
    return replace(settings, twilio_api_url=mock.url)
