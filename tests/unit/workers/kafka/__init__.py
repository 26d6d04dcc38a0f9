"""Unit tests of workers/kafka/."""
