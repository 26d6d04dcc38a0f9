"""Webhooks on this worker's disk, while Kafka takes none."""
