"""Webhooks on this worker's disk, for the time in which Kafka takes none."""
