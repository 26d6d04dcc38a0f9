"""Integration tests of workers/kafka/."""
