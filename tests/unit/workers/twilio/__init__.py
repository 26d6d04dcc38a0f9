"""Unit tests of workers/twilio/."""
