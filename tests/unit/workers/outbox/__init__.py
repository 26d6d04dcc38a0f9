"""Unit tests of workers/outbox/."""
