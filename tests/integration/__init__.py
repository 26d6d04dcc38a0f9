"""Tests of the product on a real Kafka and a real Postgres."""
