"""Integration tests of workers/outbox/."""
