"""A mock of Twilio's Messages API for benchmarks and tests, with a ledger and with faults."""

from bench.mock_twilio.callback_rules import CallbackRule
from bench.mock_twilio.faults import Fault
from bench.mock_twilio.ledger import Ledger, MissedMessage
from bench.mock_twilio.remote import RemoteTwilio
from bench.mock_twilio.server import MockTwilio

__all__ = ["CallbackRule", "Fault", "Ledger", "MissedMessage", "MockTwilio", "RemoteTwilio"]
