"""Kafka polls become Postgres transactions: the transport, the batch loop, positions, lag."""
