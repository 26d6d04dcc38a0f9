"""Twilio's Messages API for tests: keeps a ledger of what was sent, and fails as it is told to."""

from tests.mock_twilio.faults import Fault
from tests.mock_twilio.ledger import Ledger, Planted
from tests.mock_twilio.remote import RemoteTwilio
from tests.mock_twilio.server import MockTwilio
from tests.mock_twilio.tellings import Telling

__all__ = ["Fault", "Ledger", "MockTwilio", "Planted", "RemoteTwilio", "Telling"]
