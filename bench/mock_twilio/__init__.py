"""Twilio's Messages API for tests: keeps a ledger of what was sent, and fails as it is told to."""

from bench.mock_twilio.faults import Fault
from bench.mock_twilio.ledger import Ledger, Planted
from bench.mock_twilio.remote import RemoteTwilio
from bench.mock_twilio.server import MockTwilio
from bench.mock_twilio.tellings import Telling

__all__ = ["Fault", "Ledger", "MockTwilio", "Planted", "RemoteTwilio", "Telling"]
