"""Integration tests of workers/twilio/."""
